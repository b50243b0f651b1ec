"""One document for scripts and one exit code for each way in which a call can end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ADA = "ada@example.com"
MAIL = ("--json", json.dumps({"to": ADA, "subject": "s", "body": "b"}))
MEMBERS = [
    "outcome",
    "exit_code",
    "rounds",
    "digest",
    "token",
    "is_error",
    "content",
    "structured",
    "seconds",
    "message",
]

DYING = """
import os
import anyio
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp_types import ListToolsResult, Tool

async def list_tools(ctx, params):
    return ListToolsResult(tools=[Tool(name="t", input_schema={"type": "object"})])

async def call_tool(ctx, params):
    os._exit(3)

async def main():
    server = Server("dying", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

anyio.run(main)
"""


def document(called: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the one document that stands on standard output, and hold it against its form."""
    found: dict[str, Any] = json.loads(called.stdout)
    assert called.stdout.count("\n") == 1
    assert list(found) == MEMBERS
    assert found["exit_code"] == called.returncode
    for secret in ("cnf_", "esc_", "nonce"):
        assert secret not in called.stdout
    return found


def test_0_a_tool_that_ran(user) -> None:
    called = user.run("call", "demo:mail", "show_mailbox", "--arg", f"address={ADA}", "--output", "json")

    found = document(called)
    assert (called.returncode, found["outcome"], found["rounds"], found["is_error"]) == (0, "allowed", 0, False)
    assert [block["type"] for block in found["content"]] == ["text", "image"]
    assert len(found["digest"]) == 64
    assert found["seconds"] >= 0
    assert called.stderr == ""


def test_0_structured_results_are_whole(user) -> None:
    called = user.run("call", "demo:mail", "read_mail", "--arg", f"address={ADA}", "--output", "json")

    assert document(called)["structured"] == {"result": []}


def test_1_a_tool_that_failed(user) -> None:
    called = user.run("call", "demo:mail", "read_mail", "--arg", "address=nobody", "--output", "json")

    found = document(called)
    assert (called.returncode, found["outcome"], found["is_error"]) == (1, "allowed", True)


def test_2_a_tool_that_is_not_there_is_told_with_the_nearest_name(user) -> None:
    called = user.run("call", "demo:mail", "send_mail", *MAIL, "--output", "json")

    found = document(called)
    assert (called.returncode, found["outcome"], found["digest"]) == (2, None, None)
    assert "there is no tool 'send_mail' here; did you mean 'send_email'?" in found["message"]


def test_2_arguments_that_do_not_fit_are_told_before_anybody_is_asked(user) -> None:
    called = user.run("call", "demo:mail", "send_email", "--arg", f"to={ADA}", "--arg", "sbject=x", "--output", "json")

    assert called.returncode == 2
    assert "send_email does not take these arguments" in document(called)["message"]
    assert "nobody was there" not in called.stderr


def test_2_text_that_is_no_number_is_told_with_its_name(user) -> None:
    called = user.run("call", "demo:mail", "create_filter", "--arg", "priority=high")

    assert called.returncode == 2
    assert "priority must be" in called.stderr
    assert called.stdout == ""


def test_unchecked_the_server_decides_about_tool_and_arguments(user) -> None:
    unlisted = user.run("call", "demo:mail", "no_such_tool", "--no-check", "--output", "json")
    unfit = user.run("call", "demo:mail", "read_mail", "--arg", "adress=x", "--no-check", "--output", "json")

    assert unlisted.returncode == 3
    assert document(unlisted)["outcome"] == "denied_by_policy"
    assert unfit.returncode == 1
    assert document(unfit)["is_error"] is True


def test_3_a_call_that_the_policy_denies(user) -> None:
    """G5."""
    arguments = ("--arg", f"source={ADA}", "--arg", "target=b@c.example")
    called = user.run("call", "demo:mail", "forward_all", *arguments, "--output", "json")

    found = document(called)
    assert (called.returncode, found["outcome"], found["is_error"]) == (3, "denied_by_policy", True)
    assert "The tool did not run" in found["content"][0]["text"]


def test_5_a_question_that_nobody_hears_is_refused(user, office, serve_http) -> None:
    """G1."""
    with serve_http("mail") as url:
        called = user.run("call", url, "send_email", *MAIL, "--output", "json")

    assert (called.returncode, document(called)["outcome"], document(called)["rounds"]) == (5, "unattended", 1)
    assert office.mail.addresses() == []


def test_5_a_question_that_nobody_hears_is_left_open(user, office, serve_http) -> None:
    with serve_http("mail") as url:
        called = user.run("call", url, "send_email", *MAIL, "--output", "json", "--unattended", "defer")

    assert (called.returncode, document(called)["outcome"]) == (5, "deferred")


def test_5_fail_reports_nothing_and_says_what_would_have_been_asked(user) -> None:
    arguments = ("--arg", f"to={ADA}", "--arg", "subject=s", "--arg", "body=b")
    called = user.run("call", "demo:mail", "send_email", *arguments, "--output", "json", "--unattended", "fail")

    assert (called.returncode, document(called)["outcome"]) == (5, "unattended")
    assert f'would have asked the user: send_email body="b" subject="s" to="{ADA}"' in called.stderr


def test_5_fail_names_who_would_have_had_to_approve(user) -> None:
    called = user.run("call", "demo:mail", "delete_mailbox", "--arg", f"address={ADA}", "--unattended", "fail")

    assert called.returncode == 5
    assert called.stdout == ""
    assert f'would have asked compliance: delete_mailbox address="{ADA}"' in called.stderr


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_5_a_tool_that_wants_something_of_a_person_gets_nothing(user, era: str) -> None:
    called = user.run(
        "call", "demo:mail", "connect_account", "--arg", "provider=x", "--output", "json", "--era", era
    )  # fmt: skip

    assert called.returncode == (5 if era == "modern" else 1)
    assert document(called)["is_error"] is True


def test_7_an_authority_that_cannot_be_reached(user) -> None:
    user.environ |= {"ALLOWLY_BASE_URL": "http://127.0.0.1:9", "ALLOWLY_KEY": "k" * 20}
    called = user.run("call", "demo:mail", "read_mail", "--arg", f"address={ADA}", "--output", "json")

    found = document(called)
    assert (called.returncode, found["outcome"]) == (7, None)
    assert "the authority" in found["message"]


def test_7_an_authority_that_goes_away_before_the_check(user, office, serve_http) -> None:
    """G10."""
    with serve_http("mail") as url:
        office.process.kill()
        office.process.wait()
        called = user.run("call", url, "send_email", *MAIL, "--output", "json")

    assert (called.returncode, document(called)["outcome"]) == (7, "unreachable")


def test_8_a_server_that_cannot_be_reached(user) -> None:
    called = user.run("call", "http://127.0.0.1:9/mcp", "x", "--output", "json")

    found = document(called)
    assert (called.returncode, found["outcome"]) == (8, None)
    assert "cannot connect to http://127.0.0.1:9/mcp" in found["message"]


def test_9_a_server_that_goes_away_during_the_call(user, tmp_path: Path) -> None:
    """G4."""
    path = tmp_path / "dying.py"
    path.write_text(DYING)
    called = user.run("call", f"{sys.executable} {path}", "t", "--output", "json")

    found = document(called)
    assert (called.returncode, found["outcome"]) == (9, "unknown")
    assert "the tool may have run" in found["message"]


def test_130_ctrl_c_while_a_tool_runs_ends_cleanly(user, program) -> None:
    command = (program, "call", "demo:mail", "sync_mailbox", "--arg", f"address={ADA}", "--output", "json")
    with user.running(*command) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("progress")
        process.send_signal(signal.SIGINT)
        written, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert document(subprocess.CompletedProcess(command, 130, written, said))["message"] == "interrupted"
    assert "Traceback" not in said


def test_143_a_call_that_is_terminated_leaves_no_document_that_could_be_taken_for_an_answer(user, program) -> None:
    command = (program, "call", "demo:mail", "sync_mailbox", "--arg", f"address={ADA}", "--output", "json")
    with user.running(*command) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        written, _ = process.communicate(timeout=60)

    assert (process.returncode, written) == (143, "")


def test_progress_goes_to_standard_error_and_quiet_leaves_it_out(user) -> None:
    arguments = ("call", "demo:mail", "sync_mailbox", "--arg", f"address={ADA}")
    loud = user.run(*arguments)
    quiet = user.run(*arguments, "--quiet")

    lines = loud.stderr.splitlines()
    assert lines[0] == "progress   0%  0/20  looking at part 1 of 20"
    assert len(lines) <= 5
    assert loud.stdout == quiet.stdout == "0 messages, 0 of them new; filters that apply: none\n"
    assert quiet.stderr == ""


def test_typed_text_becomes_what_the_schema_wants(user, office, serve_http) -> None:
    pairs = [
        f"address={ADA}",
        "name=7",
        'match={"field": "subject", "contains": "x"}',
        'actions=[{"do": "discard"}]',
        "priority=9",
    ]
    with serve_http("mail") as url:
        arguments = [word for pair in pairs for word in ("--arg", pair)]
        called = user.run("call", url, "create_filter", *arguments, "--unattended", "fail")

    assert called.returncode == 5
    assert 'name="7" priority=9' in called.stderr


def test_arguments_from_standard_input_are_data_and_never_answers(user, office, serve_http) -> None:
    """G1."""
    with serve_http("mail") as url:
        called = user.run("call", url, "send_email", "--json", "-", stdin=f"{MAIL[1]}\n")
        answered = user.run("call", url, "send_email", "--json", "-", stdin=f"{MAIL[1]}\napprove k7\n")

    assert called.returncode == 5
    assert answered.returncode == 2
    assert office.mail.addresses() == []


def test_a_value_comes_from_a_file(user, tmp_path: Path) -> None:
    body = tmp_path / "body.txt"
    body.write_text("from a file\n")
    arguments = ("--arg", f"to={ADA}", "--arg", "subject=s", "--arg", f"body=@{body}")
    called = user.run("call", "demo:mail", "send_email", *arguments, "--unattended", "fail")

    assert 'body="from a file\\n"' in called.stderr


def test_a_reader_that_has_gone_away_changes_nothing(user, program) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [program, "call", "demo:mail", "read_mail", "--arg", f"address={ADA}", "--output", "json"]
    called = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        env=user.environment(),
        check=False,
    )
    os.close(writing)

    assert (called.returncode, called.stderr) == (0, "")
