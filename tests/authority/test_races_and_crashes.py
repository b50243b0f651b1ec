"""Many at once, two processes on one database, and processes that die: one winner, nothing forgotten."""

from __future__ import annotations

import signal
import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from allowly_authority import AuthorityClient, Conflict, PromptGone
from allowly_authority.binding import bound_resource

pytestmark = pytest.mark.anyio

CALL = bound_resource("send", '{"to":"ada"}')


async def authorize(client: AuthorityClient) -> str:
    reply = await client.create_authorization(
        user_id="usr_7",
        agent_id="mail-bot",
        scopes=["read", "send", "delete"],
        expires_at=datetime.now(UTC) + timedelta(days=3650),
        requires_confirm_for=["send"],
        requires_escalation_for=["delete"],
    )
    return reply.authorization_id


async def ask(client: AuthorityClient, authorization_id: str, scope: str = "send", **changes):
    reply = await client.check(authorization_id=authorization_id, scopes=[scope], resource=CALL, **changes)
    return reply.results[scope]


async def together(jobs):
    """Run all jobs at once; return their results, with errors as values."""
    outcomes = []

    async def run(job):
        try:
            outcomes.append(await job())
        except Exception as error:  # noqa: BLE001 - the outcome is what is looked at
            outcomes.append(error)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for job in jobs:
                tasks.start_soon(run, job)
    return outcomes


def connect(server, key) -> AuthorityClient:
    return AuthorityClient(base_url=server.base_url, api_key=key, check_timeout_seconds=20.0, timeout_seconds=20.0)


async def test_of_64_approvals_of_one_nonce_one_counts(client):
    """G3: one answer per question."""
    prompt = await ask(client, await authorize(client))

    outcomes = await together(
        [lambda: client.settle_confirmation(prompt.confirm_nonce, approved=True) for _ in range(64)]
    )

    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, PromptGone) for outcome in outcomes) == 63


async def test_of_64_checks_with_one_approval_one_is_allowed(client):
    """G4: one approval opens one call."""
    authorization_id = await authorize(client)
    prompt = await ask(client, authorization_id)
    await client.settle_confirmation(prompt.confirm_nonce, approved=True)

    outcomes = await together([lambda: ask(client, authorization_id) for _ in range(64)])

    decisions = sorted(outcome.decision for outcome in outcomes)
    assert decisions == ["allow"] + ["confirm"] * 63


async def test_of_64_checks_under_one_key_all_are_the_same_allow(client):
    authorization_id = await authorize(client)
    prompt = await ask(client, authorization_id)
    await client.settle_confirmation(prompt.confirm_nonce, approved=True)

    outcomes = await together([lambda: ask(client, authorization_id, idempotency_key="call-1") for _ in range(64)])
    other = await ask(client, authorization_id, idempotency_key="call-2")

    assert {outcome.decision for outcome in outcomes} == {"allow"}
    assert other.decision == "confirm"


async def test_two_processes_on_one_database_allow_one_check_per_approval(start_server, location, workspace_key):
    """G4, where the winner can only be found by the database."""
    servers = [start_server(db=location), start_server(db=location)]
    async with connect(servers[0], workspace_key) as one, connect(servers[1], workspace_key) as two:
        authorization_id = await authorize(one)
        for _ in range(3):
            prompt = await ask(one, authorization_id)
            settled = await together(
                [
                    lambda client=client, nonce=prompt.confirm_nonce: client.settle_confirmation(nonce, approved=True)
                    for client in [one, two] * 8
                ]
            )
            outcomes = await together(
                [lambda client=client: ask(client, authorization_id) for client in [one, two] * 32]
            )

            assert sum(not isinstance(outcome, Exception) for outcome in settled) == 1
            assert sum(isinstance(outcome, PromptGone) for outcome in settled) == 15
            assert sorted(outcome.decision for outcome in outcomes) == ["allow"] + ["confirm"] * 63


async def test_two_processes_raise_one_escalation_for_one_question_and_take_one_answer(
    start_server, location, workspace_key
):
    servers = [start_server(db=location), start_server(db=location)]
    async with connect(servers[0], workspace_key) as one, connect(servers[1], workspace_key) as two:
        authorization_id = await authorize(one)
        raised = await together(
            [lambda client=client: ask(client, authorization_id, "delete") for client in [one, two] * 16]
        )
        escalation_id = raised[0].escalation_id
        answers = [(one, "approved"), (two, "rejected")] * 8

        outcomes = await together(
            [
                lambda client=client, resolution=resolution: client.resolve_escalation(
                    escalation_id, resolution=resolution, resolved_by="compliance-1"
                )
                for client, resolution in answers
            ]
        )

    assert {result.escalation_id for result in raised} == {escalation_id}
    assert len({outcome.status for outcome in outcomes if not isinstance(outcome, Exception)}) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 8


