"""`allowly-harness connect` in a real terminal: yes, no and an escalation, line by line and full screen."""

import re
from collections.abc import Iterator

import pytest
from terminals import Terminal

pytestmark = pytest.mark.terminal

QUESTION = r"left  approve (\w\w) \|"
MAIL = '{"to":"ada@example.com","subject":"Hi","body":"Hello"}'


@pytest.fixture
def mail_url(serve_http) -> Iterator[str]:
    with serve_http("mail") as url:
        yield url


def say(terminal: Terminal, line: str) -> None:
    terminal.type(line)
    terminal.press("Enter")


class TestChat:
    """Line by line."""

    @pytest.fixture
    def chat(self, mail_url, terminal, program) -> Terminal:
        terminal.start([program, "connect", "--chat", mail_url])
        terminal.wait_for(r"help lists the commands")
        return terminal

    def test_a_yes_a_no_and_a_call_taken_back(self, chat, office) -> None:
        say(chat, "call send_email to=ada@example.com subject=Yes body=1")
        code = chat.wait_for(QUESTION)[1]
        say(chat, f"approve {code}")
        chat.wait_for(r"#1 send_email")

        say(chat, "call send_email to=ada@example.com subject=No body=2")
        chat.wait_for(r"(?s)left  approve.*left  approve")
        say(chat, "deny not this one")
        chat.wait_for(r"#2 send_email  DENIED")

        say(chat, "call delete_mailbox address=ada@example.com")
        chat.wait_for(r"(?s)WHO MUST APPROVE\n\s+\"compliance\".*left  wait \|")
        say(chat, "wait")
        chat.wait_for('Waiting for "compliance"')
        say(chat, "give up")
        chat.wait_for(r"#3 delete_mailbox")
        say(chat, "quit")

        assert chat.exit_code() == 0
        assert [mail.subject for mail in office.mail.read("ada@example.com")] == ["Yes"]


class TestFullScreen:
    """The TUI."""

    @pytest.fixture
    def tui(self, mail_url, terminal, program) -> Terminal:
        terminal.start([program, "connect", "--tui", mail_url])
        terminal.wait_for("9 tools")
        return terminal

    def call(self, tui: Terminal, tool: str, arguments: str) -> None:
        """Search a tool, pick it, write its arguments and call it, looking at the screen after each step."""
        tui.wait_for("e arguments")
        tui.press("/")
        tui.read(1)  # Textual takes a binding's turn after the keys that are there already
        tui.type(tool)
        tui.wait_for(f" {tool}  (?s:.*)1 of 9 tools")
        tui.press("Enter")
        tui.read(1)
        tui.press("e")
        tui.wait_for("form/JSON")
        tui.press("C-e")
        tui.wait_for("JSON of the whole call")
        tui.press("F7")  # select all
        tui.read(1)
        tui.type(arguments)
        tui.wait_for("ok: fits the schema")
        tui.press("C-r")

    def press_until(self, tui: Terminal, key: str, pattern: str) -> None:
        """Press a key until it counts: keys that come too early are thrown away."""
        for _ in range(10):
            tui.press(key)
            if tui.shows(pattern, seconds=2):
                return
        raise AssertionError(f"{key} never led to {pattern!r}:\n{tui.screen()}")

    def test_a_yes_is_two_keys_and_the_mail_is_delivered(self, tui, office) -> None:
        self.call(tui, "send_email", MAIL)
        tui.wait_for("APPROVE THIS CALL")
        self.press_until(tui, "a", "Press y to run it")
        tui.read(0.6)
        tui.press("y")
        tui.wait_for(r"#1 .*approved")

        assert tui.leave("C-q") == 0
        assert [mail.subject for mail in office.mail.read("ada@example.com")] == ["Hi"]
        assert tui.modes() == {"alternate_on": "0", "mouse_any_flag": "0", "cursor_flag": "1"}

    def test_a_no_delivers_nothing(self, tui, office) -> None:
        """G5."""
        self.call(tui, "send_email", MAIL)
        tui.wait_for("APPROVE THIS CALL")
        self.press_until(tui, "d", "enter deny")
        tui.press("Enter")
        tui.wait_for(r"#1 .*DENIED")

        assert tui.leave("C-q") == 0
        assert office.mail.addresses() == []

    def test_typing_ahead_approves_nothing(self, tui, office) -> None:
        """G1: what is typed goes into the draft and holds the question up; what comes too early is thrown away."""
        self.call(tui, "send_email", MAIL)
        tui.type("ayayay")
        tui.wait_for(re.escape(MAIL) + "ayayay")
        tui.wait_for("APPROVAL WAITING: send_email")
        tui.press("F2")
        tui.type("ayay")
        tui.wait_for("APPROVE THIS CALL")
        tui.type("ayay")
        self.press_until(tui, "d", "enter deny")
        tui.press("Enter")
        tui.wait_for(r"#1 .*DENIED")
        tui.press("C-q")

        assert office.mail.addresses() == []

    def test_an_escalation_is_awaited_and_taken_back(self, tui, office) -> None:
        self.call(tui, "delete_mailbox", '{"address":"ada@example.com"}')
        tui.wait_for("compliance")
        self.press_until(tui, "w", "WAITS FOR ANOTHER APPROVER")
        self.press_until(tui, "x", "Give up and take the call back")
        tui.read(1)
        tui.press("y")
        tui.wait_for(r"#1 .*delete_mailbox\s+(?!WAITS)\w+")

        assert tui.leave("C-q") == 0

    def test_suspending_gives_the_terminal_back_and_fg_draws_everything_anew(self, terminal, mail_url, program) -> None:
        terminal.start(["bash", "--norc", "-i"])
        say(terminal, f"{program} connect --tui {mail_url}")
        terminal.wait_for("9 tools")

        terminal.press("C-z")
        terminal.wait_for("Stopped")
        assert terminal.modes() == {"alternate_on": "0", "mouse_any_flag": "0", "cursor_flag": "1"}

        say(terminal, "fg")
        terminal.wait_for("9 tools")
        assert terminal.modes()["alternate_on"] == "1"

        terminal.press("C-q")
        terminal.wait_for(r"[#$] fg\n[^#$]*\n\S+[#$]\s*\Z")  # what is typed before the prompt is back may be lost
        say(terminal, "exit")
        assert terminal.exit_code() == 0
