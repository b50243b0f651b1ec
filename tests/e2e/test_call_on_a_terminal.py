"""`allowly-harness call` in a real terminal: one call, one question, one answer typed by a person."""

import json
import shlex
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

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


HASTY = """
import json
from datetime import UTC, datetime, timedelta

import anyio
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool

async def list_tools(ctx, params):
    return ListToolsResult(tools=[Tool(name="t", input_schema={"type": "object"})])

async def call_tool(ctx, params):
    ends = datetime.now(UTC) + timedelta(seconds=2)
    blocked = {"decision": "confirm", "reason": "asked", "confirm_nonce": "cnf_" + "a" * 32,
               "confirm_prompt_hint": "", "confirm_expires_at": ends.isoformat()}
    return CallToolResult(content=[TextContent(type="text", text=json.dumps(blocked))], is_error=True)

async def main():
    server = Server("hasty", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

anyio.run(main)
"""


@pytest.fixture
def no_lookup(user) -> Iterator[None]:
    """An authority that offers no look-up and knows no question."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(404 if self.path.endswith("/lookup") else 410)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    user.environ |= {"ALLOWLY_BASE_URL": f"http://127.0.0.1:{server.server_port}", "ALLOWLY_KEY": "k" * 20}
    yield
    server.shutdown()
    server.server_close()


def test_a_question_that_ends_while_it_is_read_exits_with_6(no_lookup, terminal, tmp_path, program) -> None:
    hasty = tmp_path / "hasty.py"
    hasty.write_text(HASTY)

    terminal.start([program, "call", f"{sys.executable} {hasty}", "t"])
    terminal.wait_for("(?i)expired")
    terminal.type("close")
    terminal.press("Enter")

    assert terminal.exit_code() == 6
    assert "This is not a refusal" in terminal.screen()


def test_a_no_and_its_reason_are_in_the_document_too(office, serve_http, terminal, program, tmp_path) -> None:
    written = tmp_path / "document.json"
    with serve_http("mail") as url:
        line = shlex.join([program, "call", url, *SEND, "--output", "json"])
        terminal.start(["sh", "-c", f"{line} > {written}"])
        terminal.wait_for(r"approve (\w\w)\b")
        terminal.type("deny not today")
        terminal.press("Enter")

        assert terminal.exit_code() == 4
    found = json.loads(written.read_text())
    assert (found["outcome"], found["exit_code"], found["rounds"]) == ("denied_by_person", 4, 1)
    assert "not today" in found["content"][0]["text"]


def test_progress_is_one_line_that_is_gone_in_the_end(user, terminal, program) -> None:
    terminal.start([program, "call", "demo:mail", "sync_mailbox", "--arg", "address=ada@example.com"])
    terminal.wait_for(r"progress +\d+%")

    assert terminal.exit_code() == 0
    assert "progress" not in terminal.screen()
    assert "0 messages" in terminal.screen()


def test_arguments_typed_on_standard_input_leave_nobody_to_ask(user, office, serve_http, terminal, program) -> None:
    """G1: what was typed there was data, and so would be whatever comes next."""
    with serve_http("mail") as url:
        terminal.start([program, "call", url, "send_email", "--json", "-"])
        terminal.type('{"to": "ada@example.com", "subject": "s", "body": "b"}')
        terminal.press("Enter", "C-d")

        assert terminal.exit_code() == 5
    assert office.mail.addresses() == []


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_a_server_that_asks_for_values_while_its_tool_runs_gets_them(user, terminal, program, era) -> None:
    pairs = [word for pair in ("to=a@b.example", "subject=s", "body=b") for word in ("--arg", pair)]
    terminal.start([program, "call", "demo:mail", "schedule_mail", *pairs, "--era", era])
    code = terminal.wait_for(r"left  approve (\w\w)")[1]
    terminal.type(f"approve {code}")
    terminal.press("Enter")
    terminal.wait_for(r"fill \| decline")
    terminal.type("fill")
    terminal.press("Enter")
    terminal.wait_for(r"date\* \(text\):")
    terminal.type("2030-01-02")
    terminal.press("Enter")
    terminal.wait_for(r"importance \(.*\):")
    terminal.press("Enter")

    assert terminal.exit_code() == 0
    assert "scheduled for 2030-01-02, importance normal" in terminal.screen()
