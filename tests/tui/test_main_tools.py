"""Tools and the call that is being written: searched, described, filled in, called."""

from types import SimpleNamespace

import pytest
from textual import events

from allowly_harness.tui.filling.form import FormPane
from allowly_harness.tui.panes.call import CallPane

pytestmark = pytest.mark.anyio

SIZES = [(80, 24), (60, 15), (120, 40)]


def write(desk, tool_name: str, arguments: dict) -> None:
    """Put arguments into the form as a person would."""
    desk.main.tools.pick(tool_name)
    found = next(tool for tool in desk.main.tools.tools if tool.name == tool_name)
    desk.main.query_one(CallPane).show(found, arguments)


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_a_tool_is_picked_written_and_called(running, size):
    async with running(size=size) as desk:
        await desk.press("enter", "a", "d", "a")

        await desk.press("ctrl+r")
        await desk.until(lambda: "ok" in desk.text and "#1" in desk.text)

        assert desk.session.called == [("send_email", {"to": "ada"})]
        await desk.until(lambda: "done" in desk.text or size == (60, 15))


async def test_the_tools_are_filtered_as_it_is_typed(running):
    async with running() as desk:
        await desk.press("slash", "d", "e", "l")

        await desk.until(lambda: "1 of 3 tools" in desk.text)

        await desk.until(lambda: "delete_mailbox" in desk.text)
        assert "send_email" not in desk.text


async def test_enter_and_down_leave_the_search_line_for_the_list(running):
    async with running() as desk:
        await desk.press("slash", "d", "e", "l", "enter")
        assert desk.app.focused.id == "tools"
        await desk.press("slash", "down")
        assert desk.app.focused.id == "tools"


async def test_a_draft_stays_with_its_tool(running):
    async with running() as desk:
        await desk.press("enter", "a", "d", "a", "escape", "down")
        assert '"ada"' not in desk.text

        await desk.press("up")
        await desk.press("ctrl+r")
        await desk.until(lambda: desk.session.called)

        assert desk.session.called == [("send_email", {"to": "ada"})]


async def test_what_was_typed_survives_another_schema_and_is_checked_against_it(running, make_tool):
    async with running() as desk:
        await desk.press("enter", "a", "d", "a", "escape", "down")
        desk.session.tools[0] = make_tool("send_email", recipient="string")
        desk.app._relist()
        await desk.until(lambda: "recipient" in str(desk.main.tools.tools[0].schema))

        await desk.press("up")

        form = desk.main.query_one(FormPane)
        assert form.read() is None
        assert form.read(insist=True) == {"to": "ada"}


async def test_typing_goes_on_undisturbed_when_the_tools_are_listed_again(running, make_tool):
    async with running() as desk:
        await desk.press("enter", "a", "d")
        desk.session.tools[0] = make_tool("send_email", "Another description.", to="string")
        desk.app._relist()
        await desk.until(lambda: "Another description." in desk.text)

        await desk.press("a", "ctrl+r")
        await desk.until(lambda: desk.session.called)

        assert desk.session.called == [("send_email", {"to": "ada"})]


async def test_no_other_tool_takes_the_place_of_one_that_is_gone(running):
    async with running() as desk:
        await desk.press("enter", "a", "d", "a")
        del desk.session.tools[0]
        desk.app._relist()
        await desk.until(lambda: len(desk.main.tools.tools) == 2)

        await desk.press("ctrl+r")
        await desk.until(lambda: desk.session.called)

        assert desk.session.called == [("send_email", {"to": "ada"})]


async def test_arguments_stay_with_their_tool_after_a_call(running):
    async with running() as desk:
        await desk.press("enter", "a", "d", "a", "ctrl+r")
        await desk.until(lambda: desk.session.called)

        await desk.press("escape", "down", "up")

        assert desk.main.query_one(FormPane).read() == {"to": "ada"}


@pytest.mark.parametrize("text", ["{", "[]", '{"to": 1e999}', '{"a": 1, "a": 2}', "[" * 10000])
async def test_what_is_no_json_object_is_never_called(running, text):
    async with running() as desk:
        await desk.press("e", "ctrl+e")
        desk.app.focused.text = text

        await desk.press("ctrl+r", "ctrl+r", "ctrl+r")

        assert desk.session.called == []


