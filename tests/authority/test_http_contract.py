"""The API over raw bytes: both dialects' bodies, errors, limits, and who may speak at all."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

BOUND = "mcp:send#sha256:" + "0" * 64
EXPIRES = "2030-01-01T00:00:00Z"
SEEDED_CREATE = {
    "user_id": "usr_7",
    "bundle_id": None,
    "agent_id": "mail-bot",
    "scopes": [{"name": "read"}, {"name": "send", "constraints": None}, {"name": "delete"}],
    "requires_confirm_for": ["send"],
    "requires_escalation_for": ["delete"],
    "escalation_targets": {"delete": "compliance"},
    "budget_limit_micros": None,
    "expires_at": EXPIRES,
    "metadata": None,
}


class Wire:
    """Sends exactly the bytes it is given, one connection a request."""

    def __init__(self, base_url: str, key: str) -> None:
        host, _, port = base_url.removeprefix("http://").partition(":")
        self.address = (host, int(port))
        self.key = key

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection(self.address, timeout=20) as connection:
            connection.sendall(request)
            reply = b""
            while chunk := connection.recv(65536):
                reply += chunk
        return reply

    def send(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = {
            "Host": f"{self.address[0]}:{self.address[1]}",
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Connection": "close",
        } | (headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        reply = self.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content)
        status, _, rest = reply.partition(b"\r\n")
        return int(status.split()[1]), json.loads(rest.partition(b"\r\n\r\n")[2])


@pytest.fixture
def wire(authority) -> Wire:
    return Wire(authority.base_url, authority.api_key)


@pytest.fixture
def seeded(wire) -> str:
    status, body = wire.send("POST", "/v1/authorizations", SEEDED_CREATE)
    assert status == 201
    return body["authorization_id"]


async def test_the_scopes_dialect_gets_its_words_and_both_version_fields(wire, seeded):
    body = {
        "authorization_id": seeded,
        "scopes": ["read", "send", "delete", "other"],
        "resource": None,
        "session_id": None,
        "estimated_cost_micros": None,
        "context": {},
    }

    status, reply = wire.send("POST", "/v1/check", body)

    assert status == 200
    assert {name: (item["decision"], item["reason"]) for name, item in reply["results"].items()} == {
        "read": ("allow", "authorization_granted_scope_active"),
        "send": ("confirm", "scope_requires_user_confirmation"),
        "delete": ("escalate", "escalation_required"),
        "other": ("deny", "scope_not_authorized"),
    }
    assert reply["policy_version"]
    assert reply["engine_version"].startswith("sha256:")
    assert reply["user_id"] == "usr_7"
    assert reply["results"]["delete"]["escalation"]["status"] == "pending"
    receipt = reply["results"]["read"]["receipt"]
    assert {"status", "receipt_id", "ready_at_estimate", "url"} <= receipt.keys()
    assert wire.send("GET", f"/v1/receipts/{receipt['receipt_id']}")[1]["status"] == "pending"


async def test_a_refusal_in_the_scopes_dialect_uses_its_own_word(wire, seeded):
    _, reply = wire.send("POST", "/v1/check", {"authorization_id": seeded, "scopes": ["send"]})
    nonce = reply["results"]["send"]["confirm_nonce"]

    status, refusal = wire.send("POST", f"/v1/confirmations/{nonce}", {"approved": False})

    assert (status, refusal["decision"]) == (200, "denied_by_user")
    assert (refusal["authorization_id"], refusal["expires_at"]) == (None, None)


async def test_the_inline_form_with_actions_creates_an_authorization(wire):
    body = {"user_id": "u", "agent_id": "a", "actions": ["read"], "expires_at": EXPIRES, "requires_deny_for": ["read"]}

    status, reply = wire.send("POST", "/v1/authorizations", body)

    assert status == 201
    assert reply["requires_deny_for"] == ["read"]
    assert reply["escalation_targets"] == {}
    _, checked = wire.send("POST", "/v1/check", {"authorization_id": reply["authorization_id"], "actions": ["read"]})
    assert checked["results"]["read"]["decision"] == "deny"


async def test_every_bad_nonce_gets_the_same_reply(wire, seeded, clock):
    _, reply = wire.send("POST", "/v1/check", {"authorization_id": seeded, "scopes": ["send"]})
    used = reply["results"]["send"]["confirm_nonce"]
    wire.send("POST", f"/v1/confirmations/{used}", {"approved": True})
    _, reply = wire.send("POST", "/v1/check", {"authorization_id": seeded, "scopes": ["send"], "resource": "x"})
    expired = reply["results"]["send"]["confirm_nonce"]
    clock.advance(300)

    replies = [
        wire.send("POST", f"/v1/confirmations/{nonce}", {"approved": True})
        for nonce in (used, expired, "unknown", "%2e%2e", "a%20b", "x" * 300)
    ]

    assert all(reply == replies[0] for reply in replies)
    assert (replies[0][0], replies[0][1]["error"]["code"]) == (410, "gone")


async def test_a_confirmation_is_closed_exactly_five_minutes_after_it_was_asked(wire, seeded, clock):
    ask = {"authorization_id": seeded, "scopes": ["send"]}
    nonces = [wire.send("POST", "/v1/check", ask)[1]["results"]["send"]["confirm_nonce"] for _ in range(2)]

    clock.advance(299.999)
    in_time = wire.send("POST", f"/v1/confirmations/{nonces[0]}", {"approved": False})
    clock.advance(0.001)
    too_late = wire.send("POST", f"/v1/confirmations/{nonces[1]}", {"approved": False})

    assert (in_time[0], too_late[0]) == (200, 410)


async def test_a_clock_that_is_set_back_brings_nothing_back_to_life(wire, seeded, clock):
    _, reply = wire.send("POST", "/v1/check", {"authorization_id": seeded, "scopes": ["send"]})
    nonce = reply["results"]["send"]["confirm_nonce"]
    clock.advance(301)
    assert wire.send("POST", f"/v1/confirmations/{nonce}", {"approved": True})[0] == 410

    clock.advance(-3600)

    assert wire.send("POST", f"/v1/confirmations/{nonce}", {"approved": True})[0] == 410


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{\x00}\x00",
        b'{"authorization_id":"a","scopes":["r"],"scopes":["s"]}',
        b'{"authorization_id":"a","scopes":["r"],"context":{"n":NaN}}',
        b'{"authorization_id":"a","scopes":["r"],"context":{"n":1e999}}',
        b'{"authorization_id":"a","scopes":["r"],"resource":"\\ud800"}',
        b'{"authorization_id":"a","scopes":["r"],"context":' + b"[" * 40 + b"]" * 40 + b"}",
        b"[" * 60000,
        # PostgreSQL keeps every character but this one; what one database takes, the other takes, too.
        b'{"authorization_id":"a","scopes":["r"],"resource":"a\\u0000b"}',
        b'{"authorization_id":"a","scopes":["r"],"context":{"a\\u0000b":1}}',
        b'{"authorization_id":"a","scopes":["r"],"context":{"a":[{"b":"\\u0000"}]}}',
    ],
)
async def test_bodies_without_one_meaning_are_refused(wire, body):
    status, reply = wire.send("POST", "/v1/check", body)

    assert (status, reply["error"]["code"]) == (400, "bad_request")


async def test_text_that_only_looks_like_the_refused_character_is_kept(wire, seeded):
    body = {"authorization_id": seeded, "scopes": ["read"], "resource": "a\\u0000b", "session_id": "ÿ\U0001f600\x01"}

    assert wire.send("POST", "/v1/check", body)[0] == 200


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": []},
        {"scopes": ["r", "r"]},
        {"scopes": [f"s{n}" for n in range(26)]},
        {"scopes": ["r"], "actions": ["r"]},
        {"scopes": None},
        {"scopes": [1]},
        {"authorization_id": 7},
        {"authorization_id": ""},
        {"context": {"budget": 1}},
        {"context": {"x": "y" * 5000}},
        {"estimated_cost_micros": -1},
        {"resource": "x" * 2000},
        [],
        "text",
    ],
)
async def test_checks_that_say_something_unacceptable_are_refused(wire, change):
    body = {"authorization_id": "a", "scopes": ["r"]} | change if isinstance(change, dict) else change

    status, reply = wire.send("POST", "/v1/check", body)

    assert (status, reply["error"]["code"]) == (422, "validation_error")
    assert reply["error"]["fields"]


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "2030-01-01T00:00:00"},
        {"expires_at": "9999-12-31T23:59:59-23:59"},
        {"requires_confirm_for": ["typo"]},
        {"scopes": [{"name": "read", "constraints": {"max_per_hour": 1}}], "requires_confirm_for": []},
        {"bundle_id": "b"},
        {"budget_limit_micros": -5},
    ],
)
async def test_authorizations_whose_rules_would_not_be_enforced_are_refused(wire, change):
    status, _ = wire.send("POST", "/v1/authorizations", SEEDED_CREATE | change)

    assert status == 422


@pytest.mark.parametrize("ttl", [0, 301, 9999, "60", 1.5, True])
async def test_windows_out_of_range_are_refused_and_leave_the_question_open(wire, seeded, ttl):
    _, reply = wire.send("POST", "/v1/check", {"authorization_id": seeded, "scopes": ["send"]})
    nonce = reply["results"]["send"]["confirm_nonce"]

    refused = wire.send("POST", f"/v1/confirmations/{nonce}", {"approved": True, "ttl_seconds": ttl})

    assert refused[0] == 422
    assert wire.send("POST", f"/v1/confirmations/{nonce}", {"approved": True})[0] == 200


@pytest.mark.parametrize("approved", ["true", 1, None])
async def test_only_a_real_yes_approves(wire, seeded, approved):
    """G1: a value that merely looks true is no approval."""
    _, reply = wire.send("POST", "/v1/check", {"authorization_id": seeded, "scopes": ["send"]})
    nonce = reply["results"]["send"]["confirm_nonce"]

    assert wire.send("POST", f"/v1/confirmations/{nonce}", {"approved": approved})[0] == 422


async def test_a_body_that_is_too_long_is_refused(wire):
    assert wire.send("POST", "/v1/check", b" " * (64 * 1024 + 1))[0] == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 400),
        ({"Idempotency-Key": "x" * 256}, 400),
    ],
)
async def test_strangers_browsers_and_foreign_hosts_are_turned_away(wire, headers, status):
    body = {"authorization_id": "a", "scopes": ["r"]}

    assert wire.send("POST", "/v1/check", body, headers=headers)[0] == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/check", 405),
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/check/", 404),
        ("POST", "/v1/prompts/lookup/x", 404),
        ("GET", "/v1/receipts/rcp_x", 404),
        ("GET", "/v1/escalations/esc_x", 404),
        ("GET", "/v1/confirmations/cnf_x/status", 404),
        ("DELETE", "/v1/authorizations/auth_x", 404),
        ("GET", "/docs", 404),
    ],
)
async def test_addresses_that_do_not_exist_are_told_in_the_form_of_the_api(wire, method, path, status):
    found, body = wire.send(method, path)

    assert found == status
    assert set(body["error"]) == {"code", "message"}


async def test_readiness_needs_no_key(wire):
    assert wire.send("GET", "/readyz", headers={"Authorization": ""}) == (200, {"status": "ready"})


async def test_the_same_key_and_body_give_the_same_reply_and_another_body_is_a_conflict(wire):
    key = {"Idempotency-Key": "one"}

    first = wire.send("POST", "/v1/authorizations", SEEDED_CREATE, headers=key)
    again = wire.send("POST", "/v1/authorizations", SEEDED_CREATE, headers=key)
    other = wire.send("POST", "/v1/authorizations", SEEDED_CREATE | {"user_id": "x"}, headers=key)

    assert first[0] == 201
    assert again == first
    assert (other[0], other[1]["error"]["code"]) == (409, "conflict")


async def test_a_settlement_is_repeated_under_its_key_and_gone_without(wire, seeded):
    _, reply = wire.send("POST", "/v1/check", {"authorization_id": seeded, "scopes": ["send"]})
    path = f"/v1/confirmations/{reply['results']['send']['confirm_nonce']}"
    key = {"Idempotency-Key": "two"}

    first = wire.send("POST", path, {"approved": True}, headers=key)

    assert first[0] == 200
    assert wire.send("POST", path, {"approved": True}, headers=key) == first
    assert wire.send("POST", path, {"approved": False}, headers=key)[0] == 409
    assert wire.send("POST", path, {"approved": True})[0] == 410


async def test_revoking_twice_is_a_conflict_unless_it_is_the_same_request(wire, seeded):
    path = f"/v1/authorizations/{seeded}"

    first = wire.send("DELETE", path, headers={"Idempotency-Key": "three"})

    assert first[0] == 200
    assert wire.send("DELETE", path, headers={"Idempotency-Key": "three"}) == first
    assert wire.send("DELETE", path)[0] == 409


async def test_a_repeated_allow_ends_with_the_authorization(wire, seeded):
    """G5: a key that once got an allow does not outlive a revocation, whatever the allow hung on."""
    keys = {name: {"Idempotency-Key": f"call-{name}"} for name in ("read", "send")}
    bodies = {name: {"authorization_id": seeded, "scopes": [name], "resource": BOUND} for name in keys}
    nonce = wire.send("POST", "/v1/check", bodies["send"])[1]["results"]["send"]["confirm_nonce"]
    wire.send("POST", f"/v1/confirmations/{nonce}", {"approved": True})
    for _ in range(2):
        for name, key in keys.items():
            reply = wire.send("POST", "/v1/check", bodies[name], headers=key)[1]
            assert reply["results"][name]["decision"] == "allow"

    wire.send("DELETE", f"/v1/authorizations/{seeded}")

    for name, key in keys.items():
        again = wire.send("POST", "/v1/check", bodies[name], headers=key)[1]
        assert again["results"][name]["reason"] == "authorization_revoked"


async def test_a_check_that_claims_or_asks_is_repeated_word_for_word_and_no_other_one_passes(wire, seeded):
    """The approval opens one call: only the key makes the second reply an allow."""
    for resource in (BOUND, BOUND[:-1] + "1"):
        body = {"authorization_id": seeded, "scopes": ["read", "send"], "resource": resource}
        nonce = wire.send("POST", "/v1/check", body)[1]["results"]["send"]["confirm_nonce"]
        if resource == BOUND:
            wire.send("POST", f"/v1/confirmations/{nonce}", {"approved": True})
        key = {"Idempotency-Key": f"call-{resource[-1]}"}

        first = wire.send("POST", "/v1/check", body, headers=key)

        assert first[1]["results"]["send"]["decision"] == ("allow" if resource == BOUND else "confirm")
        assert wire.send("POST", "/v1/check", body, headers=key) == first
        assert wire.send("POST", "/v1/check", body | {"session_id": "x"}, headers=key)[0] == 409
        assert wire.send("POST", "/v1/check", body)[1]["results"]["send"]["decision"] == "confirm"


async def test_what_the_rules_alone_decide_is_decided_anew_under_any_key(wire, seeded):
    """It opens and uses up nothing; each time it is on record with a receipt of its own."""
    key = {"Idempotency-Key": "call-1"}
    body = {"authorization_id": seeded, "scopes": ["read", "other"]}

    replies = [
        wire.send("POST", "/v1/check", body | change, headers=key)[1] for change in ({}, {}, {"resource": "mailbox"})
    ]

    decisions = [{name: result["decision"] for name, result in reply["results"].items()} for reply in replies]
    assert decisions == [{"read": "allow", "other": "deny"}] * 3
    assert len({reply["results"]["read"]["receipt"]["receipt_id"] for reply in replies}) == 3


async def test_approvals_are_bound_to_scope_resource_and_in_the_newer_dialect_to_context(wire, seeded):
    asked = {"authorization_id": seeded, "actions": ["send"], "resource": "mailbox", "context": {"amount": 5}}
    nonce = wire.send("POST", "/v1/check", asked)[1]["results"]["send"]["confirm_nonce"]
    wire.send("POST", f"/v1/confirmations/{nonce}", {"approved": True})

    decisions = [
        wire.send("POST", "/v1/check", asked | change)[1]["results"]["send"]["decision"]
        for change in ({}, {"resource": None}, {"resource": "other"}, {"context": {"amount": 500}})
    ]

    assert decisions == ["allow", "confirm", "confirm", "confirm"]


async def test_nobody_approves_in_the_name_of_who_asked(wire, seeded):
    """G11."""
    body = {"authorization_id": seeded, "scopes": ["delete"]}
    escalation = wire.send("POST", "/v1/check", body)[1]["results"]["delete"]["escalation_id"]
    path = f"/v1/escalations/{escalation}/resolve"

    for requester in ("usr_7", "mail-bot"):
        assert wire.send("POST", path, {"resolution": "approved", "resolved_by": requester})[0] == 422
    assert wire.send("POST", path, {"resolution": "rejected", "resolved_by": "usr_7"})[0] == 200


async def test_a_flood_of_questions_ends_in_denials(wire, seeded, monkeypatch):
    """G6."""
    monkeypatch.setattr("allowly_authority.service.checks.MAX_PENDING_PROMPTS", 3)
    body = {"authorization_id": seeded, "scopes": ["send"]}

    results = [wire.send("POST", "/v1/check", body)[1]["results"]["send"] for _ in range(5)]

    assert [result["decision"] for result in results] == ["confirm"] * 3 + ["deny"] * 2
    assert results[-1]["reason"] == "too_many_pending"


async def test_a_lookup_tells_what_a_question_is_about_until_its_end(wire, seeded, clock):
    """G13."""
    body = {"authorization_id": seeded, "scopes": ["send"], "resource": "mailbox"}
    nonces = [wire.send("POST", "/v1/check", body)[1]["results"]["send"]["confirm_nonce"] for _ in range(3)]
    wire.send("POST", f"/v1/confirmations/{nonces[0]}", {"approved": True})
    wire.send("POST", f"/v1/confirmations/{nonces[1]}", {"approved": False})
    clock.advance(300)

    records = [wire.send("POST", "/v1/prompts/lookup", {"nonce": nonce})[1] for nonce in nonces]

    assert [record["status"] for record in records] == ["approved", "rejected", "expired"]
    assert {(record["scope"], record["resource"], record["kind"]) for record in records} == {
        ("send", "mailbox", "confirm")
    }
    status, unknown = wire.send("POST", "/v1/prompts/lookup", {"nonce": "forged"})
    assert (status, unknown["error"]["code"]) == (404, "prompt_not_found")
    assert wire.send("POST", "/v1/prompts/lookup", {})[0] == 422


async def test_a_lookup_tells_who_has_decided_an_escalation_and_nobody_else(client, grant):
    """Who answered a confirmation is known without it: the user of the authorization."""
    authorization = await grant()
    checked = {
        scope: await client.check(authorization_id=authorization.authorization_id, scopes=[scope])
        for scope in ("send", "delete")
    }
    nonce = checked["send"].results["send"].confirm_nonce
    escalation_id = checked["delete"].results["delete"].escalation_id
    open_record = await client.lookup_prompt(escalation_id=escalation_id)

    await client.settle_confirmation(nonce, approved=False)
    await client.resolve_escalation(escalation_id, resolution="rejected", resolved_by="compliance")

    confirmation = await client.lookup_prompt(nonce=nonce)
    escalation = await client.lookup_prompt(escalation_id=escalation_id)
    assert (open_record.status, open_record.resolved_by) == ("pending", None)
    assert (confirmation.status, confirmation.resolved_by) == ("rejected", None)
    assert (escalation.status, escalation.resolved_by) == ("rejected", "compliance")
