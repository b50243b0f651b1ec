"""The main screen: tools, arguments, calls, results."""

from types import SimpleNamespace

import anyio
import pytest
from textual.widgets import TextArea

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("size", [(80, 24), (60, 15), (120, 40)], ids=["80x24", "60x15", "120x40"])
async def test_a_tool_is_picked_written_and_called(running, size):
    async with running(size=size) as desk:
        await desk.press("enter")
        desk.app.screen.query_one(TextArea).text = '{"to": "ada"}'

        await desk.press("ctrl+r")
        await desk.until(lambda: "ok" in desk.text and "#1" in desk.text)

        assert desk.session.called == [("send_email", {"to": "ada"})]
        assert "done" in desk.text or size == (60, 15)


async def test_the_tools_are_filtered_as_it_is_typed(running):
    async with running() as desk:
        await desk.press("slash", "d", "e", "l")

        await desk.until(lambda: "1 of 3 tools" in desk.text)

        await desk.until(lambda: "delete_mailbox" in desk.text)
        assert "send_email" not in desk.text


@pytest.mark.parametrize("text", ["{", "[]", '{"to": 1e999}', '{"a": 1, "a": 2}', "[" * 10000])
async def test_what_is_no_json_object_is_not_called(running, text):
    async with running() as desk:
        desk.app.screen.query_one(TextArea).text = text

        await desk.press("ctrl+r", "ctrl+r")

        assert desk.session.called == []


async def test_arguments_that_do_not_fit_the_schema_are_called_at_the_second_attempt(running):
    async with running() as desk:
        desk.app.screen.query_one(TextArea).text = '{"to": 5}'

        await desk.press("ctrl+r")
        assert desk.session.called == []
        await desk.until(lambda: "sends it all the same" in desk.text)
        await desk.press("ctrl+r")

        assert desk.session.called == [("send_email", {"to": 5})]


async def test_a_failing_call_is_logged_and_the_app_goes_on(running):
    async def fail(name, arguments):
        raise RuntimeError("gone \x1b[2J [@click=app.quit]x[/]")

    async with running(size=(120, 40)) as desk:
        desk.session.behave = fail

        await desk.press("ctrl+r")
        await desk.press("ctrl+r")
        await desk.until(lambda: "FAILED" in desk.text)

        await desk.until(lambda: "\\x1b[2J [@click=app.quit]x[/]" in desk.text)


async def test_one_call_is_cancelled_and_no_other(running):
    async def hang(name, arguments):
        await anyio.sleep_forever()

    async with running() as desk:
        desk.session.behave = hang
        desk.app.start_call("list", {"n": 1})
        desk.app.start_call("list", {"n": 2})
        await desk.until(lambda: len(desk.session.called) == 2)

        first, second = desk.app.calls.entries

        desk.app.calls.cancel(first)
        await desk.until(lambda: not first.running)

        assert first.words == "cancelled"
        assert second.running


async def test_markup_in_names_and_descriptions_stays_text(running):
    evil = "[@click=app.quit]quit[/]"
    tools = [
        SimpleNamespace(name=name, title=evil, description=f"{evil}\x1b[2J", input_schema={"properties": {evil: {}}})
        for name in (evil, "[/]", "[bold red", "\u0440eport")
    ]
    async with running(size=(120, 40), tools=tools, hints=[evil]) as desk:
        await desk.pilot.click("#tools", offset=(3, 0))
        await desk.pilot.click("#about", offset=(6, 1))

        await desk.until(lambda: "[@click=app.quit]quit[/]" in desk.text)
        await desk.until(lambda: "\\u{440}eport" in desk.text)
        assert desk.app.is_running


async def test_the_servers_log_is_shown_inert_and_without_secrets(running, tmp_path):
    log = tmp_path / "server.log"
    log.write_text("started\n\x1b]0;owned\x07 key ghp_" + "a1B2" * 9 + "\n")

    async with running(log=log) as desk:
        await desk.until(lambda: "\\x1b]0;owned\\x07 key <40 characters masked>" in desk.text)


async def test_quitting_with_an_open_call_takes_a_second_attempt(running):
    async def hang(name, arguments):
        await anyio.sleep_forever()

    async with running() as desk:
        desk.session.behave = hang
        desk.app.start_call("list", {})
        await desk.until(lambda: desk.session.called)

        await desk.press("ctrl+q")
        assert desk.app.is_running
        assert desk.app._exit is False
        await desk.press("ctrl+q", after=1.0)

        assert desk.app._exit is True


async def test_a_call_opens_in_full_and_closes_again(running):
    async with running() as desk:
        desk.app.start_call("list", {"name": "needle"})
        await desk.until(lambda: not desk.app.calls.running)
        await desk.press("l", "enter")
        assert desk.card == "Page"
        await desk.until(lambda: "needle" in desk.text)

        await desk.press("escape")

        assert desk.card == "MainScreen"


async def test_a_crash_leaves_one_line_and_no_values(running, tmp_path, monkeypatch):
    from allowly_harness.locations import crash_log
    from allowly_harness.tui.crash import record_crash

    api_key = "canary-value"
    try:
        _ = {}["it broke \x1b[2J"]
    except KeyError as error:
        line = record_crash(error)

    assert "\x1b" not in line
    assert api_key not in crash_log().read_text()
    assert "test_main_screen.py" in crash_log().read_text()
