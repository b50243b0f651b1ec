"""What is counted, who may read it, and that no label tells of anybody."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from standing import KEY, Standing, standing

from allowly_authority import AuthorityClient
from allowly_authority.service.health import Health
from allowly_authority.store.sqlite import SqliteDatabase
from allowly_authority.store.timed import DatabaseTimes, TimedDatabase

pytestmark = pytest.mark.anyio

KEY_HEADER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing(tmp_path_factory.mktemp("metrics"), "--log-level", "warning") as started:
        yield started


@pytest.fixture
async def http(running: Standing) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.base_url, trust_env=False, timeout=20) as opened:
        yield opened


async def samples(http: httpx.AsyncClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    reply = await http.get("/metrics", headers=KEY_HEADER)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(reply.text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def grown(before: dict, after: dict, name: str, **labels: str) -> float:
    key = (name, tuple(sorted(labels.items())))
    return after.get(key, 0.0) - before.get(key, 0.0)


async def test_requests_and_decisions_are_counted_by_route_status_and_word(running, http, grant_on):
    before = await samples(http)
    async with AuthorityClient(base_url=running.base_url, api_key=KEY, check_timeout_seconds=20) as client:
        authorization_id = await grant_on(client)
        reply = await client.check(authorization_id=authorization_id, scopes=["read", "send", "nothing"])
        await client.settle_confirmation(reply.results["send"].confirm_nonce, approved=True)
    for path in ("/nowhere", "/v1/confirmations/a/b"):
        await http.get(path, headers=KEY_HEADER)
    await http.get("/v1/policies")

    after = await samples(http)

    assert grown(before, after, "allowly_authority_requests_total", method="POST", route="/v1/check", status="200") == 1
    nonce_route = {"method": "POST", "route": "/v1/confirmations/{nonce}", "status": "200"}
    assert grown(before, after, "allowly_authority_requests_total", **nonce_route) == 1
    assert grown(before, after, "allowly_authority_requests_total", method="GET", route="none", status="404") == 2
    assert grown(before, after, "allowly_authority_requests_total", method="GET", route="none", status="401") == 1
    words = {"allow": 1, "confirm": 1, "deny": 1, "escalate": 0, "confirmation_approved": 1}
    assert words == {w: grown(before, after, "allowly_authority_decisions_total", outcome=w) for w in words}
    assert grown(before, after, "allowly_authority_request_seconds_count", route="/v1/check") == 1
    assert grown(before, after, "allowly_authority_database_commit_seconds_count") >= 3
    assert grown(before, after, "allowly_authority_database_wait_seconds_count") >= 3


async def test_what_waits_what_is_open_and_what_was_built_are_told(running, http):
    told = await samples(http)

    assert {name for name, _ in told} >= {
        "allowly_authority_open_prompts",
        "allowly_authority_build_info",
        "allowly_authority_certificate_not_after_seconds",
        "allowly_authority_database_failures_total",
        "process_resident_memory_bytes",
    }
    assert told["allowly_authority_connections", ()] >= 1


async def test_open_questions_are_counted_by_kind(tmp_path: Path):
    database = SqliteDatabase.open(tmp_path / "a.db")
    with sqlite3.connect(tmp_path / "a.db") as raw:
        raw.execute(
            "INSERT INTO authorizations (authorization_id, dialect, user_id, agent_id, rules, created_ms, expires_ms) "
            "VALUES ('auth_1', 'scopes', 'u', 'a', '{}', 0, 9)"
        )
        for number, (kind, state, expires_ms) in enumerate(
            [("confirm", "pending", 2000), ("confirm", "pending", 1000), ("escalate", "rejected", 2000)]
        ):
            raw.execute(
                "INSERT INTO prompts (prompt_id, kind, dialect, authorization_id, scope, binding, state, created_ms, "
                "expires_ms, single_use, source_receipt_id) VALUES (?, ?, 'scopes', 'auth_1', 's', ?, ?, 0, ?, 0, 'r')",
                (f"p{number}", kind, f"b{number}", state, expires_ms),
            )
    raw.close()

    counted = await Health(database, lambda: 1.0).open_prompts()
    database.close()

    assert counted == {"confirm": 1, "escalate": 0}


async def test_requests_that_are_not_http_are_counted_though_they_have_no_route(running, http):
    before = await samples(http)
    host, port = "127.0.0.1", int(running.base_url.rpartition(":")[2])

    with anyio.fail_after(20):
        async with await anyio.connect_tcp(host, port) as stream:
            await stream.send(b"\x16\x03\x01 no http\r\n\r\n")
            answer = await stream.receive()

    assert b'"code":"bad_request"' in answer
    assert grown(before, await samples(http), "allowly_authority_refused_requests_total", reason="malformed") == 1


async def test_no_label_holds_an_id_a_name_or_a_nonce(running, http, grant_on):
    """G7."""
    async with AuthorityClient(base_url=running.base_url, api_key=KEY, check_timeout_seconds=20) as client:
        authorization_id = await grant_on(client)
        reply = await client.check(authorization_id=authorization_id, scopes=["send"], resource="mcp:canary-resource")
        nonce = reply.results["send"].confirm_nonce
        await client.settle_confirmation(nonce, approved=False)
        await http.request("CANARYMETHOD", f"/v1/confirmations/{nonce}?canary-query", headers=KEY_HEADER)
        await http.delete(f"/v1/authorizations/{authorization_id}", headers=KEY_HEADER)

    text = (await http.get("/metrics", headers=KEY_HEADER)).text

    for secret in (nonce, authorization_id, KEY, "usr_7", "mail-bot", "canary", "CANARY", '"send"', '"read"'):
        assert secret not in text


async def test_metrics_need_a_key_and_nothing_else(http):
    refused = await http.get("/metrics")
    wrong = await http.get("/metrics", headers={"Authorization": "Bearer allowly_wrong_key_0123456789"})
    page = await http.get("/metrics", headers=KEY_HEADER | {"Origin": "https://evil.example"})

    assert [reply.status_code for reply in (refused, wrong, page)] == [401, 401, 403]


async def test_metrics_are_open_where_that_is_said(tmp_path):
    with standing(tmp_path, "--metrics-open", "--log-format", "none") as opened:
        async with httpx.AsyncClient(base_url=opened.base_url, trust_env=False, timeout=20) as http:
            shown, other = await http.get("/metrics"), await http.get("/v1/policies")
        said = opened.stop()

    assert (shown.status_code, other.status_code) == (200, 401)
    assert "/metrics" not in said


@pytest.fixture
def timed(tmp_path: Path) -> Iterator[tuple[TimedDatabase, list[DatabaseTimes]]]:
    told: list[DatabaseTimes] = []
    database = TimedDatabase(SqliteDatabase.open(tmp_path / "a.db"), told.append)
    yield database, told
    database.close()


async def test_a_change_tells_how_long_it_waited_and_was_committed_and_a_read_only_that_it_waited(timed):
    database, told = timed

    results = [await database.apply(lambda _: "changed"), await database.read(lambda _: "read")]

    assert results == ["changed", "read"]
    changed, read = told
    assert (changed.failed, read.failed) == (False, False)
    assert changed.wait_seconds is not None
    assert changed.commit_seconds is not None
    assert (read.wait_seconds is not None, read.commit_seconds) == (True, None)


async def test_a_change_that_refuses_itself_is_no_failure_of_the_database(timed):
    database, told = timed

    def refuse(_: object) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError):
        await database.apply(refuse)

    assert [(times.failed, times.commit_seconds) for times in told] == [(False, None)]
