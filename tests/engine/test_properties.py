"""What must hold of every decision, however the rules are written."""

import copy
import dataclasses
import random

from decision_cases import (
    NOW,
    TARGETS,
    asks,
    built,
    circumstances,
    condition_lists,
    grants,
    lively,
    policy_conditions,
    records,
    standing,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from allowly_authority.engine import STRENGTH, Verdict, decide

CASES = settings(max_examples=120, deadline=None)


def decided(grant, ask, record) -> Verdict:
    asked = circumstances(ask)
    return decide(built(grant), ask["name"], ask["dialect"], standing(record, ask, NOW), NOW, asked=asked)


@CASES
@given(
    grant=grants(of_policy=False) | lively,
    ask=asks(),
    record=records,
    which=st.sampled_from(["confirm", "escalate", "deny", "deny_when", "escalate_when", "confirm_when"]),
    added=condition_lists,
)
def test_an_added_rule_never_weakens_an_inline_decision(grant, ask, record, which, added) -> None:
    assume(ask["name"] in grant["names"])
    before = decided(grant, ask, record)
    stricter = copy.deepcopy(grant)
    if which in stricter:
        stricter[which] = sorted({*stricter[which], ask["name"]})
    else:
        rules = stricter["constraints"].setdefault(ask["name"], {})
        rules[which] = [*rules.get(which, []), *added[:1]]

    after = decided(stricter, ask, record)

    assert STRENGTH[after.decision] >= STRENGTH[before.decision]


@CASES
@given(
    grant=grants(of_policy=True),
    ask=asks(),
    record=records,
    decision=st.sampled_from(["allow", "confirm", "escalate", "deny"]),
    condition=policy_conditions,
    at=st.integers(0, 3),
)
def test_an_added_rule_never_weakens_a_policy(*, grant, ask, record, decision, condition, at) -> None:
    """While no escalation was approved: that approval answers for every weaker rule of an edition."""
    assume(ask["name"] in grant["names"] and record["escalation"] != "approved")
    before = decided(grant, ask, record)
    stricter = copy.deepcopy(grant)
    rule = {"id": "added", "decision": decision, "target": TARGETS[decision], "conditions": [condition]}
    stricter["policy"][ask["name"]]["policy"]["rules"].insert(at, rule)

    after = decided(stricter, ask, record)

    assert STRENGTH[after.decision] >= STRENGTH[before.decision]


@CASES
@given(grant=grants() | lively, ask=asks(), record=records, seed=st.integers(0, 2**16))
def test_the_order_of_rules_of_one_strength_does_not_change_the_decision(grant, ask, record, seed) -> None:
    shuffled, shuffle = copy.deepcopy(grant), random.Random(seed).shuffle  # noqa: S311 - no secret
    for rules in shuffled["constraints"].values():
        for name in ("deny_when", "escalate_when", "confirm_when"):
            shuffle(rules.get(name, []))
    for entry in shuffled["policy"].values():
        shuffle(entry["policy"]["rules"])
        for rule in entry["policy"]["rules"]:
            shuffle(rule["conditions"])

    assert decided(shuffled, ask, record).decision == decided(grant, ask, record).decision


@CASES
@given(grant=grants(ended=False), ask=asks(), record=records, how=st.sampled_from(["revoked", "replaced", "expired"]))
def test_what_has_ended_allows_nothing_and_uses_up_nothing(grant, ask, record, how) -> None:
    ended = {
        "revoked": {"revoked_ms": NOW},
        "replaced": {"revoked_ms": NOW, "superseded_by": "auth_2"},
        "expired": {"expires_ms": NOW},
    }[how]
    authorization = dataclasses.replace(built(grant), **ended)
    asked = circumstances(ask)

    verdict = decide(authorization, ask["name"], ask["dialect"], standing(record, ask, NOW), NOW, asked=asked)

    assert (verdict.decision, verdict.claims, verdict.open_prompt) == ("deny", (), False)
    assert verdict.superseded_by == ("auth_2" if how == "replaced" and ask["dialect"] == "actions" else None)


@CASES
@given(grant=grants() | lively, ask=asks(), record=records)
def test_only_an_allow_is_counted_paid_for_or_uses_up_an_approval(grant, ask, record) -> None:
    verdict = decided(grant, ask, record)

    if verdict.decision != "allow":
        assert (verdict.claims, verdict.count_up_to, verdict.reserve_micros) == ((), None, None)
    if verdict.budget is not None:
        paid = verdict.budget.spent_after_micros - verdict.budget.spent_micros
        assert paid == (ask["estimate"] if verdict.decision == "allow" else 0)
    if verdict.open_prompt:
        assert verdict.decision in {"confirm", "escalate"}
        assert verdict.prompt is None
