"""Receipts over HTTP, read by the published `allowly` 0.8.0 and verified by the public `allowly-receipt-format`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from allowly import Allowly
from allowly.verify import decode_receipt, fetch_keys_doc, load_keys_from_json, verify_receipt
from allowly_receipt_format import load_keys_from_json as public_keys_of
from allowly_receipt_format import verify_receipt as public_verify

from allowly_authority import embedded_authority
from allowly_authority.receipts import RECEIPT_KEYS_VARIABLE, ReceiptKeyFile, receipt_keys_of

pytestmark = pytest.mark.anyio
on_sqlite = pytest.mark.parametrize("location", ["sqlite"], indirect=True)
"""What does not hang on the kind of database is tested on one of them."""
Send = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


def definition() -> dict[str, Any]:
    """Reading is allowed, sending asks the user, paying asks Ada where the amount is large."""

    def entry(action: str, decision: str, target: str | None, rules: list[dict[str, Any]]) -> dict[str, Any]:
        policy = {"profile": "allowly.basic.v1", "action": action, "decision": decision, "target": target}
        policy |= {"fields": {"amount": "integer"}, "rules": rules}
        return {"policy": policy, "guards": {}, "executable_operations": []}

    large = [{"field": "amount", "op": "gt", "value": 100}]
    rule = {"id": "large", "decision": "escalate", "target": "member:ada", "conditions": large}
    actions = [entry("read", "allow", None, []), entry("send", "confirm", "agent_owner", [])]
    actions.append(entry("pay", "allow", None, [rule]))
    return {"profile": "allowly.policy.v1", "agent_id": "mail-bot", "actions": actions, "default_expiry_days": 30}


@pytest.fixture
def edition(api: Send) -> Callable[..., Awaitable[str]]:
    """Make an authorization of a policy edition and return its id."""

    async def granted(**more: object) -> str:
        await api("POST", "/v1/policies", {"policy_id": "mail", **definition()})
        body = {"user_id": "usr_7", "policy_id": "mail", "policy_version": 1}
        status, reply = await api("POST", "/v1/authorizations", body | more)
        assert status == 201, reply
        return reply["authorization_id"]

    return granted


@pytest.fixture
async def sdk(authority) -> AsyncIterator[Allowly]:
    client = Allowly(
        api_key=authority.api_key,
        base_url=authority.base_url,
        dangerously_allow_insecure_base_url=True,
        check_timeout_ms=10_000,
    )
    with anyio.fail_after(30):
        yield client
    await client.aclose()


@pytest.fixture
def read_signed(api: Send, clock) -> Callable[[str], Awaitable[dict[str, Any]]]:
    """Fetch a receipt, verify it as anybody could, and return its content."""

    async def verified(receipt_id: str) -> dict[str, Any]:
        status, envelope = await api("GET", f"/v1/receipts/{receipt_id}")
        assert (status, envelope["status"]) == (200, "signed"), envelope
        workspace = decode_receipt(envelope["receipt"])["workspace_id"]
        _, document = await api("GET", f"/v1/workspaces/{workspace}/keys")
        return public_verify(
            envelope["receipt"],
            public_keys_of(document),
            now=datetime.fromtimestamp(clock.now, UTC) + timedelta(days=1),
            expected_workspace_id=workspace,
            trusted_key_fingerprints={key["public_key_fingerprint"] for key in document["keys"]},
        )

    return verified


@pytest.fixture(autouse=True)
def key_file(location, tmp_path, monkeypatch) -> Path:
    """Where the receipt keys are: beside an SQLite file; named, for the database of a server."""
    if isinstance(location, Path):
        return receipt_keys_of(location)
    path = tmp_path / "receipt-keys"
    monkeypatch.setenv(RECEIPT_KEYS_VARIABLE, str(path))
    return path


async def test_the_sdk_fetches_a_signed_receipt_and_verifies_it(sdk, api, edition, authority, clock):
    authorization = await edition()
    reply = await sdk.check(authorization_id=authorization, actions=["read"], resource="mail:1", context={"n": 1})

    receipt = await sdk.receipts.fetch_signed(reply.results["read"].receipt.receipt_id, poll_interval=0.1, timeout=10)

    workspace = decode_receipt(receipt)["workspace_id"]
    keys = load_keys_from_json(
        fetch_keys_doc(workspace, base_url=authority.base_url, dangerously_allow_insecure_base_url=True)
    )
    later = datetime.fromtimestamp(clock.now, UTC) + timedelta(days=1)
    payload = verify_receipt(receipt, keys, expected_workspace_id=workspace, now=later)
    assert (payload["action"], payload["decision"], payload["resource"]) == ("read", "allow", "mail:1")
    assert (payload["user_id"], payload["agent_id"], payload["context"]) == ("usr_7", "mail-bot", {"n": 1})
    assert payload["authorization_id"] == authorization
    assert payload["policy_ref"]["policy_id"] == "mail"


async def test_every_decision_and_resolution_leaves_a_receipt_that_verifies(api, edition, check, read_signed):
    authorization = await edition(budget_limit_micros=1000)
    cost = {"estimated_cost_micros": 300}
    allowed = await check(authorization, "read", session_id="s1", **cost)
    denied = await check(authorization, "other", **cost)
    asked = await check(authorization, "send", **cost)
    raised = await check(authorization, "pay", context={"amount": 500}, **cost)
    unknown = await check("auth_nobody", "read")
    _, confirmed = await api("POST", f"/v1/confirmations/{asked['confirm_nonce']}", {"approved": False})
    resolution = {"resolution": "approved", "resolved_by": "ada", "note": "seen"}
    _, resolved = await api("POST", f"/v1/escalations/{raised['escalation_id']}/resolve", resolution)
    settlement = {"check_receipt_id": allowed["receipt"]["receipt_id"], "actual_cost_micros": 200}
    _, settled = await api("POST", "/v1/budget-settlements", settlement)
    _, revoked = await api("DELETE", f"/v1/authorizations/{authorization}", {"revoked_by": "ops"})
    replies = [allowed, denied, asked, raised, unknown, confirmed, resolved, settled, revoked]

    said = [await read_signed(reply["receipt"]["receipt_id"]) for reply in replies]

    _, reply = await api("POST", "/v1/check", {"authorization_id": "auth_nobody", "actions": ["read"]})
    assert {one["engine_version"] for one in said} == {reply["engine_version"]}
    assert [one["decision"] for one in said] == [
        *("allow", "deny", "confirm", "escalate", "deny"),
        *("confirmation_rejected", "escalation_approved", "budget_settled", "authorization_revoked"),
    ]
    assert said[0]["context"]["session_id"] == "s1"
    assert said[0]["context"]["budget"]["spent_after_micros"] == 300
    assert said[3]["policy_eval"]["result"]["matched_rule_id"] == "large"
    assert (said[4]["authorization_id"], said[4]["policy_ref"], said[4]["user_id"]) == (None, None, "")
    assert said[6]["context"]["escalation"]["resolved_by"] == "ada"
    assert said[6]["context"]["escalation"]["note"] == "seen"
    assert said[7]["context"]["budget"]["actual_cost_micros"] == 200
    assert said[8]["context"]["revoked_by"] == "ops"
    assert all(asked["confirm_nonce"] not in json.dumps(one) for one in said)


async def test_an_authorization_and_its_replacement_leave_a_chain_of_receipts(api, edition, read_signed):
    first = await edition()
    second = await edition(replaces=first)

    _, of_first = await api("GET", f"/v1/receipts?authorization_id={first}")
    _, of_second = await api("GET", f"/v1/receipts?authorization_id={second}")
    ended, created = [await read_signed(item["receipt_id"]) for item in of_first["items"]]
    succeeded = await read_signed(of_second["items"][0]["receipt_id"])

    assert (created["event"], ended["event"]) == ("authorization.create", "authorization.revoke")
    assert created["context"]["actions"] == ["read", "send", "pay"]
    assert ended["context"]["superseded_by"] == second
    assert succeeded["context"]["replaces"] == first


async def test_a_receipt_has_one_signature_for_ever(  # noqa: PLR0917 - fixtures
    api, edition, check, clock, location, authority, key_file
):
    authorization = await edition()
    receipt_id = (await check(authorization, "read"))["receipt"]["receipt_id"]
    _, first = await api("GET", f"/v1/receipts/{receipt_id}")

    clock.advance(100)
    ReceiptKeyFile(key_file).rotate(int(clock.now * 1000))
    clock.advance(100)
    await api("DELETE", f"/v1/authorizations/{authorization}")
    _, after_rotation = await api("GET", f"/v1/receipts/{receipt_id}")
    async with embedded_authority(db=location, key=authority.api_key, clock=clock) as other:
        headers = {"Authorization": f"Bearer {other.api_key}"}
        async with httpx.AsyncClient(base_url=other.base_url, headers=headers, trust_env=False) as http:
            elsewhere = (await http.get(f"/v1/receipts/{receipt_id}")).json()

    assert first["status"] == "signed"
    assert after_rotation == first
    assert elsewhere == first


@on_sqlite
async def test_receipts_before_and_after_a_rotation_verify_with_the_keys_that_are_published(  # noqa: PLR0917 - fixtures
    api, edition, check, clock, key_file, read_signed
):
    authorization = await edition()
    before = (await check(authorization, "read"))["receipt"]["receipt_id"]
    clock.advance(100)
    ring = ReceiptKeyFile(key_file).rotate(int(clock.now * 1000))
    clock.advance(100)
    after = (await check(authorization, "read"))["receipt"]["receipt_id"]

    told = [await read_signed(one) for one in (before, after)]
    status, document = await api("GET", f"/v1/workspaces/{ring.workspace_id}/keys")

    assert [one["decision"] for one in told] == ["allow", "allow"]
    assert status == 200
    assert [key["active_until"] is None for key in document["keys"]] == [False, True]


@on_sqlite
async def test_keys_that_were_given_away_sign_nothing_more(api, edition, check, clock, key_file):
    authorization = await edition()
    before = (await check(authorization, "read"))["receipt"]["receipt_id"]
    clock.advance(100)
    ReceiptKeyFile(key_file).rotate(int(clock.now * 1000), compromised=True)
    after = (await check(authorization, "read"))["receipt"]["receipt_id"]

    statuses = [(await api("GET", f"/v1/receipts/{one}"))[1]["status"] for one in (before, after)]

    assert statuses == ["pending", "signed"]


@on_sqlite
async def test_the_public_keys_need_no_key_and_belong_to_one_workspace(authority, key_file):
    ring = ReceiptKeyFile(key_file).ring()

    async with httpx.AsyncClient(base_url=authority.base_url, trust_env=False) as http:
        own = await http.get(f"/v1/workspaces/{ring.workspace_id}/keys")
        other = await http.get("/v1/workspaces/ws_other/keys")
        beside = await http.get(f"/v1/workspaces/{ring.workspace_id}/keys/more")

    assert (own.status_code, other.status_code, beside.status_code) == (200, 404, 401)
    assert own.json() == ring.document()
    assert key_file.read_text().split('"private": "')[1].split('"')[0] not in own.text


@on_sqlite
@pytest.mark.parametrize("dialect", ["scopes", "actions"])
async def test_receipts_of_rules_without_an_edition_stay_pending(api, create, check, dialect):
    authorization = await create("read")

    checked = await check(authorization, "read", dialect=dialect)
    _, envelope = await api("GET", f"/v1/receipts/{checked['receipt']['receipt_id']}")

    assert envelope == checked["receipt"]


@on_sqlite
async def test_clients_of_the_scopes_dialect_keep_the_form_that_they_know(api, edition, check):
    authorization = await edition()

    checked = [await check(name, "read", dialect="scopes") for name in (authorization, "auth_nobody")]
    envelopes = [(await api("GET", f"/v1/receipts/{one['receipt']['receipt_id']}"))[1] for one in checked]

    assert [one["status"] for one in envelopes] == ["pending", "pending"]


@on_sqlite
async def test_a_context_without_a_canonical_form_leaves_a_receipt_that_stays_pending(api, check):
    checked = await check("auth_nobody", "read", context={"ratio": 0.5})

    _, envelope = await api("GET", f"/v1/receipts/{checked['receipt']['receipt_id']}")

    assert envelope["status"] == "pending"


async def test_a_check_that_waits_returns_the_very_receipt_that_is_served_later(api, edition, check, sdk):
    authorization = await edition()
    body = {"authorization_id": authorization, "actions": ["read", "other"]}

    status, reply = await api("POST", "/v1/check?wait=true", body)
    waited = reply["results"]["read"]["receipt"]
    receipt_id = decode_receipt(waited["receipt"])["receipt_id"]
    through_sdk = await sdk.check(authorization_id=authorization, actions=["read"], wait=True)

    assert status == 200
    assert waited["status"] == "signed"
    assert (await api("GET", f"/v1/receipts/{receipt_id}"))[1] == waited
    assert through_sdk.results["read"].receipt.status == "signed"
    assert (await api("POST", "/v1/check?wait=soon", body))[0] == 422


@on_sqlite
async def test_a_check_under_a_key_that_comes_again_and_waits_returns_the_same_signed_receipt(api, edition, check):
    body = {"authorization_id": await edition(), "actions": ["send"]}

    _, first = await api("POST", "/v1/check", body, key="k-1")
    _, again = await api("POST", "/v1/check?wait=true", body, key="k-1")

    signed = again["results"]["send"].pop("receipt")
    pending = first["results"]["send"].pop("receipt")
    assert decode_receipt(signed["receipt"])["receipt_id"] == pending["receipt_id"]
    assert again == first


@on_sqlite
async def test_keys_that_cannot_be_read_stop_no_check(api, edition, check, key_file):
    authorization = await edition()
    key_file.chmod(0o644)

    status, reply = await api("POST", "/v1/check?wait=true", {"authorization_id": authorization, "actions": ["read"]})
    receipt = reply["results"]["read"]["receipt"]
    while_exposed = await api("GET", f"/v1/receipts/{receipt['receipt_id']}")
    key_file.chmod(0o600)
    later, envelope = await api("GET", f"/v1/receipts/{receipt['receipt_id']}")

    assert (status, receipt["status"]) == (200, "pending")
    assert while_exposed[0] == 503
    assert (later, envelope["status"]) == (200, "signed")


async def test_without_a_named_file_the_receipts_of_a_server_s_database_stay_pending(
    monkeypatch, postgres_url, workspace_key, clock
):
    monkeypatch.delenv(RECEIPT_KEYS_VARIABLE, raising=False)

    async with embedded_authority(db=postgres_url, key=workspace_key, clock=clock) as running:
        headers = {"Authorization": f"Bearer {workspace_key}"}
        async with httpx.AsyncClient(base_url=running.base_url, headers=headers, trust_env=False) as http:
            body = {"authorization_id": "auth_nobody", "actions": ["read"]}
            checked = (await http.post("/v1/check", json=body)).json()["results"]["read"]
            envelope = (await http.get(f"/v1/receipts/{checked['receipt']['receipt_id']}")).json()
            keys = await http.get("/v1/workspaces/ws_1/keys")

    assert envelope["status"] == "pending"
    assert keys.status_code == 404


async def test_receipts_are_listed_newest_first_by_authorization_and_by_user(api, create, check):
    mine = await create("read")
    other = await create("read", user_id="usr_8")
    for authorization in (mine, other, mine):
        await check(authorization, "read")

    async def ids(query: str) -> list[tuple[str, str | None, str]]:
        status, listed = await api("GET", f"/v1/receipts?{query}")
        assert status == 200, listed
        return [(one["authorization_id"], one["user_id"], one["event"] or one["action"]) for one in listed["items"]]

    made, read = "authorization.create", "read"
    assert await ids(f"authorization_id={mine}") == [(mine, "usr_7", word) for word in (read, read, made)]
    assert await ids("user_id=usr_8") == [(other, "usr_8", word) for word in (read, made)]
    assert await ids(f"user_id=usr_8&authorization_id={mine}") == []
    assert [one[0] for one in await ids("limit=3")] == [mine, other, mine]


async def test_pages_of_receipts_cover_all_of_them_once_while_more_are_added(api, create, check):
    authorization = await create("read")
    made = [(await check(authorization, "read"))["receipt"]["receipt_id"] for _ in range(7)]
    seen, cursor, pages = [], "", 0

    while cursor is not None:
        _, listed = await api("GET", f"/v1/receipts?authorization_id={authorization}&limit=3{cursor}")
        seen += [item["receipt_id"] for item in listed["items"]]
        cursor = f"&cursor={listed['next_cursor']}" if listed["has_more"] else None
        await check(authorization, "read")
        pages += 1

    assert pages == 3
    assert seen[:-1] == made[::-1]
    assert len(seen) == 8
    _, other = await api("GET", "/v1/receipts?limit=3")
    assert (await api("GET", f"/v1/receipts?user_id=usr_7&cursor={other['next_cursor']}"))[0] == 422
