"""What a server says by itself, and the end of its log file."""

from types import SimpleNamespace

import pytest

from allowly_harness.workbench.feed import LEVELS, ServerFeed
from allowly_harness.workbench.tail import FIRST_BYTES, READ_BYTES, FileTail

pytestmark = pytest.mark.anyio


@pytest.mark.filterwarnings("ignore:The logging capability is deprecated")  # servers go on using it
async def test_log_notifications_arrive_inert_and_without_secrets(open_session):
    feed = ServerFeed()

    async with open_session(**feed.options) as session:
        await session.call_tool("talk", {})

    line = feed.lines[-1]
    assert line.level == "warning"
    assert line.text.text == "careful \\x1b[2J <28 characters masked>"


async def test_lists_that_changed_are_told():
    feed, changes = ServerFeed(), []

    end = feed.listen(on_change=changes.append)
    await feed.message_handler(SimpleNamespace(method="notifications/tools/list_changed"))
    await feed.message_handler(SimpleNamespace(method="notifications/progress"))
    end()
    await feed.message_handler(SimpleNamespace(method="notifications/prompts/list_changed"))

    assert changes == ["tools"]


async def test_lines_below_a_level_are_left_out_but_standard_error_never(tmp_path):
    file = tmp_path / "server.log"
    file.write_text("from stderr\n")
    feed = ServerFeed(file)
    for level in LEVELS:
        await feed.logging_callback(SimpleNamespace(level=level, logger="mail\x1b", data={"level": level}))

    assert feed.poll()

    assert [line.level for line in feed.at_least("error")] == ["error", "critical", "alert", "emergency", "stderr"]
    assert [line.text.text for line in feed.at_least("debug", "EMERGENCY mail")] == ['{"level":"emergency"}']
    assert feed.lines[0].source.text == "mail\\x1b"


async def test_what_is_no_json_and_what_is_huge_is_named(tmp_path):
    feed = ServerFeed(limit=3)

    await feed.logging_callback(SimpleNamespace(level="odd", logger=None, data=object()))
    await feed.logging_callback(SimpleNamespace(level="info", logger="x" * 99, data="y" * 3_000))
    await feed.message_handler(ValueError("bad \x9b message"))
    feed.note("warning", "the server asked for sampling; refused")

    assert [len(feed.lines), feed.count] == [3, 4]
    assert feed.lines[0].text.text.endswith("... +1,000 characters")
    assert "bad \\x9b message" in feed.lines[1].text.text


def test_a_growing_file_is_read_line_by_line(tmp_path):
    file = tmp_path / "log"
    tail = FileTail(file)
    assert tail.read() == []

    with file.open("ab") as out:
        out.write(b"one\r\n\ntw")
        out.flush()
        assert tail.read() == ["one"]
        out.write(b"o\n\xff\n")
        out.flush()
        assert tail.read() == ["two", "\\xff"]
    assert tail.read() == []


def test_of_a_long_file_only_the_end_is_read_and_the_rest_is_counted(tmp_path):
    file = tmp_path / "log"
    file.write_bytes(b"line\n" * FIRST_BYTES)
    tail = FileTail(file)

    first = tail.read()
    with file.open("ab") as out:
        out.write(b"more\n" * READ_BYTES)
    second = tail.read()

    assert first[0].endswith("bytes left out)")
    assert first[-1] == "line"
    assert second[0].endswith("bytes left out)")
    assert second[-1] == "more"


def test_a_file_that_is_replaced_or_cut_off_is_read_from_its_start(tmp_path):
    file = tmp_path / "log"
    file.write_text("a\nb\n")
    tail = FileTail(file)
    tail.read()

    file.rename(tmp_path / "log.old")
    file.write_text("new and longer than before\n")
    replaced = tail.read()
    file.write_text("cut\n")

    assert replaced == ["new and longer than before"]
    assert tail.read() == ["cut"]


def test_a_line_that_never_ends_is_given_out_in_pieces(tmp_path):
    file = tmp_path / "log"
    tail = FileTail(file)
    file.write_bytes(b"x" * 9_000)

    assert tail.read() == ["x" * 9_000]
