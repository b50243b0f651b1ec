"""The chat front end on a real session: every command."""

import json
import os
import signal
import stat

import anyio
import pytest
from prompt_toolkit.completion import DummyCompleter
from prompt_toolkit.history import InMemoryHistory

from allowly_harness.approvers.chat.console import Console
from allowly_harness.chat import run_chat
from allowly_harness.chat.prompt import MainPrompt

pytestmark = pytest.mark.anyio

PROMPT = "mail> "


async def test_a_tool_is_called_and_its_result_is_printed_inert(chat, mail):
    async with chat() as terminal:
        terminal.type("/call echo a='two words' b:=[1,2]\r")
        await terminal.then("#1 echo  ok")
        await terminal.then("done\\x1b[2J \\u{202e}evil")

    assert mail.ran == [("echo", {"a": "two words", "b": [1, 2]})]
    assert "\x1b[2J" not in terminal.screen
    assert "\u202e" not in terminal.screen


async def test_the_slash_may_be_left_out(chat, mail):
    async with chat() as terminal:
        terminal.type("call echo\r")
        await terminal.then("#1 echo  ok")


async def test_tools_are_listed_inert_and_filtered(chat):
    async with chat() as terminal:
        terminal.type("/tools\r")
        await terminal.then("unusual name")
        terminal.type("/tools mailbox\r")
        await terminal.then("delete_mailbox")
        between = await terminal.then(PROMPT)

    assert "send_email" not in between
    assert "\x1b]0" not in terminal.screen
    assert "8 tools, 1 with an unusual name" in terminal.text


async def test_the_schema_says_how_each_argument_is_typed(chat):
    async with chat() as terminal:
        terminal.type("/schema send_email\r")
        await terminal.then("to*")
        said = await terminal.then("prints the schema itself")
        terminal.type("/schema send_email json\r")
        await terminal.then('"integer"')

    assert "=   text" in said
    assert "=   a whole number; default 1" in said
    assert "one of the choices: low, high" in said


async def test_typed_values_are_read_by_the_schema(chat, mail):
    async with chat() as terminal:
        terminal.type("/call send_email to=ada copies=2 urgency=high\r")
        await terminal.then("left ")
        terminal.type("approve k7\r")
        await terminal.then("#1 send_email  approved")

    assert mail.ran == [("send_email", {"to": "ada", "copies": 2, "urgency": "high"})]


async def test_what_does_not_fit_the_schema_is_sent_the_second_time_only(chat, mail):
    async with chat() as terminal:
        terminal.type("/call send_email to:=5\r")
        await terminal.then("Not sent")
        assert mail.authority.prompts == {}
        terminal.type("/call send_email to:=5\r")
        await terminal.then("sent although")
        await terminal.then("left ")
        terminal.type("deny\r")
        await terminal.then("#1 send_email  DENIED")


async def test_an_exclamation_mark_sends_what_does_not_fit(chat):
    async with chat() as terminal:
        terminal.type("/call! send_email to:=5\r")
        await terminal.then("sent although")
        await terminal.then("left ")


async def test_without_arguments_each_field_is_asked_for(chat, mail):
    async with chat() as terminal:
        terminal.type("/call send_email\r")
        await terminal.then("to* (text): ")
        terminal.type("\r")
        await terminal.then("It is needed")
        terminal.type("ada\r")
        await terminal.then("copies (a whole number, default 1): ")
        terminal.type("many\r")
        await terminal.then("must be an integer")
        terminal.type("3\r")
        await terminal.then("urgency (one of the choices): ")
        terminal.type("2\r")
        await terminal.then("left ")
        terminal.type("approve k7\r")
        await terminal.then("#1 send_email  approved")

    assert mail.ran == [("send_email", {"to": "ada", "copies": 3, "urgency": "high"})]


async def test_ctrl_c_leaves_the_fields_and_calls_nothing(chat, mail):
    async with chat() as terminal:
        terminal.type("/call send_email\r")
        await terminal.then("to* (text): ")
        terminal.type("\x03")
        await terminal.then("Nothing was called")
        await terminal.then(PROMPT)

    assert mail.authority.prompts == {}


async def test_an_open_bracket_goes_on_in_the_next_line(chat, mail):
    async with chat() as terminal:
        terminal.type('/call echo {"a":\r[1,\r2]}\r')
        await terminal.then("#1 echo  ok")

    assert mail.ran == [("echo", {"a": [1, 2]})]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/nonsense", "/help lists them"),
        ("/tolls", "do you mean /tools?"),
        ("/call", "name the tool"),
        ("/call echo a", "each argument is"),
        ("/call echo a=1 a=2", "stands twice"),
        ("/call echo a:={", "a: not JSON"),
        ("/result 7", "no call of that number"),
        ("/result x", "no number of a call"),
        ("/pending 7", "nothing of that number waits"),
        ("/schema send_emial", "do you mean send_email?"),
        ("/read mail://{folder", "brace"),
        ("/prompt nothing", "Error"),
        ("/edit echo", "no editor is set"),
    ],
)
async def test_what_makes_no_sense_is_said_and_calls_nothing(chat, mail, typed, said):
    async with chat() as terminal:
        terminal.type(f"{typed}\r" if "{" not in typed else f"{typed}\r\r")
        await terminal.then(said)
        await terminal.then(PROMPT)

    assert mail.ran == []


async def test_help_lists_every_command_and_explains_one(chat):
    async with chat() as terminal:
        terminal.type("/help\r")
        await terminal.then("/quit")
        terminal.type("/help call\r")
        await terminal.then("NAME:=json")


