"""The example programs that ask in the middle of their own prompt or screen, in a real terminal (G1)."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminals import Terminal

pytestmark = pytest.mark.terminal

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def mail_url(serve_http) -> Iterator[str]:
    with serve_http("mail") as url:
        yield url


def start(terminal: Terminal, example: str, mail_url: str) -> Terminal:
    terminal.start([sys.executable, str(EXAMPLES / f"{example}.py"), mail_url])
    return terminal


def test_a_prompt_toolkit_program_asks_over_its_prompt_and_gets_it_back(mail_url, office, terminal) -> None:
    chat = start(terminal, "embed_prompt_toolkit", mail_url)
    chat.wait_for(r"write to>")
    chat.type("ada@example.com")
    chat.press("Enter")
    code = chat.wait_for(r"left  approve (\w\w) \|")[1]
    chat.type(f"approve {code}")
    chat.press("Enter")
    chat.wait_for(r"done: ")

    chat.type("bob@example.com")
    chat.press("Enter")
    chat.wait_for(r"(?s)left  approve.*left  approve")
    chat.press("C-c")
    chat.wait_for(r"(?s)Closed without an answer.*failed: .*write to>")
    chat.press("Enter")

    assert chat.exit_code() == 0
    assert office.mail.addresses() == ["ada@example.com"]


def test_a_prompt_toolkit_program_keeps_a_draft_while_a_question_waits(mail_url, office, terminal) -> None:
    chat = start(terminal, "embed_prompt_toolkit", mail_url)
    chat.wait_for(r"write to>")
    chat.type("ada@example.com")
    chat.press("Enter")
    chat.type("bo")  # at once: it is the program's, wherever the question has got to
    chat.wait_for(r"approval waiting: #1 send_email|left  approve")
    if re.search(r"approval waiting", chat.screen()):
        chat.press("C-u")
    code = chat.wait_for(r"left  approve (\w\w) \|")[1]
    chat.press("C-u")
    chat.type(f"approve {code}")
    chat.press("Enter")
    chat.wait_for(r"done: ")
    chat.press("C-u", "Enter")

    assert chat.exit_code() == 0
    assert office.mail.addresses() == ["ada@example.com"]


def test_a_textual_app_asks_over_its_screen_and_gets_it_back(mail_url, office, terminal) -> None:
    app = start(terminal, "embed_textual", mail_url)
    app.wait_for(r"write to")
    app.type("ada@example.com")
    app.press("Enter")
    app.wait_for(r"APPROVE THIS CALL\?")
    app.type("ay")
    app.wait_for(r"a approve")
    app.read(1.5)
    app.press("a")
    app.wait_for(r"NOW\?")
    app.read(0.5)
    app.press("y")
    app.wait_for(r"done: ")

    app.type("bob@example.com")
    app.press("Enter")
    app.wait_for(r"APPROVE THIS CALL\?")
    app.wait_for(r"a approve")
    app.read(1.5)
    app.press("Escape")
    app.wait_for(r"failed: ")
    app.wait_for(r"write to")

    assert app.leave("C-q") == 0
    assert office.mail.addresses() == ["ada@example.com"]
    assert app.modes()["alternate_on"] == "0"