async def test_what_was_answered_before_a_kill_is_known_after_it(start_server, location, workspace_key):
    """G4, G5: a crash neither forgets an approval that was used nor a rejection."""
    first = start_server(db=location)
    async with connect(first, workspace_key) as client:
        authorization_id = await authorize(client)
        used = await ask(client, authorization_id)
        await client.settle_confirmation(used.confirm_nonce, approved=True)
        assert (await ask(client, authorization_id)).decision == "allow"
        unused = await ask(client, authorization_id)
        await client.settle_confirmation(unused.confirm_nonce, approved=True, ttl_seconds=300)
        rejected = await ask(client, authorization_id, "delete")
        await client.resolve_escalation(rejected.escalation_id, resolution="rejected", resolved_by="c")
    first.stop(signal.SIGKILL)

    second = start_server(db=location)
    async with connect(second, workspace_key) as client:
        after = [(await ask(client, authorization_id)).decision for _ in range(2)]
        denied = await ask(client, authorization_id, "delete")
        with pytest.raises(PromptGone):
            await client.settle_confirmation(used.confirm_nonce, approved=True)

    assert after == ["allow", "confirm"]
    assert denied.reason == "escalation_rejected"


async def test_killed_in_the_middle_of_approvals_each_nonce_is_answered_or_open(start_server, location, workspace_key):
    first = start_server(db=location)
    async with connect(first, workspace_key) as client:
        authorization_id = await authorize(client)
        nonces = [(await ask(client, authorization_id)).confirm_nonce for _ in range(40)]
        done: list[str] = []
        async with anyio.create_task_group() as tasks:

            async def approve_all():
                for nonce in nonces:
                    try:
                        await client.settle_confirmation(nonce, approved=False)
                    except Exception:  # noqa: BLE001 - the process is being killed
                        return
                    done.append(nonce)
                    if len(done) == 10:
                        first.process.send_signal(signal.SIGKILL)

            tasks.start_soon(approve_all)
    first.wait()

    async with connect(start_server(db=location), workspace_key) as client:
        states = {nonce: (await client.lookup_prompt(nonce=nonce)).status for nonce in nonces}

    assert len(done) >= 10
    assert {states[nonce] for nonce in done} == {"rejected"}
    assert set(states.values()) <= {"rejected", "pending"}


async def test_a_database_held_by_another_program_makes_changes_wait_and_reads_go_on(
    start_server, workspace_key, tmp_path
):
    server = start_server()
    async with connect(server, workspace_key) as client:
        authorization_id = await authorize(client)
        prompt = await ask(client, authorization_id)
        holder = sqlite3.connect(tmp_path / "served.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                results = []

                async def settle():
                    results.append(await client.settle_confirmation(prompt.confirm_nonce, approved=True))

                tasks.start_soon(settle)
                status = await client.lookup_prompt(nonce=prompt.confirm_nonce)
                holder.execute("ROLLBACK")

    holder.close()
    assert status.status == "pending"
    assert results[0].decision == "approved"


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
async def test_serve_stops_cleanly_on_a_signal_and_keeps_its_key(start_server, tmp_path, sig):
    first = start_server(key=None)
    key_file = Path(first.where["key_file"])
    key = key_file.read_text().strip()  # noqa: ASYNC240 - a small local file
    assert first.where == {
        "base_url": first.base_url,
        "db": str(tmp_path / "served.db"),
        "key_file": str(key_file),
        "inbox_url": f"{first.base_url}/inbox",
    }
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600  # noqa: ASYNC240 - as above
    assert stat.S_IMODE((tmp_path / "served.db").stat().st_mode) == 0o600
    async with connect(first, key) as client:
        authorization_id = await authorize(client)
        await ask(client, authorization_id)

        status, errors = first.stop(sig)

    assert (status, errors) == (0, "")
    second = start_server(key=None)
    async with connect(second, key) as client:
        assert (await ask(client, authorization_id, "read")).decision == "allow"


@pytest.mark.parametrize("damage", ["text", "foreign", "newer", "gone", "emptied", "damaged", "exposed"])
async def test_a_database_that_cannot_be_trusted_is_refused_with_a_sentence(start_server, tmp_path, damage):
    """G10: starting empty would forget revocations and used approvals."""
    db = tmp_path / "served.db"
    start_server(key=None).stop()
    if damage == "text":
        db.write_text("this is no database " * 100)
    elif damage == "foreign":
        db.unlink()
        with sqlite3.connect(db) as other:
            other.execute("CREATE TABLE t (x)")
        other.close()
    elif damage == "newer":
        with sqlite3.connect(db) as newer:
            newer.execute("PRAGMA user_version = 99")
        newer.close()
    elif damage == "gone":
        db.unlink()
    elif damage == "emptied":
        db.write_bytes(b"")
    elif damage == "damaged":
        content = bytearray(db.read_bytes())
        content[4096:] = b"\x5a" * (len(content) - 4096)
        db.write_bytes(content)
    else:
        (tmp_path / "served.db.key").chmod(0o644)

    before = db.read_bytes() if db.exists() else None
    server = start_server(key=None)
    status, errors = server.wait()

    assert server.where == {}
    assert status != 0
    assert "StoreError" in errors or "KeyFileError" in errors
    assert (db.read_bytes() if db.exists() else None) == before
