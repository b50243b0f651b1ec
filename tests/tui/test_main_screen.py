"""The main screen around its panes: connection, pages, commands, sizes, colours, and what a crash leaves."""

import pytest

from allowly_harness.protocol.errors import ConfigurationError, ServerUnreachable
from allowly_harness.settings import TerminalSettings
from allowly_harness.tui.chrome import KeyLine
from allowly_harness.workbench.link import LinkState

pytestmark = pytest.mark.anyio

SIZES = [(80, 24), (60, 15), (120, 40)]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_the_screen_is_laid_out_for_its_size(running, snapshot, make_result, size):
    async def answer(name, arguments):
        outcome = {"delete_mailbox": "denied_by_policy", "send_email": "approved"}.get(name)
        return make_result('[\n  {"id": 1}\n]', is_error=name == "delete_mailbox", outcome=outcome)

    async with running(size=size, hints=["send_email asks you first"]) as desk:
        desk.app.feed.note("warning", "low on disk")
        desk.session.behave = answer
        for name, arguments in (("send_email", {"to": "ada"}), ("delete_mailbox", {"mailbox": "x"}), ("list", {})):
            await desk.app.start_call(name, arguments).end.wait()
        await desk.pilot.pause()
        desk.main.tick()
        await desk.until(lambda: ("! needed: to" in desk.text and "low on disk" in desk.text) or size == (60, 15))

        snapshot(f"main_{size[0]}x{size[1]}", desk.local(desk.text))


async def test_before_the_first_call_the_screen_says_what_to_try(running, snapshot):
    async with running(hints=["send_email asks you first", "delete_mailbox needs somebody else"]) as desk:
        await desk.until(lambda: "! needed: to" in desk.text)

        snapshot("main_first", desk.text)


@pytest.mark.parametrize("size", [(59, 24), (80, 14), (20, 5)], ids=str)
async def test_a_terminal_that_is_too_small_gets_a_note(running, size):
    async with running(size=(80, 24)) as desk:
        await desk.pilot.resize_terminal(*size)

        await desk.until(lambda: f"{size[0]}x{size[1]}" in desk.text.replace("\n", " "))
        await desk.pilot.resize_terminal(80, 24)
        await desk.until(lambda: "send_email" in desk.text and "are needed" not in desk.text)


async def test_a_resize_under_a_page_reaches_the_screen_below(running):
    async with running(size=(80, 24)) as desk:
        await desk.press("question_mark")
        await desk.pilot.resize_terminal(120, 40)
        await desk.press("escape")

        await desk.until(lambda: desk.main.has_class("-wide") and desk.main.has_class("-tall"))


async def test_the_keys_of_the_pane_with_the_focus_come_first(running):
    async with running() as desk:
        line = desk.main.query_one(KeyLine)
        assert line._keys[0] == ("/", "search")
        await desk.press("l")
        assert line._keys[0] == ("o", "result")
        await desk.press("e")
        assert line._keys[0] == ("^r", "call it")
        await desk.press("escape", "l", "question_mark")

        await desk.until(lambda: "HERE, ON THE CALLS" in desk.text)


async def test_keys_are_moved_as_configured(running):
    settings = TerminalSettings(keys={"server-log": "f9", "calls": "c"})
    async with running(settings=settings) as desk:
        await desk.press("s")
        await desk.until(lambda: desk.card == "MainScreen")
        await desk.press("c")
        assert desk.app.focused.id == "calls"
        await desk.press("f9")

        await desk.until(lambda: desk.card == "LogPage")


async def test_a_theme_that_does_not_exist_is_refused(running):
    with pytest.raises(ConfigurationError, match="there is no theme 'nope'"):
        async with running(settings=TerminalSettings(theme="nope")):
            pass


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light", "allowly-light", "nord", "textual-dark"])
async def test_a_theme_is_set(running, theme):
    async with running(settings=TerminalSettings(theme=theme)) as desk:
        await desk.press("l", "ctrl+p", "escape")

        assert desk.app.theme == theme


async def test_themes_are_previewed_and_escape_goes_back(running):
    async with running() as desk:
        before = desk.app.theme
        await desk.press("ctrl+t", "down")
        assert desk.app.theme != before
        await desk.press("escape")
        assert desk.app.theme == before

        await desk.press("ctrl+t", "down", "enter")
        assert desk.app.theme != before


