"""Calls: what became of each, filtered and found, cancelled, called again, opened, kept."""

import json
from types import SimpleNamespace

import anyio
import pytest

from allowly_harness.tui.filling.form import FormPane
from allowly_harness.tui.rows import RowsView

pytestmark = pytest.mark.anyio


async def hang(name, arguments):
    await anyio.sleep_forever()


def calls_of(desk) -> RowsView:
    return desk.main.query_one("#calls", RowsView)


async def called(desk, make_result, *outcomes: str | None) -> None:
    """Make one call for each outcome and wait for its end."""
    for number, outcome in enumerate(outcomes, 1):
        refused = outcome is not None and outcome.startswith("denied")

        async def answer(name, arguments, outcome=outcome, refused=refused):
            return make_result(f"result {arguments['n']}", is_error=refused, outcome=outcome)

        desk.session.behave = answer
        entry = desk.app.start_call("list", {"n": number})
        with anyio.fail_after(20):
            await entry.end.wait()
    await desk.until(lambda: calls_of(desk).count == len(outcomes))
    await desk.pilot.pause()


async def test_a_failing_call_is_logged_and_the_app_goes_on(running):
    async def fail(name, arguments):
        raise RuntimeError("gone \x1b[2J [@click=app.quit]x[/]")

    async with running(size=(120, 40)) as desk:
        desk.session.behave = fail

        desk.app.start_call("list", {})
        await desk.until(lambda: "FAILED" in desk.text)

        await desk.until(lambda: "\\x1b[2J [@click=app.quit]x[/]" in desk.text)


async def test_one_call_is_cancelled_and_no_other(running):
    async with running() as desk:
        desk.session.behave = hang
        desk.app.start_call("list", {"n": 1})
        desk.app.start_call("list", {"n": 2})
        await desk.until(lambda: len(desk.session.called) == 2 and calls_of(desk).count == 2)
        first, second = desk.app.calls.entries

        await desk.press("l", "up", "x")
        await desk.until(lambda: not first.running)

        assert first.words == "cancelled"
        assert second.running


async def test_x_cancels_the_last_call_that_runs_where_the_cursor_is_on_none(running):
    async with running() as desk:
        desk.session.behave = hang
        entry = desk.app.start_call("list", {})
        await desk.until(lambda: desk.session.called)

        await desk.press("x")
        await desk.until(lambda: not entry.running)

        assert entry.words == "cancelled"


async def test_the_filter_goes_through_its_states(running, make_result):
    async with running() as desk:
        await called(desk, make_result, "approved", "denied_by_person", None, "expired")
        seen = []
        await desk.press("l")
        for _ in range(5):
            await desk.press("f")
            seen.append((desk.main.query_one("#log").border_title.strip(), calls_of(desk).count))

        assert seen == [
            ("CALLS  failed  1 of 4", 1),
            ("CALLS  waiting  0 of 4", 0),
            ("CALLS  denied  1 of 4", 1),
            ("CALLS  approved  1 of 4", 1),
            ("CALLS  all  4", 4),
        ]


async def test_calls_are_found_by_words_and_all_come_back(running, make_result):
    async with running() as desk:
        await called(desk, make_result, "approved", "denied_by_person", None)

        await desk.press("l", "slash", *"denied")
        assert calls_of(desk).count == 1
        await desk.press("enter")
        assert desk.app.focused is calls_of(desk)
        await desk.press("escape")

        assert calls_of(desk).count == 3


async def test_a_filtered_list_follows_what_changes(running, make_result):
    async with running() as desk:
        await desk.press("l", "f", "f")
        desk.session.behave = hang
        entry = desk.app.start_call("list", {})
        await desk.until(lambda: calls_of(desk).count == 1)

        desk.app.calls.cancel(entry)

        await desk.until(lambda: calls_of(desk).count == 0)


async def test_calling_again_puts_the_arguments_back_and_sends_nothing(running, make_result):
    async with running() as desk:
        entry = desk.app.start_call("send_email", {"to": "ada"})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)
        await desk.press("end", "l", "r")

        assert len(desk.session.called) == 1
        assert desk.main.query_one(FormPane).read() == {"to": "ada"}
        await desk.press("ctrl+r")
        await desk.until(lambda: len(desk.session.called) == 2)
        assert desk.session.called[0] == desk.session.called[1]


