"""Why a policy says what it says."""

import json

from allowly_middleware.pipeline import CallFacts, Operation, Subject
from allowly_middleware.policy import Explanation, explain, parse_policy

POLICY = """name = "shop"
[tools]
"shop.*" = { effect = "allow", limit = "30 per minute" }
"shop.refund" = { effect = "confirm", when.amount.greater_than = 100 }
"shop.refund_all" = "deny"
"*.refund" = { effect = "deny", unless_subject.groups = "support" }
"shop.r*" = { effect = "escalate to finance", shadow = true }
"docs.*" = "allow"
[groups.admin.tools]
"shop.refund" = { effect = "allow", annotations.readOnlyHint = true }
"""


def explained(subject: Subject, arguments: dict | None) -> Explanation:
    facts = CallFacts(Operation.TOOL_CALL, "shop", "refund", arguments, subject=subject)
    return explain(parse_policy(POLICY).or_raise("policy.toml"), facts)


def test_every_rule_for_the_tool_is_told_with_what_came_of_it() -> None:
    subject = Subject("ada", frozenset({"support"}))

    explanation = explained(subject, {"amount": 500, "card": "s3cret"})

    assert explanation.verdict.effect == "ask"
    assert [(one.ref.line, one.role) for one in explanation.rules] == [
        (4, "decides"),
        (3, "counts"),
        (7, "only tried"),
        (6, "not met"),
        (10, "not for this subject"),
    ]
    assert explanation.rules[0].details == ("when amount greater_than 100: holds",)
    assert explanation.rules[3].details == ("unless_subject group support: holds",)
    assert "s3cret" not in repr(explanation)


def test_without_arguments_it_is_told_what_depends_on_them() -> None:
    explanation = explained(Subject("ada", frozenset({"support", "admin"})), None)

    assert explanation.verdict.effect == "allow"
    assert (explanation.rules[0].ref.line, explanation.rules[0].role) == (3, "decides")
    pending = next(one for one in explanation.rules if one.ref.line == 4)
    assert pending.role == "depends on the arguments"
    assert pending.details == ("when amount greater_than 100: arguments are not given",)
    claimed = next(one for one in explanation.rules if one.ref.line == 10)
    assert (claimed.role, claimed.details) == ("not met", ("annotations readOnlyHint = true",))


def test_an_explanation_can_be_written_as_json() -> None:
    document = json.loads(json.dumps(explained(Subject("bob"), {"amount": "x"}).as_json()))

    assert document["effect"] == "deny"
    assert document["if_tried_rules_were_in_force"] is None
    assert document["rules"][0] == {
        "policy": "shop",
        "line": 6,
        "name": "tools *.refund",
        "says": "deny",
        "role": "decides",
        "details": ["unless_subject group support: does not hold"],
    }
    assert document["rules"][1]["details"] == ["when amount greater_than 100: cannot be told"]
    assert document["rules"][1]["role"] == "counts"
