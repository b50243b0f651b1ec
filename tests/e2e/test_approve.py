"""`allowly-harness approve` answers for agents in other processes, as users run both: real terminals, real mail."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from terminals import Terminal

AGENT = Path(__file__).parents[2] / "docs" / "examples" / "answer_elsewhere.py"
QUESTION = r"left  approve (\w\w) \|"


@dataclass
class Agent:
    """An agent without a terminal: where it listens, and what came of its one call."""

    socket: Path
    process: subprocess.Popen[str]

    def outcome(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read() if self.process.stderr else ""
        return json.loads(line)["outcome"]


StartAgent = Callable[..., AbstractContextManager[Agent]]


@pytest.fixture(autouse=True)
def runtime_folder(user) -> Iterator[Path]:
    """Where agents listen: a short path, as a desktop has one, and nothing left behind."""
    folder = Path(tempfile.mkdtemp(prefix="r-"))
    user.environ["XDG_RUNTIME_DIR"] = str(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start_agent(user, office, serve_http) -> StartAgent:
    """Start an agent that makes one call and waits for its answer."""

    @contextmanager
    def start(subject: str = "Hi", *, tool: str = "send_email", name: str = "mail-bot") -> Iterator[Agent]:
        letter = {"to": "ada@example.com", "subject": subject, "body": "Hello"}
        arguments = {"address": "ada@example.com"} if tool == "delete_mailbox" else letter
        with (
            serve_http("mail") as url,
            user.running(sys.executable, str(AGENT), url, tool, json.dumps(arguments), name) as process,
        ):
            assert process.stdout is not None
            assert process.stderr is not None
            listens = process.stdout.readline().strip()
            assert listens, process.stderr.read()
            yield Agent(Path(listens), process)

    return start


@pytest.fixture
def another_terminal(user) -> Iterator[Terminal]:
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    opened = Terminal(folder, user.environment())
    yield opened
    opened.close()
    shutil.rmtree(folder)


def subjects(office) -> list[str]:
    return [mail.subject for mail in office.mail.read("ada@example.com")]


def say(terminal: Terminal, line: str) -> None:
    terminal.type(line)
    terminal.press("Enter")


class TestWithoutATerminal:
    """Nothing is asked; what waits can be listed."""

    def test_without_an_agent_the_list_is_empty(self, user) -> None:
        done = user.run("approve", "--json")

        assert (done.returncode, json.loads(done.stdout)) == (0, {"agents": []})

    def test_what_waits_is_listed_and_goes_on_waiting(self, user, start_agent, office) -> None:
        with start_agent() as agent:
            waiting: list = []
            while not waiting:
                done = user.run("approve", "--json", "--attach", str(agent.socket))
                assert done.returncode == 0, done.stderr
                waiting = json.loads(done.stdout)["agents"][0]["waiting"]

            assert [one["tool"] for one in waiting] == ["send_email"]
            assert waiting[0]["title"].startswith("send_email body=")
            assert agent.process.poll() is None
        assert subjects(office) == []

    def test_nothing_is_answered(self, user) -> None:
        done = user.run("approve")

        assert done.returncode == 2
        assert "approve needs a terminal" in done.stderr

    @pytest.mark.parametrize("option", ["--json", "--chat"])
    def test_an_agent_that_is_not_there_is_an_error(self, user, tmp_path, option) -> None:
        done = user.run("approve", option, "--attach", str(tmp_path / "nobody.sock"))

        assert done.returncode == (8 if option == "--json" else 2)


@pytest.mark.terminal
class TestFullScreen:
    """The TUI, in tmux."""

    @pytest.fixture
    def tui(self, office, terminal, program) -> Terminal:
        terminal.start([program, "approve"])
        terminal.wait_for("no agent attached")
        return terminal

    def test_a_yes_sends_one_mail_and_stands_in_the_history(self, tui, start_agent, office) -> None:
        with start_agent("Yes") as agent:
            tui.wait_for("a approve")
            assert "mail" in tui.screen()
            tui.press("a")
            tui.wait_for("Press y to run it")
            tui.read(0.5)
            tui.press("y")
            assert agent.outcome() == "approved"
        tui.wait_for("approved for mail-bot: send_email")

        assert tui.leave("C-q") == 0
        assert subjects(office) == ["Yes"]

    def test_what_was_typed_ahead_approves_nothing(self, tui, start_agent, office) -> None:
        """G1: on this side too, keys count only once the card was there to be read."""
        with start_agent() as agent:
            while not tui.shows("APPROVE THIS CALL", seconds=0.1):
                tui.press("a", "y", "Enter")
            tui.press("a", "y", "Enter")
            tui.wait_for("a approve")
            tui.press("d")
            tui.press("Enter")
            assert agent.outcome() == "denied_by_person"

        assert subjects(office) == []

    def test_escape_and_leaving_keep_a_question_open_for_the_next_terminal(
        self, tui, start_agent, office, another_terminal, program
    ) -> None:
        with start_agent("Later") as agent:
            tui.wait_for("esc put away")
            tui.press("Escape")
            tui.wait_for("1 WAITING")
            assert tui.leave("C-q") == 0
            another_terminal.start([program, "approve", "--chat", "--as", "bob", "--attach", str(agent.socket)])
            code = another_terminal.wait_for(QUESTION)[1]
            say(another_terminal, f"approve {code}")
            assert agent.outcome() == "approved"

        assert subjects(office) == ["Later"]

    def test_a_terminal_killed_over_a_question_leaves_it_open(self, tui, start_agent, office, user) -> None:
        with start_agent() as agent:
            tui.wait_for("a approve")
            tui.close()

            waiting = json.loads(user.run("approve", "--json").stdout)["agents"][0]["waiting"]
            assert [one["tool"] for one in waiting] == ["send_email"]
            assert agent.process.poll() is None

    def test_an_agent_that_is_killed_is_named_and_its_card_closes(self, tui, start_agent, office) -> None:
        with start_agent() as agent:
            tui.wait_for("a approve")
            agent.process.kill()
            tui.wait_for("The agent has gone. Nothing was approved here.")
            tui.wait_for("any key closes this")
            tui.press("Escape")
            tui.wait_for("no agent attached")

        assert tui.leave("C-q") == 0
        assert subjects(office) == []


@pytest.mark.terminal
class TestLineByLine:
    """The chat."""

    @pytest.fixture
    def chat(self, office, terminal, program) -> Terminal:
        terminal.start([program, "approve", "--chat"])
        terminal.wait_for("help lists the commands")
        return terminal

    def test_a_yes_a_no_and_the_history(self, chat, start_agent, office) -> None:
        with start_agent("Yes") as agent:
            code = chat.wait_for(QUESTION)[1]
            say(chat, f"approve {code}")
            assert agent.outcome() == "approved"
        chat.wait_for("mail-bot: has gone")
        with start_agent("No") as agent:
            chat.wait_for(r"(?s)left  approve.*left  approve")
            say(chat, "deny not this one")
            assert agent.outcome() == "denied_by_person"
        say(chat, "/history")
        chat.wait_for(r"approved for mail-bot: send_email(?s:.*)denied for mail-bot: send_email")
        say(chat, "quit")

        assert chat.exit_code() == 0
        assert subjects(office) == ["Yes"]

    def test_ctrl_c_puts_a_question_aside_and_pending_brings_it_back(self, chat, start_agent, office) -> None:
        with start_agent("Again") as agent:
            chat.wait_for(QUESTION)
            chat.press("C-c")
            chat.wait_for("stays open for others")
            say(chat, "/agents")
            chat.wait_for("mail-bot  process")
            say(chat, "/pending 1")
            code = chat.wait_for(r"(?s)left  approve.*left  approve (\w\w) \|")[1]
            say(chat, f"approve {code}")
            assert agent.outcome() == "approved"
        say(chat, "quit")

        assert chat.exit_code() == 0
        assert subjects(office) == ["Again"]

    def test_an_escalation_is_watched_and_given_up(self, chat, start_agent, office) -> None:
        with start_agent(tool="delete_mailbox") as agent:
            chat.wait_for(r"(?s)WHO MUST APPROVE\n\s+\"compliance\".*left  wait \|")
            say(chat, "wait")
            chat.wait_for(r"left to its approver for mail-bot: delete_mailbox")
            chat.wait_for(r"1 for somebody else|for somebody else: /pending")
            say(chat, "/pending 2")
            chat.wait_for('Waiting for "compliance"')
            say(chat, "give up")
            assert agent.outcome() == "cancelled"

    def test_an_agent_that_is_not_there_ends_the_program_with_the_reason(self, terminal, program, tmp_path) -> None:
        terminal.start([program, "approve", "--chat", "--attach", str(tmp_path / "nobody.sock")])
        terminal.wait_for("no agent listens at")

        assert terminal.exit_code() == 8

    def test_the_end_of_input_leaves_everything_open(self, chat, start_agent, office, user) -> None:
        with start_agent() as agent:
            chat.wait_for(QUESTION)
            chat.press("C-d")
            chat.wait_for("stays open for others")
            chat.press("C-d")
            assert chat.exit_code() == 0

            assert json.loads(user.run("approve", "--json").stdout)["agents"][0]["waiting"]
            assert agent.process.poll() is None
