"""Policy editions: read as the public SDK reads them, digested as it digests them, evaluated as its README says."""

from __future__ import annotations

import copy
import json
from typing import Any

import allowly_receipt_format
import pytest
from allowly.error import AllowlyProtocolError
from allowly.policies import definition_digest, parse_policy_evaluation, validate_policy_definition
from decision_cases import NAMES, NOW, built, contexts, policy_entries
from hypothesis import given, settings
from hypothesis import strategies as st

from allowly_authority.engine import (
    Circumstances,
    RuleFault,
    Standing,
    decide,
    faults_in,
    parse_document,
    receipt_json,
)

CASES = settings(max_examples=150, deadline=None)


def definition(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"profile": "allowly.policy.v1", "agent_id": "a", "actions": list(entries), "default_expiry_days": None}


def entry(**changes: Any) -> dict[str, Any]:
    policy = {"profile": "allowly.basic.v1", "action": "read", "decision": "allow", "target": None, "rules": []}
    fields = {"n": "integer", "s": "string", "b": "boolean", "z": "null", "l": "list"}
    return {"policy": policy | {"fields": fields} | changes, "guards": {}, "executable_operations": []}


def ruled(op: str, field: str, value: Any, **changes: Any) -> dict[str, Any]:
    condition = {"field": field, "op": op, "value": value}
    rule = {"id": "r", "decision": "deny", "target": None, "conditions": [condition]}
    return definition(entry(rules=[rule | changes]))


