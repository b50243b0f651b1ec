"""The progress of a running tool: a line that is redrawn on a terminal, else lines now and then."""

import io

import pytest

from allowly_harness.cli.progress import LINE_SECONDS, ProgressLine

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_at_most_one_line_a_second_is_written_and_only_when_something_has_changed(clock) -> None:
    stream = io.StringIO()
    progress = ProgressLine(stream, redraw=False, clock=clock)

    for step in range(4):
        await progress(step, 20, "working")
    clock.now += LINE_SECONDS
    await progress(10, 20, "working")
    clock.now += LINE_SECONDS
    await progress(10, 20, "working")
    progress.clear()

    assert stream.getvalue() == "progress   0%  0/20  working\nprogress  50%  10/20  working\n"


async def test_on_a_terminal_one_line_is_redrawn_and_taken_away(clock) -> None:
    stream = io.StringIO()
    progress = ProgressLine(stream, redraw=True, clock=clock)

    await progress(1, 4, "a")
    clock.now += 1
    await progress(2, 4, "b")
    progress.clear()
    progress.clear()

    assert stream.getvalue() == "\r\x1b[Kprogress  25%  1/4  a\r\x1b[Kprogress  50%  2/4  b\r\x1b[K"


async def test_nothing_is_drawn_while_somebody_is_asked(clock) -> None:
    stream = io.StringIO()
    progress = ProgressLine(stream, redraw=True, clock=clock)

    await progress(1, 4, "a")
    clock.now += 1
    with progress.away():
        await progress(2, 4, "b")
    await progress(3, 4, "c")

    assert stream.getvalue() == "\r\x1b[Kprogress  25%  1/4  a\r\x1b[K\r\x1b[Kprogress  75%  3/4  c"


async def test_quiet_is_quiet(clock) -> None:
    stream = io.StringIO()
    progress = ProgressLine(stream, redraw=False, clock=clock, quiet=True)

    await progress(1, 4, "a")

    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("done", "total", "message", "line"),
    [
        (3, None, None, "progress 3"),
        (3, 0, None, "progress 3"),
        (5, 4, None, "progress 5/4"),
        (-1, 4, None, "progress -1/4"),
        (float("nan"), 4, "x", "progress nan/4  x"),
        (float("inf"), float("inf"), "", "progress inf/inf"),
        (1e300, 1e308, "", "progress   0%  1e+300/1e+308"),
    ],
)
async def test_numbers_that_make_no_sense_are_shown_as_they_are(clock, done, total, message, line) -> None:
    stream = io.StringIO()

    await ProgressLine(stream, redraw=False, clock=clock)(done, total, message)

    assert stream.getvalue() == f"{line}\n"


async def test_the_servers_words_are_inert_and_short(clock) -> None:
    """G8."""
    stream = io.StringIO()

    await ProgressLine(stream, redraw=False, clock=clock)(1, 2, "\x1b[2J\r\n\u202e" + "x" * 10_000)

    written = stream.getvalue()
    assert written.isprintable() or written.rstrip("\n").isprintable()
    assert written.count("\n") == 1
    assert len(written) < 300
