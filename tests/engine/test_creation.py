"""Bodies of creation in all their shapes, read strictly, and replies that the SDKs accept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import allowly
import httpx
import pytest
from pydantic import ValidationError

from allowly_authority.engine import (
    Bundle,
    Lists,
    PolicyReference,
    RuleFault,
    ScopeRules,
    grant_of_bundle,
    grant_of_edition,
    parse_constraints,
    parse_document,
    replacement_refusal,
)
from allowly_authority.wire.bundles import BundleCreateRequest
from allowly_authority.wire.creation import CreateFromBundle, CreateFromPolicy, CreateInline, parse_creation, shape_of
from allowly_authority.wire.granted import granted, listed
from allowly_authority.wire.policies import PolicyCreateRequest, policy_reply

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000_000
LATER = "2030-01-01T00:00:00Z"
PENDING = {
    "status": "pending",
    "receipt_id": "rcp_1",
    "ready_at_estimate": "2027-01-15T08:00:01.000Z",
    "url": "http://127.0.0.1/v1/receipts/rcp_1",
}
DEFINITION: dict[str, Any] = {
    "profile": "allowly.policy.v1",
    "agent_id": "mail-bot",
    "actions": [
        {
            "policy": {
                "profile": "allowly.basic.v1",
                "action": name,
                "decision": "allow",
                "target": None,
                "fields": {"risk": "integer"},
                "rules": [
                    {
                        "id": "high",
                        "decision": "escalate",
                        "target": "member:ada",
                        "conditions": [{"field": "risk", "op": "gte", "value": 2}],
                    }
                ],
            },
            "guards": {"max_per_day": 5},
            "executable_operations": [],
        }
        for name in ("read", "send\nnow é \U0001f600")
    ],
    "default_expiry_days": 30,
}
EVERY_KEY_OF_THE_FIRST_SDK = {
    "user_id": "u",
    "bundle_id": None,
    "agent_id": "a",
    "scopes": [{"name": "read"}, {"name": "send", "constraints": {"max_per_day": 3}}],
    "requires_confirm_for": ["send"],
    "requires_escalation_for": [],
    "escalation_targets": {"send": "compliance"},
    "budget_limit_micros": 10,
    "expires_at": LATER,
    "metadata": None,
}
EVERY_KEY_OF_0_7 = {
    "user_id": "u",
    "metadata": {},
    "expires_at": LATER,
    "agent_id": "a",
    "actions": [{"name": "send", "constraints": {"deny_when": [{"field": "amount", "gt": 5}]}}],
    "requires_confirm_for": [],
    "requires_escalation_for": [],
    "requires_deny_for": [],
    "escalation_targets": {},
}


def test_each_sdk_s_body_has_its_own_shape() -> None:
    assert shape_of(EVERY_KEY_OF_THE_FIRST_SDK) == "scopes"
    assert shape_of({"user_id": "u", "bundle_id": "b", "agent_id": None, "scopes": None}) == "bundle"
    assert shape_of(EVERY_KEY_OF_0_7) == "actions"
    assert shape_of({"user_id": "u", "policy_id": "mail", "metadata": {}}) == "latest_edition"
    assert shape_of({"user_id": "u", "policy_id": "mail", "policy_version": 1, "actions": ["read"]}) == "edition"


@pytest.mark.parametrize(
    "body",
    [
        {"policy_id": "mail", "policy_version": 1, "agent_id": "a"},
        {"policy_id": "mail", "policy_version": 1, "requires_confirm_for": ["send"]},
        {"policy_id": "mail", "actions": ["send"]},
        {"policy_id": "mail", "scopes": ["send"]},
        {"policy_version": 1, "actions": ["send"]},
        {"bundle_id": "b", "scopes": ["send"]},
        {"bundle_id": "b", "agent_id": "a"},
        {},
        [],
        None,
    ],
)
def test_a_body_of_two_shapes_or_of_none_is_refused(body) -> None:
    whole = {"user_id": "u", "expires_at": LATER, **body} if isinstance(body, dict) else body

    with pytest.raises(ValueError, match=r"."):
        parse_creation(whole)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"actions": [{"name": "send", "constraints": {"max_per_hour": 1}}]}, "max_per_hour"),
        ({"actions": [{"name": "send", "constraints": {"deny_when": [{"field": "x", "gt": "5"}]}}]}, "deny_when.0.gt"),
        ({"actions": [{"name": "send"}, {"name": "send"}]}, ""),
        ({"actions": []}, ""),
        ({"requires_deny_for": ["other"]}, ""),
        ({"requires_confirmation_for": ["send"]}, "requires_confirmation_for"),
        ({"constraints": {"send": {"max_per_day": 1}}}, "constraints"),
        ({"actions": [{"name": "send", "constraint": {"max_per_day": 1}}]}, "constraint"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"budget_limit_micros": -1}, "budget_limit_micros"),
        ({"budget_limit_micros": True}, "budget_limit_micros"),
        ({"budget_limit_micros": 2**53}, "budget_limit_micros"),
        ({"replaces": "../x"}, "replaces"),
        ({"metadata": {"note": "x" * 5000}}, "metadata"),
        ({"user_id": ""}, "user_id"),
    ],
)
def test_what_is_not_accepted_is_told_with_the_path_to_it(change, where) -> None:
    with pytest.raises(ValidationError) as refused:
        parse_creation(EVERY_KEY_OF_0_7 | change)

    paths = [".".join(map(str, error["loc"])) for error in refused.value.errors()]
    assert any(path.endswith(where) for path in paths), paths


@pytest.mark.parametrize("shape", [{"policy_id": "mail", "policy_version": 1}, {"bundle_id": "b"}, {"policy_id": "p"}])
def test_what_nobody_knows_is_refused_beside_a_policy_and_a_bundle_and_null_is_not(shape) -> None:
    parse_creation({"user_id": "u", **shape, "max_per_day": None})

    with pytest.raises(ValidationError, match="could not be enforced"):
        parse_creation({"user_id": "u", **shape, "max_per_day": 1})


def test_the_inline_shapes_become_grants_with_their_rules() -> None:
    created = parse_creation(EVERY_KEY_OF_THE_FIRST_SDK)

    assert isinstance(created, CreateInline)
    grant = created.grant()
    assert (grant.dialect, grant.scopes, grant.budget_limit_micros) == ("scopes", ("read", "send"), 10)
    assert grant.lists.confirm_for == {"send"}
    assert grant.rules == {"send": parse_constraints({"max_per_day": 3})}
    assert "constraints" in str(CreateInline.model_json_schema())


def test_a_bundle_s_own_rules_cannot_be_taken_away() -> None:
    request = {
        "id": "b1",
        "agent_id": "mail-bot",
        "scopes": ["read", {"name": "send", "constraints": {"max_per_day": 2}}],
        "requires_confirm_for": ["send"],
        "default_expiry_days": 7,
    }
    bundle = BundleCreateRequest.model_validate(request).bundle()
    created = parse_creation({"user_id": "u", "bundle_id": "b1", "requires_escalation_for": ["send"]})
    assert isinstance(created, CreateFromBundle)

    grant = grant_of_bundle(bundle, user_id="u", expires_ms=created.expires_ms, now_ms=NOW, lists=created.lists)

    assert (grant.lists.confirm_for, grant.lists.escalate_for) == ({"send"}, {"send"})
    assert grant.rules["send"].max_per_day == 2
    assert grant.expires_ms == NOW + 7 * 86_400_000


def test_what_a_bundle_does_not_hold_or_say_is_refused() -> None:
    bundle = Bundle("b1", "a", {"read": ScopeRules()})

    with pytest.raises(RuleFault):
        grant_of_bundle(bundle, user_id="u", expires_ms=NOW + 1, now_ms=NOW, lists=Lists(frozenset({"send"})))
    with pytest.raises(RuleFault) as endless:
        grant_of_bundle(bundle, user_id="u", expires_ms=None, now_ms=NOW, lists=Lists())
    assert endless.value.path == ("expires_at",)


def test_a_grant_that_is_over_from_the_start_is_refused() -> None:
    grant = grant_of_bundle(
        Bundle("b", "a", {"read": ScopeRules()}), user_id="u", expires_ms=NOW, now_ms=NOW, lists=Lists()
    )

    with pytest.raises(RuleFault) as over:
        grant.authorization("auth_1", NOW)
    assert over.value.path == ("expires_at",)


def test_only_a_living_authorization_of_the_same_user_and_agent_is_replaced() -> None:
    document = parse_document(DEFINITION)
    reference = PolicyReference("mail", 1, document.sha256)
    grant = grant_of_edition(document, reference, user_id="u", actions=["read"], expires_ms=None, now_ms=NOW)
    old = grant.authorization("auth_1", NOW)

    assert replacement_refusal(old, grant) is None
    assert replacement_refusal(None, grant) == "not_found"
    other = grant_of_edition(document, reference, user_id="v", actions=None, expires_ms=None, now_ms=NOW)
    assert replacement_refusal(old, other) == "subject"
    with pytest.raises(RuleFault):
        grant_of_edition(document, reference, user_id="u", actions=["sell"], expires_ms=None, now_ms=NOW)


def test_a_policy_s_fault_is_told_where_it_is() -> None:
    broken = json.loads(json.dumps(DEFINITION))
    broken["actions"][1]["policy"]["rules"][0]["conditions"][0]["value"] = "2"

    with pytest.raises(ValidationError) as refused:
        PolicyCreateRequest.model_validate({**broken, "policy_id": "mail"})

    path = ("actions", 1, "policy", "rules", 0, "conditions", 0, "value")
    assert [error["loc"] for error in refused.value.errors()] == [path]


class Office:
    """Answers an SDK with the replies of the wire layer, for one policy, from memory."""

    def __init__(self) -> None:
        self.document: Any = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or b"null")
        if request.url.path == "/v1/policies":
            self.document = PolicyCreateRequest.model_validate(body).document()
            reference = PolicyReference("mail", 1, self.document.sha256)
            return httpx.Response(201, json=policy_reply(reference, dict(self.document.source), created_ms=NOW))
        created = parse_creation(body)
        assert isinstance(created, CreateFromPolicy)
        grant = grant_of_edition(
            self.document,
            PolicyReference(created.policy_id, created.policy_version or 1, self.document.sha256),
            user_id=created.user_id,
            actions=created.actions,
            expires_ms=created.expires_ms,
            now_ms=NOW,
            budget_limit_micros=created.budget_limit_micros,
        )
        reply = granted(grant.authorization("auth_1", NOW), PENDING, closed=created.policy_version is not None)
        return httpx.Response(201, json=reply)


async def test_the_sdk_creates_a_policy_and_an_authorization_of_it() -> None:
    async with allowly.Allowly(api_key="x" * 40, base_url="https://authority.test") as sdk:
        await sdk._http.aclose()
        transport = httpx.MockTransport(Office())
        sdk._http = httpx.AsyncClient(base_url="https://authority.test", transport=transport)

        policy = await sdk.policies.create(policy_id="mail", definition=DEFINITION)  # type: ignore[arg-type]
        whole = await sdk.authorizations.create(user_id="u", policy_id="mail", policy_version=1)
        some = await sdk.authorizations.create(
            user_id="u",
            policy_id="mail",
            policy_version=1,
            actions=["read"],
            budget_limit_micros=7,
            expires_at=datetime(2030, 1, 1, tzinfo=UTC),
        )

    assert policy.policy_ref["definition_sha256"] == parse_document(DEFINITION).sha256
    assert whole.actions == [entry["policy"]["action"] for entry in DEFINITION["actions"]]
    assert (some.actions, some.budget_limit_micros, some.expires_at) == (["read"], 7, "2030-01-01T00:00:00.000Z")


def test_a_reply_to_older_sdks_carries_every_list() -> None:
    grant = parse_creation(EVERY_KEY_OF_0_7)
    assert isinstance(grant, CreateInline)
    authorization = grant.grant().authorization("auth_1", NOW)

    reply = granted(authorization, PENDING, closed=False)

    lists = ("requires_confirm_for", "requires_escalation_for", "requires_deny_for")
    assert [reply[name] for name in lists] == [[], [], []]
    assert reply["escalation_targets"] == {}
    assert listed(authorization)["constraints"]["send"] == EVERY_KEY_OF_0_7["actions"][0]["constraints"]  # type: ignore[index]
