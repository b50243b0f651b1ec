"""`allowly-harness call` as scripts use it: streams, exit codes, and nobody there to ask."""

import json
import sys

import pytest

MAIL = ("--json", '{"to": "ada@example.com", "subject": "s", "body": "b"}')


def test_the_result_goes_to_standard_output_and_nothing_else_does(user) -> None:
    called = user.run("call", "demo:mail", "read_mail", "--arg", "address=ada@example.com")

    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout) == {"result": []}
    assert called.stderr == ""


def test_without_a_terminal_nothing_is_asked_and_nothing_runs(user, office, serve_http) -> None:
    """G1: lines on standard input are not answers."""
    with serve_http("mail") as url:
        called = user.run("call", url, "send_email", *MAIL, stdin="y\nyes\napprove\napprove k7\n")

    assert called.returncode == 5
    assert called.stdout == ""
    assert "nobody was there to ask" in called.stderr
    assert office.mail.addresses() == []


def test_a_question_may_be_left_open_instead_of_refused(user, office, serve_http) -> None:
    with serve_http("mail") as url:
        called = user.run("call", url, "send_email", *MAIL, "--unattended", "defer")

    assert called.returncode == 5
    assert "left open" in called.stderr


def test_a_call_that_the_policy_denies_exits_with_3(user) -> None:
    """G5."""
    called = user.run("call", "demo:mail", "forward_all", "--arg", "source=a@b.example", "--arg", "target=c@d.example")

    assert called.returncode == 3
    assert "scope_not_authorized" in called.stderr


def test_a_tool_that_fails_exits_with_1_and_its_words_are_the_data(user, office, serve_http) -> None:
    with serve_http("mail_lowlevel") as url:
        called = user.run("call", url, "read_mail", "--arg", "address=../../etc")

    assert called.returncode == 1
    assert "is not an address" in called.stdout


def test_an_authority_that_is_down_exits_with_7_and_says_so(user, office, serve_http) -> None:
    """G10."""
    with serve_http("mail") as url:
        office.process.kill()
        office.process.wait()
        called = user.run("call", url, "send_email", *MAIL)

    assert called.returncode == 7
    assert "could not reach its authorization service" in called.stderr
    assert office.mail.addresses() == []


def test_no_authority_named_says_how_to_name_one(user, office, serve_http) -> None:
    with serve_http("mail") as url:
        user.environ.clear()
        called = user.run("call", url, "send_email", *MAIL)

    assert called.returncode == 7
    assert "--authority URL or ALLOWLY_BASE_URL" in called.stderr


def test_a_server_that_cannot_be_reached_exits_with_8_and_quotes_its_last_words(user) -> None:
    nobody = user.run("call", "http://127.0.0.1:9/mcp", "x")
    quitter = user.run("call", f"{sys.executable} -c 'raise SystemExit(\"no mail today\")'", "x")

    assert nobody.returncode == quitter.returncode == 8
    assert "cannot connect to http://127.0.0.1:9/mcp" in nobody.stderr
    assert "no mail today" in quitter.stderr
    assert "Traceback" not in nobody.stderr + quitter.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("call", "nosuch-server", "x"), "there is no command 'nosuch-server'"),
        (("call", "missing.py", "x"), "there is no file 'missing.py'"),
        (("call", "demo:nothing", "x"), "there is no demo server 'nothing'"),
        (("call", "demo:mail", "x", "--arg", "novalue"), "'novalue' is not NAME=VALUE"),
        (("call", "demo:mail", "x", "--json", "[1]"), "must be one JSON object"),
        (("call", "demo:mail", "x", "--json", "{"), "is not valid JSON"),
        (("call", "demo:mail", "x", "--json", '{"a": 1, "a": 2}'), "names something twice"),
        (("call", "demo:mail", "x", "--json", '{"a": NaN}'), "--json"),
        (("call", "demo:mail", "x", "--json", "[" * 100_000), "is not valid JSON"),
        (("call", "demo:mail", "x", "--arg", "a=1", "--arg", "a=2"), "'a' is given twice"),
        (("call", "demo:mail", "x", "--arg", ":=3"), "is not NAME=VALUE"),
        (("call", "demo:mail", "x", "--authority", "http://authority.example"), "key"),
        (("connect", "demo:mail"), "connect needs a terminal"),
    ],
    ids=[
        *("no command", "no file", "no demo", "no value", "no object", "no json", "a name twice", "no number"),
        *("very deep", "an argument twice", "no name", "no key", "no terminal"),
    ],
)
def test_what_cannot_be_meant_exits_with_2_and_one_sentence(user, arguments: tuple[str, ...], message: str) -> None:
    called = user.run(*arguments)

    assert called.returncode == 2
    assert message in called.stderr
    assert "Traceback" not in called.stderr


@pytest.mark.parametrize("kind", ["mail", "mail_lowlevel", "mail_fastmcp"])
@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_every_demo_server_also_runs_over_http(user, office, serve_http, kind: str, era: str) -> None:
    with serve_http(kind) as url:
        called = user.run("call", url, "read_mail", "--arg", "address=ada@example.com", "--era", era)

    assert called.returncode == 0, called.stderr
