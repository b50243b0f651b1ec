"""`allowly-harness call` in a real terminal: one call, one question, one answer typed by a person."""

import pytest

pytestmark = pytest.mark.terminal

SEND = ("send_email", "--json", '{"to": "ada@example.com", "subject": "Hi", "body": "Hello"}')


@pytest.fixture
def asked(user, office, serve_http, terminal, program):
    """Call `send_email` and wait until the question stands on the screen."""
    with serve_http("mail") as url:
        terminal.start([program, "call", url, *SEND])
        code = terminal.wait_for(r"approve (\w\w)\b")[1]
        yield code


def test_the_typed_code_approves_and_the_mail_is_delivered(asked, terminal, office) -> None:
    terminal.type(f"approve {asked}")
    terminal.press("Enter")

    assert terminal.exit_code() == 0
    assert [mail.subject for mail in office.mail.read("ada@example.com")] == ["Hi"]


def test_a_no_exits_with_4_and_nothing_is_delivered(asked, terminal, office) -> None:
    """G5."""
    terminal.type("deny not today")
    terminal.press("Enter")

    assert terminal.exit_code() == 4
    assert "not today" in terminal.screen()
    assert office.mail.addresses() == []


@pytest.mark.parametrize("keys", [["C-c"], ["C-d"]], ids=["ctrl-c", "ctrl-d"])
def test_closing_the_question_exits_with_130_and_nothing_is_delivered(asked, terminal, office, keys) -> None:
    """G1."""
    terminal.press(*keys)

    assert terminal.exit_code() == 130
    assert office.mail.addresses() == []


def test_enter_and_yes_are_not_answers(asked, terminal, office) -> None:
    """G1."""
    terminal.press("Enter")
    terminal.type("yes")
    terminal.press("Enter")
    terminal.wait_for("Nothing was decided")
    terminal.press("C-c")

    assert terminal.exit_code() == 130
    assert office.mail.addresses() == []


def test_the_card_shows_every_argument_and_nothing_secret(asked, terminal, office) -> None:
    """G7."""
    screen = terminal.screen()
    terminal.press("C-c")
    terminal.exit_code()

    for text in ("ada@example.com", '"Hi"', '"Hello"', "send_email"):
        assert text in screen
    assert office.api_key not in screen
    assert "cnf_" not in screen


def test_the_result_goes_down_a_pipe_while_the_question_is_put_on_the_terminal(
    user, office, serve_http, terminal, program
) -> None:
    with serve_http("mail") as url:
        line = f"{program} call {url} send_email --arg to=ada@example.com --arg subject=Hi --arg body=B | tr a-z A-Z"
        terminal.start(["sh", "-c", line])
        code = terminal.wait_for(r"approve (\w\w)\b")[1]
        terminal.type(f"approve {code}")
        terminal.press("Enter")
        terminal.exit_code()

    assert "DELIVERED" in terminal.screen()
