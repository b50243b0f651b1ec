"""Rules as one text: what was written is what is read, and what cannot be read is no missing rule."""

import json

import pytest
from decision_cases import built, grants
from hypothesis import given, settings

from allowly_authority.engine import RuleFault, read_authorization, rules_text

ROW = {
    "authorization_id": "auth_1",
    "dialect": "scopes",
    "user_id": "u",
    "agent_id": "a",
    "created_ms": 1,
    "expires_ms": 2,
    "revoked_ms": None,
}
FIRST = {
    "scopes": ["read", "send"],
    "confirm_for": ["send"],
    "escalate_for": [],
    "deny_for": [],
    "escalation_targets": {},
    "metadata": {"note": "x"},
}
"""As the first program wrote them."""


@settings(max_examples=60, deadline=None)
@given(grant=grants(ended=False))
def test_rules_survive_being_stored(grant) -> None:
    """`built` compares what it stored with what it reads back."""
    assert built(grant).budget_limit_micros == grant["budget"]


def test_rows_of_the_first_program_are_read() -> None:
    found = read_authorization(**ROW, rules=json.dumps(FIRST))

    assert (found.scopes, found.confirm_for, found.rules) == (("read", "send"), {"send"}, {})
    assert json.loads(rules_text(found, {"note": "x"})) == FIRST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        json.dumps(FIRST | {"confirm_for": None}),
        json.dumps(FIRST | {"constraints": {"send": {"new_kind_of_limit": 1}}}),
        json.dumps(FIRST | {"constraints": ["send"]}),
        json.dumps(FIRST | {"actions": {"send": {}}}),
        json.dumps(FIRST | {"policy": {"policy_id": "x"}}),
        json.dumps(FIRST | {"geofence": {"send": "EU"}}),
    ],
)
def test_rules_that_cannot_be_read_are_an_error(text) -> None:
    with pytest.raises(RuleFault):
        read_authorization(**ROW, rules=text)