EXECUTABLE = {
    "enabled_executable_id": "e",
    "provider_id": "p",
    "operation_id": "o",
    "catalog_revision": "1",
    "definition_fingerprint": "sha256:" + "0" * 64,
    "minimum_evidence_mode": "receipt",
}
DOCUMENTS = [
    definition(entry()),
    definition(entry(), entry(action="send")),
    definition(entry(), entry()),
    definition(entry(action="allow")),
    definition(entry(action="x" * 64)),
    definition(entry(action="x" * 65)),
    definition(entry(action="")),
    definition(),
    definition(entry()) | {"default_expiry_days": 3651},
    definition(entry()) | {"default_expiry_days": 3650},
    definition(entry()) | {"default_expiry_days": True},
    definition(entry()) | {"extra": 1},
    definition(entry()) | {"agent_id": "a\x00"},
    definition(entry()) | {"agent_id": "\ud800"},
    definition(entry(decision="confirm", target="agent_owner")),
    definition(entry(decision="confirm", target=None)),
    definition(entry(decision="escalate", target="member:ada")),
    definition(entry(decision="escalate", target="member: ")),
    definition(entry(decision="escalate", target="team:x")),
    definition(entry(decision="escalate", target="member:" + "x" * 121)),
    definition(entry(decision="deny", target="agent_owner")),
    definition(entry(fields={"n": "number"})),
    definition(entry() | {"guards": {"max_per_day": 1, "resource_pattern": "*", "allowed_initiators": ["g"]}}),
    definition(entry() | {"guards": {"max_per_day": 0}}),
    definition(entry() | {"guards": {"max_per_day": None}}),
    definition(entry() | {"guards": {"deny_when": []}}),
    definition(entry() | {"guards": {"allowed_initiators": ["g", "g"]}}),
    definition(entry() | {"executable_operations": [EXECUTABLE]}),
    definition(entry() | {"executable_operations": [EXECUTABLE, EXECUTABLE]}),
    definition(entry() | {"executable_operations": [EXECUTABLE | {"minimum_evidence_mode": "none"}]}),
    ruled("eq", "n", 1),
    ruled("eq", "n", 1.0),
    ruled("eq", "n", True),
    ruled("eq", "n", 2**53),
    ruled("eq", "s", "x"),
    ruled("eq", "z", None),
    ruled("eq", "l", []),
    ruled("ne", "b", True),
    ruled("neq", "b", True),
    ruled("gt", "n", 1),
    ruled("gt", "s", "a"),
    ruled("in", "n", [1, 2]),
    ruled("in", "n", []),
    ruled("in", "n", [1, "2"]),
    ruled("in", "n", 1),
    ruled("nin", "n", [1]),
    ruled("not_in", "s", ["a"]),
    ruled("exists", "l", True),
    ruled("exists", "l", 1),
    ruled("empty", "l", False),
    ruled("empty", "s", False),
    ruled("contains_any", "l", [1, "a", None]),
    ruled("contains_any", "l", []),
    ruled("contains_any", "l", [[1]]),
    ruled("contains_none", "s", ["a"]),
    ruled("eq", "undeclared", 1),
    ruled("eq", "n", 1, decision="confirm", target="agent_owner"),
    ruled("eq", "n", 1, conditions=[]),
    ruled("eq", "n", 1, id=""),
    ruled("eq", "n", 1, extra=1),
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
def test_a_document_is_accepted_where_the_sdk_accepts_it(document) -> None:
    try:
        validate_policy_definition(copy.deepcopy(document))
    except AllowlyProtocolError:
        with pytest.raises(RuleFault):
            parse_document(document)
    else:
        assert parse_document(document).sha256 == definition_digest(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@CASES
@given(value=st.dictionaries(st.text(max_size=4), json_values, max_size=4))
def test_the_canonical_form_is_that_of_the_receipt_format(value) -> None:
    assert receipt_json(value) == allowly_receipt_format.canonicalize(value)


@pytest.mark.parametrize("value", [1.5, 2**53, "\ud800", {1: 2}, object(), float("nan")])
def test_what_has_no_canonical_form_is_refused(value) -> None:
    with pytest.raises(ValueError, match=r"."):
        receipt_json({"x": value})


def test_a_value_that_is_too_deep_or_too_large_is_refused_before_it_does_harm() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]

    with pytest.raises(ValueError, match="deep"):
        receipt_json(deep)
    with pytest.raises(ValueError, match="large"):
        receipt_json([0] * 50_001)


@CASES
@given(entries=st.tuples(*map(policy_entries, NAMES)), context=contexts)
def test_evidence_of_an_evaluation_is_such_as_the_sdk_accepts(entries, context) -> None:
    policy = dict(zip(NAMES, entries, strict=True))
    grant = {"names": NAMES, "expires": NOW + 1, "revoked": False, "successor": None, "confirm": [], "escalate": []}
    authorization = built(grant | {"deny": [], "constraints": {}, "policy": policy, "budget": None})
    asked = Circumstances("mailbox:7", context, "gate-1")

    verdict = decide(authorization, "send", "actions", Standing(allowed_today=0), NOW, asked=asked)

    if verdict.policy_eval is not None:
        evidence = json.loads(json.dumps(verdict.policy_eval))
        parsed = parse_policy_evaluation(evidence)
        assert parsed.result.decision == verdict.decision
        committed = {"policy": policy["send"]["policy"], "action": "send", "context": context}
        assert parsed.input_sha256 == definition_digest(committed)  # type: ignore[arg-type]


@pytest.mark.parametrize("context", [{"n": 1.5}, {"n": 2**53}, {"n": "x" * 5000}])
def test_a_context_whose_digest_cannot_be_signed_is_refused(context) -> None:
    grant = {"names": ["read"], "expires": NOW + 1, "revoked": False, "successor": None, "confirm": [], "escalate": []}
    grant |= {"deny": [], "constraints": {}, "policy": {"read": entry()}, "budget": None}

    faults = faults_in(built(grant), ["read"], "actions", Circumstances(context=context))

    assert [path for path, _ in faults] == ["body.context"]


def test_nothing_is_in_an_empty_list_and_everything_is_outside_of_it() -> None:
    grant = {"names": ["read"], "expires": NOW + 1, "revoked": False, "successor": None, "confirm": [], "escalate": []}
    for op, decision in (("in", "allow"), ("not_in", "deny")):
        actions = {"read": ruled(op, "n", [])["actions"][0]}
        authorization = built(grant | {"deny": [], "constraints": {}, "policy": actions, "budget": None})

        asked = Circumstances(context={"n": 1})
        assert decide(authorization, "read", "actions", Standing(), NOW, asked=asked).decision == decision