async def test_a_tool_that_is_gone_is_not_called_again(running):
    async with running() as desk:
        desk.app.start_call("gone", {})
        await desk.until(lambda: calls_of(desk).count == 1)

        await desk.press("l", "r")

        await desk.until(lambda: "lists no tool 'gone'" in desk.text)


async def test_progress_is_a_bar_in_the_row_and_in_the_result(running):
    async with running(size=(120, 40)) as desk:
        desk.session.behave = hang
        desk.app.start_call("list", {})
        await desk.until(lambda: desk.session.progress)

        await desk.session.progress(3, 4, "three \x1b[2J")

        await desk.until(lambda: '[########..]  75%  "three \\x1b[2J"' in desk.text)
        await desk.until(lambda: "[######################........]  75%" in desk.text)


async def test_progress_without_a_total_or_with_a_mad_one_is_a_number(running):
    async with running(size=(120, 40)) as desk:
        desk.session.behave = hang
        desk.app.start_call("list", {})
        await desk.until(lambda: desk.session.progress)

        await desk.session.progress(1e300, None, None)
        await desk.until(lambda: "very much so far" in desk.text)
        await desk.session.progress(5, -1, None)
        await desk.until(lambda: "5 so far" in desk.text)
        await desk.session.progress(500, 100, None)

        await desk.until(lambda: "[##########] 100%" in desk.text)


async def test_a_flood_of_progress_leaves_the_keys_working(running):
    async with running() as desk:
        desk.session.behave = hang
        desk.app.start_call("list", {})
        await desk.until(lambda: desk.session.progress)

        for number in range(5_000):
            await desk.session.progress(number, 5_000, "step")
        await desk.press("question_mark")

        await desk.until(lambda: desk.card == "Page")


async def test_a_call_opens_in_full_is_searched_and_closes_again(running, make_result):
    async with running() as desk:
        desk.session.behave = lambda name, arguments: answer()

        async def answer():
            return make_result("\n".join(f"line {number}" for number in range(200)))

        entry = desk.app.start_call("list", {"name": "needle"})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)
        await desk.press("l", "enter")
        await desk.until(lambda: desk.card == "ResultPage")

        await desk.press("slash", *"needle", "enter")
        await desk.until(lambda: '"name": "needle"' in desk.text)
        await desk.press("slash")
        await desk.press("escape", "escape")

        await desk.until(lambda: desk.card == "MainScreen")


async def test_n_goes_on_to_the_next_place_and_round_the_end(running, make_result):
    async with running() as desk:

        async def answer(name, arguments):
            return make_result("\n".join("needle" if number in (50, 150) else "hay" for number in range(200)))

        desk.session.behave = answer
        entry = desk.app.start_call("list", {})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)
        await desk.press("l", "enter", "slash", *"needle", "enter")
        first = desk.app.screen._search.found
        await desk.press("n")
        second = desk.app.screen._search.found
        await desk.press("n")

        assert (second - first, desk.app.screen._search.found) == (100, first)


async def test_a_result_is_saved_privately_and_over_nothing_without_a_word(running, make_result, tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_text("before")
    async with running() as desk:
        entry = desk.app.start_call("list", {})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)

        await desk.press("ctrl+s")
        await desk.until(lambda: desk.card == "FileName")
        desk.app.focused.value = str(kept)
        await desk.press("enter")
        await desk.until(lambda: "File exists" in desk.text)
        assert kept.read_text() == "before"
        await desk.press("ctrl+r")
        await desk.until(lambda: desk.card == "MainScreen")

    assert "done" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


async def test_replacing_holds_for_the_named_file_alone(running, tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text("{}")
    second.write_text("{}")
    async with running() as desk:
        entry = desk.app.start_call("list", {})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)
        await desk.press("ctrl+s")
        desk.app.focused.value = str(first)
        await desk.press("enter")
        await desk.until(lambda: "File exists" in desk.text)

        desk.app.focused.value = str(second)
        await desk.press("ctrl+r", "escape")

    assert (first.read_text(), second.read_text()) == ("{}", "{}")


