"""Bundles: scopes of an agent under a name, and authorizations that are made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.anyio
on_sqlite = pytest.mark.parametrize("location", ["sqlite"], indirect=True)
"""What does not hang on the kind of database is tested on one of them."""

WHERE = "/v1/agent-scope-bundles"
BUNDLE: dict[str, Any] = {
    "id": "mail-basic",
    "agent_id": "mail-bot",
    "scopes": ["read", {"name": "send", "constraints": {"max_per_day": 1}}, "delete"],
    "requires_confirm_for": ["delete"],
    "default_expiry_days": 30,
}
# The oldest SDK sends every key, with null for what is not meant.
CREATION: dict[str, Any] = {
    **dict.fromkeys(("agent_id", "scopes", "escalation_targets", "budget_limit_micros", "expires_at", "metadata")),
    "user_id": "usr_7",
    "bundle_id": "mail-basic",
    "requires_confirm_for": [],
    "requires_escalation_for": None,
}


async def test_an_authorization_of_a_bundle_has_its_scopes_rules_and_end(api, check, clock):
    await api("POST", WHERE, BUNDLE)

    status, granted = await api("POST", "/v1/authorizations", CREATION)
    authorization = granted["authorization_id"]
    decided = [(await check(authorization, name, dialect="scopes"))["decision"] for name in ("read", "send", "delete")]
    again = await check(authorization, "send", dialect="scopes")

    assert status == 201
    assert granted["bundle_id"] == "mail-basic"
    assert granted["expires_at"].startswith(f"{datetime.fromtimestamp(clock.now, UTC) + timedelta(days=30):%Y-%m-%d}")
    assert granted["receipt"]["status"] == "pending"
    assert decided == ["allow", "allow", "confirm"]
    assert (again["decision"], again["reason"]) == ("deny", "rate_limit_exceeded")


@on_sqlite
async def test_lists_of_the_request_add_to_those_of_the_bundle(api, check):
    await api("POST", WHERE, BUNDLE)

    _, granted = await api("POST", "/v1/authorizations", CREATION | {"requires_escalation_for": ["read"]})

    assert (await check(granted["authorization_id"], "read", dialect="scopes"))["decision"] == "escalate"
    assert (await check(granted["authorization_id"], "delete", dialect="scopes"))["decision"] == "confirm"


@on_sqlite
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bundle_id": "other"}, "body.bundle_id"),
        ({"requires_confirm_for": ["pay"]}, "body"),
        ({"scopes": ["read"]}, "body"),
        ({"agent_id": "other"}, "body"),
    ],
)
async def test_what_a_bundle_cannot_become_is_refused(api, change, field):
    await api("POST", WHERE, BUNDLE)

    status, refused = await api("POST", "/v1/authorizations", CREATION | change)

    assert status == 422
    assert refused["error"]["fields"][0]["field"] == field


@on_sqlite
async def test_a_bundle_without_a_default_end_needs_one(api):
    await api("POST", WHERE, BUNDLE | {"default_expiry_days": None})

    refused = await api("POST", "/v1/authorizations", CREATION)
    granted = await api("POST", "/v1/authorizations", CREATION | {"expires_at": "2099-01-01T00:00:00Z"})

    assert (refused[0], granted[0]) == (422, 201)


async def test_bundles_are_read_and_listed_in_the_order_of_their_names(api):
    names = ["b", "a", "c"]
    made = [await api("POST", WHERE, BUNDLE | {"id": name}) for name in names]

    _, one = await api("GET", f"{WHERE}/b")
    _, first = await api("GET", f"{WHERE}?limit=2")
    _, rest = await api("GET", f"{WHERE}?limit=2&cursor={first['next_cursor']}")

    assert [status for status, _ in made] == [201] * 3
    assert one == made[0][1]
    assert one["scopes"][1] == {"name": "send", "constraints": {"max_per_day": 1}}
    assert [item["id"] for page in (first, rest) for item in page["items"]] == ["a", "b", "c"]
    assert (first["has_more"], rest["has_more"], rest["next_cursor"]) == (True, False, None)


async def test_a_bundle_never_changes_and_its_name_is_never_given_again(api):
    await api("POST", WHERE, BUNDLE, key="k-1")

    repeated = await api("POST", WHERE, BUNDLE, key="k-1")
    other = await api("POST", WHERE, BUNDLE | {"scopes": ["pay"], "requires_confirm_for": []})
    archived = await api("DELETE", f"{WHERE}/mail-basic")
    after = await api("POST", WHERE, BUNDLE)

    assert [status for status, _ in (repeated, other, archived, after)] == [201, 409, 204, 409]


async def test_of_an_archived_bundle_nothing_more_is_made_and_what_was_stays(api, check):
    await api("POST", WHERE, BUNDLE)
    _, granted = await api("POST", "/v1/authorizations", CREATION)
    await api("DELETE", f"{WHERE}/mail-basic")

    _, listed = await api("GET", WHERE)
    _, read = await api("GET", f"{WHERE}/mail-basic")

    assert (await api("POST", "/v1/authorizations", CREATION))[0] == 422
    assert (await api("DELETE", f"{WHERE}/mail-basic"))[0] == 409
    assert (await api("DELETE", f"{WHERE}/nobody"))[0] == 404
    assert (await check(granted["authorization_id"], "read", dialect="scopes"))["decision"] == "allow"
    assert listed["items"] == []
    assert read["deleted_at"] is not None


@on_sqlite
@pytest.mark.parametrize(
    "change",
    [
        {"scopes": []},
        {"scopes": ["a", "a"]},
        {"requires_confirm_for": ["x"]},
        {"scopes": [{"name": "a", "constraints": {"maximum": 1}}], "requires_confirm_for": []},
        {"requires_deny_for": ["read"]},
        {"id": "../x"},
    ],
)
async def test_a_bundle_whose_rules_are_not_understood_is_refused(api, change):
    assert (await api("POST", WHERE, BUNDLE | change))[0] == 422
