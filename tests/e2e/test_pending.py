"""`allowly-harness pending`: a call that was left open, from the command that made it to the one that resumes it."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import anyio

from allowly_authority import AuthorityClient

DELETE = ("call", "demo:mail", "delete_mailbox", "--arg", "address=ada@example.com", "--unattended", "defer")


def calls_of(user) -> list[dict[str, object]]:
    listed = user.run("pending", "--json", "--offline")
    assert listed.returncode == 0, listed.stderr
    return [json.loads(line) for line in listed.stdout.splitlines()]


def resolve(office, resolution: str, note: str | None = None) -> None:
    async def run() -> None:
        async with AuthorityClient(base_url=office.base_url, api_key=office.api_key, timeout_seconds=30) as client:
            for item in (await client.pending()).items:
                assert item.escalation_id is not None
                await client.resolve_escalation(
                    item.escalation_id, resolution=resolution, resolved_by="compliance", note=note
                )

    anyio.run(run)


def test_a_call_that_was_left_open_is_listed_approved_and_resumed_with_its_result(user, office) -> None:
    deferred = user.run(*DELETE)

    assert deferred.returncode == 5
    (kept,) = calls_of(user)
    assert f"pending resume {kept['token'][:8]}" in deferred.stderr
    assert (kept["tool"], kept["kind"], kept["escalation_to"]) == ("delete_mailbox", "escalate", "compliance")
    assert (kept["state"], kept["can_resume"]) == ("deferred", True)
    listed = user.run("pending").stdout
    assert "free" in listed
    assert '"compliance"' in listed

    resolve(office, "approved")
    assert "(approved by compliance there: resume it)" in user.run("pending").stdout
    resumed = user.run("pending", "resume", kept["token"][:6], "--output", "json")

    document = json.loads(resumed.stdout)
    assert (resumed.returncode, document["outcome"], document["digest"]) == (0, "allowed", kept["digest"])
    assert calls_of(user) == []
    assert user.run("pending", "resume", kept["token"]).returncode == 2


def test_resuming_with_wait_waits_for_whoever_must_approve_without_a_person_here(user, office, program) -> None:
    user.run(*DELETE)
    (journal,) = user.home.rglob("journal.db")
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as kept:
        (token,) = kept.execute("SELECT token FROM pending").fetchone()
        with user.running(program, "pending", "resume", token, "--wait", "--output", "json") as process:
            end = time.monotonic() + 60
            while kept.execute("SELECT state FROM pending").fetchone() != ("waiting",):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.05)
            resolve(office, "approved")
            printed, said = process.communicate(timeout=60)

    assert process.returncode == 0, said
    assert json.loads(printed)["outcome"] == "approved"


def test_a_call_that_was_rejected_meanwhile_says_who_and_why(user, office) -> None:
    user.run(*DELETE)
    resolve(office, "rejected", "not on a Friday")

    resumed = user.run("pending", "resume", str(calls_of(user)[0]["token"]))

    assert resumed.returncode == 3
    assert "compliance rejected it" in resumed.stderr
    assert calls_of(user) == []


def test_a_call_is_shown_with_its_arguments_and_taken_back(user) -> None:
    sent = user.run(
        "call", "demo:mail", "send_email", "--json", '{"to":"a@b.c","subject":"s","body":"b"}', "--unattended", "defer"
    )
    assert sent.returncode == 5, sent.stderr
    token = str(calls_of(user)[0]["token"])

    shown = user.run("pending", "show", token[:4], "--offline")
    assert '"subject": "s"' in shown.stdout
    assert "demo:mail" in shown.stdout

    assert user.run("pending", "forget", token).returncode == 2
    cancelled = user.run("pending", "cancel", token)
    assert "Taken back" in cancelled.stderr
    assert calls_of(user) == []
    assert "cancelled" in user.run("journal", "show").stdout


def test_an_empty_list_says_so_and_a_token_that_nothing_has_is_a_usage_error(user) -> None:
    listed = user.run("pending")
    resumed = user.run("pending", "resume", "abcd")

    assert (listed.returncode, listed.stdout) == (0, "")
    assert "No call waits." in listed.stderr
    assert resumed.returncode == 2
    assert "no call that waits begins with 'abcd'" in resumed.stderr