async def test_a_folder_that_is_not_there_is_said_and_the_name_stays(running, tmp_path):
    async with running() as desk:
        entry = desk.app.start_call("list", {})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)
        await desk.press("ctrl+s")
        desk.app.focused.value = str(tmp_path / "missing" / "x.json")
        await desk.press("enter")

        await desk.until(lambda: "No such file or directory" in desk.text)
        await desk.press("escape")
        await desk.until(lambda: desk.card == "MainScreen")


async def test_what_is_copied_is_what_is_shown(running, make_result):
    async with running() as desk:

        async def answer(name, arguments):
            return make_result("\x1b]52;c;cm0=\x07 rm -rf\r")

        desk.session.behave = answer
        entry = desk.app.start_call("list", {})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)
        await desk.press("ctrl+y")

        await desk.until(lambda: "characters copied" in desk.text)
        assert "\\x1b]52;c;cm0=\\x07 rm -rf\\x0d" in desk.app.clipboard
        assert "\x1b" not in desk.app.clipboard


async def test_a_link_of_a_result_is_read_through_the_session(running):
    link = SimpleNamespace(
        type="resource_link", name="inbox", title=None, uri="mail://inbox", mime_type=None, size=None
    )

    async def answer(name, arguments):
        return SimpleNamespace(content=[link], is_error=False, structured_content=None, meta=None)

    async with running() as desk:
        desk.session.behave = answer
        entry = desk.app.start_call("list", {})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)
        await desk.press("l", "enter")
        await desk.until(lambda: "LINKS  1" in desk.text)

        await desk.press("tab", "enter")

        await desk.until(lambda: "contents of mail://inbox\\x1b[2J" in desk.text)


async def test_a_link_that_cannot_be_read_says_why(running):
    link = SimpleNamespace(
        type="resource_link", name="inbox", title=None, uri="mail://inbox", mime_type=None, size=None
    )

    async def answer(name, arguments):
        return SimpleNamespace(content=[link], is_error=False, structured_content=None, meta=None)

    async def refuse(uri):
        raise RuntimeError("no \x9b such")

    async with running() as desk:
        desk.session.behave, desk.session.read_resource = answer, refuse
        entry = desk.app.start_call("list", {})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)
        await desk.press("l", "enter", "tab", "enter")

        await desk.until(lambda: "not read: RuntimeError: no \\x9b such" in desk.text)


async def test_a_picture_says_what_it_is_where_it_cannot_be_drawn(running):
    data = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
    picture = SimpleNamespace(type="image", data=data, mime_type="image/png\x1b")

    async def answer(name, arguments):
        return SimpleNamespace(content=[picture], is_error=False, structured_content=None, meta=None)

    async with running() as desk:
        desk.session.behave = answer
        entry = desk.app.start_call("list", {})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)
        await desk.press("l", "enter", "i")

        await desk.until(lambda: 'png, as the server says "image/png\\x1b", 68 bytes, 1 x 1 pixels' in desk.text)
        await desk.press("escape", "escape")
        await desk.until(lambda: desk.card == "MainScreen")


async def test_saved_json_holds_the_whole_result(running, tmp_path):
    async with running() as desk:
        entry = desk.app.start_call("list", {"a": 1})
        await desk.until(lambda: not entry.running and calls_of(desk).count == 1)
        await desk.press("ctrl+s")
        desk.app.focused.value = str(tmp_path / "call.json")
        await desk.press("enter")
        await desk.until((tmp_path / "call.json").exists)

    assert json.loads((tmp_path / "call.json").read_text())["arguments"] == {"a": 1}


async def test_quitting_with_an_open_call_takes_a_second_attempt(running):
    async with running() as desk:
        desk.session.behave = hang
        desk.app.start_call("list", {})
        await desk.until(lambda: desk.session.called)

        await desk.press("ctrl+q")
        assert desk.app.is_running
        assert desk.app._exit is False
        await desk.press("ctrl+q", after=1.0)

        assert desk.app._exit is True