async def test_the_palette_finds_commands_and_tools(running):
    async with running() as desk:
        await desk.press("ctrl+p", *"tool mailbox", "enter")
        await desk.until(lambda: "─ delete_mailbox" in desk.text)
        await desk.press("escape", "ctrl+p", *"log", "enter")

        await desk.until(lambda: desk.card == "LogPage")


async def test_the_schema_is_shown_in_full(running):
    async with running(size=(80, 40)) as desk:
        await desk.press("i")

        await desk.until(lambda: '"type": "object"' in desk.text)


async def test_the_servers_log_is_shown_inert_and_without_secrets(running, tmp_path):
    log = tmp_path / "server.log"
    log.write_text("started\n\x1b]0;owned\x07 key ghp_" + "a1B2" * 9 + "\n")

    async with running(log=log) as desk:
        await desk.until(lambda: "\\x1b]0;owned\\x07 key <40 characters masked>" in desk.text)


async def test_the_whole_log_is_filtered_by_level_and_words(running, tmp_path):
    log = tmp_path / "server.log"
    log.write_text("from stderr\n")
    async with running(log=log) as desk:
        for level in ("debug", "info", "warning", "error"):
            desk.app.feed.note(level, f"a {level} line")
        await desk.press("s")
        await desk.until(lambda: "a debug line" in desk.text)

        await desk.press("f", "f")
        await desk.until(lambda: "a debug line" not in desk.text and "a warning line" in desk.text)
        await desk.until(lambda: "from stderr" in desk.text)
        await desk.press("slash", *"error")
        await desk.until(lambda: "a warning line" not in desk.text and "an error line" not in desk.text)
        await desk.press("escape", "escape")

        await desk.until(lambda: desk.card == "MainScreen")


async def test_resources_and_prompts_are_browsed_and_read(running, snapshot):
    async with running() as desk:
        await desk.press("b")
        await desk.until(lambda: "draft_reply" in desk.text)
        await desk.press("enter")
        await desk.until(lambda: "contents of mail://inbox\\x1b[2J" in desk.text)
        snapshot("browse_80x24", desk.text)

        await desk.press("escape", "down", "enter", *"in", "tab", "7", "ctrl+r")
        await desk.until(lambda: "contents of mail://in/7" in desk.text)
        await desk.press("escape", "end", "enter", *"ada", "ctrl+r")
        await desk.until(lambda: "draft_reply for {'to': 'ada'}" in desk.text)
        await desk.press("o")
        await desk.until(lambda: desk.card == "Page")
        await desk.press("escape", "escape", "escape")

        await desk.until(lambda: desk.card == "MainScreen")


async def test_a_first_connection_that_fails_ends_the_program(running, session_that_fails):
    async with running(prepare=session_that_fails(ServerUnreachable("cannot connect to mail"))) as desk:
        await desk.until(lambda: desk.app._exit)

        assert str(desk.app.link.failure) == "cannot connect to mail"


async def test_a_lost_connection_says_why_and_is_mended_without_losing_anything(running):
    async with running(size=(100, 30)) as desk:
        await desk.press("enter", *"ada")
        entry = desk.app.start_call("list", {"n": 1})
        await desk.until(lambda: not entry.running)

        desk.session.lost.set_result("the server closed \x1b[2J the connection")
        await desk.until(lambda: "LOST: the server closed \\x1b[2J the connection" in desk.text)
        await desk.until(lambda: "^o connects again" in desk.text)
        assert desk.app.start_call("list", {}) is None
        await desk.until(lambda: "nothing was sent" in desk.text)
        await desk.press("ctrl+o")
        await desk.until(lambda: desk.app.link.state is LinkState.CONNECTED)
        await desk.press("ctrl+r")
        await desk.until(lambda: len(desk.session.called) == 2)

        assert desk.session.opened == 2
        assert desk.session.called[1] == ("send_email", {"to": "ada"})
        assert len(desk.app.calls.entries) == 2


async def test_reconnecting_a_connection_that_stands_does_nothing(running):
    async with running() as desk:
        await desk.press("ctrl+o")

        await desk.until(lambda: "The connection stands." in desk.text)
        assert desk.session.opened == 1


async def test_a_crash_leaves_one_line_and_no_values():
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