async def test_the_log_lists_calls_and_shows_one(chat):
    async with chat() as terminal:
        terminal.type("/log\r")
        await terminal.then("no calls yet")
        terminal.type("/call echo a=first\r")
        await terminal.then("#1 echo")
        terminal.type("/log first\r")
        await terminal.then('a="first"')
        terminal.type("/log 1\r")
        await terminal.then("sha256")
        terminal.type("/log second\r")
        await terminal.then("no such calls")


async def test_a_long_result_is_cut_and_paged(chat):
    async with chat() as terminal:
        terminal.type("/call long\r")
        await terminal.then("more lines: /result 1")
        terminal.type("/result 1\r")
        await terminal.then("Enter: more, q: stop: ")
        terminal.type("\r")
        await terminal.then("Enter: more, q: stop: ")
        terminal.type("q\r")
        await terminal.then(PROMPT)


async def test_a_result_is_saved_for_its_owner_alone_and_over_nothing(chat, tmp_path):
    path = tmp_path / "result.json"
    async with chat() as terminal:
        terminal.type("/call echo a=1\r")
        await terminal.then("#1 echo")
        terminal.type(f"/save 1 {path}\r")
        await terminal.then("saved")
        terminal.type(f"/save 1 {path}\r")
        await terminal.then("there is such a file already")

    assert json.loads(path.read_text())["arguments"] == {"a": "1"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_again_fills_the_prompt_and_sends_nothing(chat, mail):
    async with chat() as terminal:
        terminal.type("/call echo a=1\r")
        await terminal.then("#1 echo")
        terminal.type("/again 1\r")
        await terminal.then('/call echo {"a": "1"}')
        assert len(mail.ran) == 1
        terminal.type("\r")
        await terminal.then("#2 echo")


async def test_resources_are_listed_read_and_templates_filled_in(chat):
    async with chat() as terminal:
        terminal.type("/resources\r")
        await terminal.then("mail://inbox")
        await terminal.then("mail://{folder}/{number}")
        terminal.type("/read mail://inbox\r")
        await terminal.then("contents of mail://inbox\\x1b[2J")
        terminal.type("/read mail://{folder}/{number} folder=sent number=3\r")
        await terminal.then("contents of mail://sent/3")


async def test_prompts_are_listed_and_printed(chat):
    async with chat() as terminal:
        terminal.type("/prompts\r")
        await terminal.then("to*=")
        terminal.type("/prompt reply to=ada\r")
        await terminal.then("Write to ada")


async def test_ctrl_c_during_a_call_cancels_that_call_only(chat, mail):
    async with chat() as terminal:
        terminal.type("/call slow\r")
        await terminal.then("25%")
        os.kill(os.getpid(), signal.SIGINT)
        await terminal.then("#1 slow  cancelled")
        terminal.type("/call echo\r")
        await terminal.then("#2 echo  ok")


async def test_a_call_in_the_background_says_when_it_ends(chat, mail):
    async with chat() as terminal:
        terminal.type("/call slow &\r")
        await terminal.then("runs in the background")
        await terminal.then(PROMPT)
        terminal.type("/call echo\r")
        await terminal.then("#2 echo  ok")
        await terminal.then(PROMPT)
        mail.go_on.set()
        await terminal.then("#1 slow  ok")


async def test_a_call_in_the_background_can_be_taken_back(chat, mail):
    async with chat() as terminal:
        terminal.type("/bg slow\r")
        await terminal.then("runs in the background")
        terminal.type("/cancel 1\r")
        await terminal.then("#1 is taken back")
        await terminal.then("#1 slow  cancelled")
        terminal.type("/cancel 1\r")
        await terminal.then("has ended already")


async def test_leaving_asks_once_more_while_a_call_runs(chat, mail):
    async with chat() as terminal:
        terminal.type("/bg slow\r")
        await terminal.then("runs in the background")
        terminal.type("/quit\r")
        await terminal.then("/quit once more leaves")
        await terminal.then(PROMPT)
        terminal.type("/quit\r")
        with anyio.fail_after(20):
            while not mail.gone:  # noqa: ASYNC110 - a number raises no event
                await anyio.sleep(0.005)


async def test_a_server_that_never_lists_its_tools_still_gets_a_prompt(terminal, monkeypatch):
    monkeypatch.setattr("allowly_harness.chat.offers.LIST_SECONDS", 0.05)

    class Silent:
        class server:  # noqa: N801 - an attribute of the session
            name = "mail"

        async def list_tools(self, *, params=None):
            await anyio.sleep_forever()

    terminal.type("/tools\r/quit\r")
    with anyio.fail_after(20):
        assert await run_chat(Silent(), history=InMemoryHistory(), terminal=lambda: True) == 0

    assert "did not list its tools" in terminal.text


async def test_without_a_terminal_nothing_is_read(terminal):
    assert await run_chat(None, terminal=lambda: False) == 2
    assert terminal.screen == ""


async def test_the_line_at_the_bottom_is_there_only_while_something_waits(terminal):
    waiting = ""
    prompt = MainPrompt("mail", Console(), InMemoryHistory(), DummyCompleter(), lambda: waiting)

    prompt.refresh()
    nothing = prompt._session.bottom_toolbar
    waiting = "1 waits for you"
    prompt.refresh()

    assert nothing is None
    assert prompt._session.bottom_toolbar() == "1 waits for you"
