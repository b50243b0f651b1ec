"""The configuration in a real terminal: themes and keys that cannot be are told at once, danger is shown."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.terminal


@pytest.fixture
def configure(user):
    def write(text: str) -> Path:
        path = user.home / ".config" / "allowly-harness" / "config.toml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return path

    return write


def said(terminal) -> str:
    return re.sub(r"\s+", " ", terminal.screen())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[terminl]\n", "did you mean 'terminal'?"),
        ("[terminal]\ntheme = 'ocean'\n", "ocean"),
        ("[terminal.keys]\nfly = 'f5'\n", "fly"),
        ("[terminal.keys]\napprove = 'enter'\n", "enter"),
    ],
)
def test_a_setting_that_cannot_be_exits_with_2_and_no_screen_is_drawn(
    configure, terminal, program, text, words
) -> None:
    configure(text)

    terminal.start([program, "connect", "--tui", "demo:mail"])

    assert terminal.exit_code() == 2
    assert words in said(terminal)
    assert "Traceback" not in terminal.screen()
    assert terminal.modes()["alternate_on"] == "0"


def test_a_theme_on_the_command_line_wins(configure, terminal, program) -> None:
    configure("[terminal]\ntheme = 'nord'\n")

    terminal.start([program, "connect", "--tui", "--theme", "ocean", "demo:mail"])

    assert terminal.exit_code() == 2
    assert "ocean" in said(terminal)


def test_a_call_that_is_named_dangerous_says_so_and_wants_more_than_the_code(
    configure, office, serve_http, terminal, program
) -> None:
    configure('[approval]\ndangerous = ["send_*"]\n')
    with serve_http("mail") as url:
        terminal.start([program, "call", url, "send_email", "--json", '{"to":"a@b.example","subject":"s","body":"b"}'])
        terminal.wait_for("named as dangerous in the configuration")
        code = terminal.wait_for(r"approve (\w\w)\b")[1]
        terminal.type(f"approve {code}")
        terminal.press("Enter")
        terminal.read(1)
        terminal.press("C-c")

        assert terminal.exit_code() == 130
    assert office.mail.addresses() == []


def test_the_question_names_who_asks(office, serve_http, terminal, program) -> None:
    with serve_http("mail") as url:
        terminal.start([program, "call", url, "send_email", "--json", '{"to":"a@b.example","subject":"s","body":"b"}'])
        terminal.wait_for("you, with a single call")
        terminal.press("C-c")

        assert terminal.exit_code() == 130


def test_a_server_that_does_not_start_is_told_after_the_screen(terminal, program) -> None:
    terminal.start([program, "connect", "--tui", "http://127.0.0.1:9/mcp"])

    assert terminal.exit_code() == 8
    assert "cannot connect to http://127.0.0.1:9/mcp" in said(terminal)
    assert terminal.modes() == {"alternate_on": "0", "mouse_any_flag": "0", "cursor_flag": "1"}


def test_an_authority_without_a_key_is_told_after_the_screen(user, terminal, program) -> None:
    terminal.start([program, "connect", "--tui", "http://127.0.0.1:9/mcp", "--authority", "https://authority.example"])

    assert terminal.exit_code() == 2
    assert "no key for the authority" in said(terminal)