async def test_arguments_that_do_not_fit_the_schema_are_called_at_the_second_attempt(running):
    async with running() as desk:
        write(desk, "send_email", {"to": 5})

        await desk.press("ctrl+r")
        assert desk.session.called == []
        await desk.until(lambda: "sends it all the same" in desk.text)
        await desk.press("ctrl+r")

        await desk.until(lambda: desk.session.called == [("send_email", {"to": 5})])


async def test_typing_takes_the_second_attempt_back(running):
    async with running() as desk:
        await desk.press("enter", "ctrl+r")
        await desk.until(lambda: "sends it all the same" in desk.text)

        await desk.press("x", "backspace")
        await desk.until(lambda: "sends it all the same" not in desk.text)
        await desk.press("ctrl+r")
        await desk.until(lambda: "sends it all the same" in desk.text)

        assert desk.session.called == []


async def test_what_was_typed_just_before_is_called_however_fast_the_keys_come(running):
    """Keys that arrive at once wait in queues, which a key that is taken first would overtake."""
    async with running() as desk:
        await desk.press("enter", *"ada")
        for key in ("x", "l", "backspace", "ctrl+r"):
            desk.app.post_message(events.Key(key, key if len(key) == 1 else None))

        await desk.until(lambda: desk.session.called)

        assert desk.session.called == [("send_email", {"to": "adax"})]


async def test_markup_in_names_and_descriptions_stays_text(running):
    evil = "[@click=app.quit]quit[/]"
    tools = [
        SimpleNamespace(name=name, title=evil, description=f"{evil}\x1b[2J", input_schema={"properties": {evil: {}}})
        for name in (evil, "[/]", "[bold red", "\u0440eport")
    ]
    async with running(size=(120, 40), tools=tools, hints=[evil]) as desk:
        await desk.pilot.click("#tools", offset=(3, 0))
        await desk.pilot.click("#about", offset=(6, 1))
        await desk.press("ctrl+p", "q", "u", "i", "t")
        await desk.press("escape")

        await desk.until(lambda: "[@click=app.quit]quit[/]" in desk.text)
        await desk.until(lambda: "\\u{440}eport" in desk.text)
        await desk.until(lambda: "4 tools, 4 unusual names" in desk.text)
        assert desk.app.is_running


async def test_names_that_differ_in_case_only_are_warned_of(running, make_tool):
    async with running(tools=[make_tool("send"), make_tool("SEND"), make_tool("read")]) as desk:
        await desk.until(lambda: "2 names differ" in desk.text)

        await desk.until(lambda: " ~ send" in desk.text)
        await desk.until(lambda: " ~ SEND" in desk.text)


async def test_a_tool_that_the_server_calls_destructive_is_marked(running, make_tool):
    risky = make_tool("wipe")
    risky.annotations = {"destructiveHint": True}
    async with running(tools=[risky, make_tool("read")]) as desk:
        await desk.until(lambda: " ! wipe" in desk.text)

        await desk.until(lambda: "| (destructive)" in desk.text)


async def test_tools_are_listed_anew_when_the_server_says_they_changed(running, make_tool, monkeypatch):
    monkeypatch.setattr("allowly_harness.tui.app.RELIST_SECONDS", 0.01)
    async with running() as desk:
        await desk.press("down")
        desk.session.tools.insert(0, make_tool("brand_new"))

        await desk.app.feed.message_handler(SimpleNamespace(method="notifications/tools/list_changed"))
        await desk.until(lambda: "brand_new" in desk.text)

        assert desk.main.query_one(CallPane).tool.name == "delete_mailbox"


async def test_a_click_moves_the_cursor_and_a_double_click_writes_the_call(running):
    async with running() as desk:
        await desk.pilot.click("#tools", offset=(5, 1))
        await desk.until(lambda: desk.main.query_one(CallPane).tool.name == "delete_mailbox")
        assert desk.app.focused.id == "tools"

        await desk.pilot.click("#tools", offset=(5, 1), times=2)

        await desk.until(lambda: desk.app.focused.id != "tools")


async def test_thousands_of_tools_are_walked_through(running, make_tool):
    async with running(tools=[make_tool(f"tool_{number:04}") for number in range(5_000)]) as desk:
        await desk.press("end", "pageup", "home", "pagedown", "k", "j")

        assert desk.main.query_one(CallPane).tool is not None
        await desk.until(lambda: "5000 tools" in desk.text)
