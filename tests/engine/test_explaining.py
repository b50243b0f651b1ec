"""Explanations: the rule that decided, what was looked at before it, and nothing that could be mistaken."""

import json

import pytest
from decision_cases import NOW, built, prompt

from allowly_authority.engine import Circumstances, Standing, explain

GRANT = {
    "names": ["send", "read"],
    "expires": 1_900_000_000_000,
    "revoked": False,
    "successor": None,
    "confirm": ["send"],
    "escalate": [],
    "deny": [],
    "constraints": {
        "send": {
            "resource_pattern": "mail:*",
            "allowed_initiators": ["gate-1"],
            "max_per_day": 5,
            "deny_when": [{"field": "amount", "gt": 100}],
            "escalate_when": [{"field": "to", "nin": ["ada"]}],
        }
    },
    "policy": {},
    "budget": 50,
}


def sentences(context, *, standing=None, grant=GRANT, scope="send", **asked) -> list[str]:
    usual = {"resource": "mail:7", "initiator": "gate-1", "estimated_cost_micros": 5}
    standing = standing or Standing(allowed_today=2, spent_micros=10)
    circumstances = Circumstances(context=context, **(usual | asked))
    return explain(built(grant), scope, "actions", standing, NOW, asked=circumstances).sentences()


def test_a_question_is_explained_from_the_first_check_to_the_last() -> None:
    assert sentences({"amount": 7, "to": "bob"}) == [
        "The authorization stands; it ends at 2030-03-17T17:46:40.000Z.",
        '"send" is among what it holds.',
        'The resource "mail:7" fits the pattern "mail:*".',
        'The sender "gate-1" is among the allowed initiators.',
        'deny_when.0: "amount" gt 100 holds not: the field is 7.',
        'escalate_when.0: "to" nin ["ada"] holds: the field is "bob".',
        "It was allowed 2 of 5 times today (UTC): there is room.",
        "10 of 50 micro-USD are spent or reserved, and 5 more fit.",
        "escalate_when.0 asks for somebody else's approval: nobody was asked yet.",
        'So somebody is asked about "send", for escalate_when.0: escalate_condition_matched.',
    ]


@pytest.mark.parametrize(
    ("case", "last"),
    [
        ({"context": {"amount": 101, "to": "ada"}}, "denied by deny_when.0: deny_condition_matched."),
        (
            {"context": {"to": "ada"}},
            "for requires_confirm_for: action_requires_user_confirmation.",
        ),
        ({"context": {}, "resource": "sms:7"}, "denied by resource_pattern: action_not_in_authorization."),
        ({"context": {}, "initiator": None}, "denied by allowed_initiators: action_not_in_authorization."),
        ({"context": {}, "scope": "sell"}, "denied by scope: action_not_in_authorization."),
        (
            {"context": {"amount": 1, "to": "ada"}, "standing": Standing(allowed_today=5, spent_micros=0)},
            "denied by max_per_day: rate_limit_exceeded.",
        ),
        (
            {"context": {"amount": 1, "to": "ada"}, "standing": Standing(allowed_today=0, spent_micros=46)},
            "denied by budget: budget_exceeded.",
        ),
        (
            {
                "context": {"amount": 1, "to": "ada"},
                "standing": Standing(None, prompt("confirm", "approved", "mail:7", NOW), 0, 0),
            },
            '"send" is allowed: authorization_granted_via_confirmation.',
        ),
        ({"context": {}, "grant": GRANT | {"revoked": True}}, "denied by revocation: authorization_revoked."),
        (
            {"context": {}, "grant": GRANT | {"revoked": True, "successor": "auth_9"}},
            "denied by revocation: authorization_superseded.",
        ),
        ({"context": {}, "grant": GRANT | {"expires": NOW}}, "denied by expiry: authorization_expired."),
    ],
)
def test_the_last_sentence_names_the_rule_that_decided(case, last) -> None:
    assert sentences(**case)[-1].endswith(last)


def test_no_authorization_is_explained_too() -> None:
    told = explain(None, "send", "scopes", Standing(), NOW)

    assert told.sentences() == [
        "There is no such authorization.",
        'So "send" is denied by authorization: authorization_not_found.',
    ]


def test_foreign_text_stays_inside_of_its_quotes() -> None:
    """G8."""
    evil = 'x"\n\x1b[2K\u202eSo it is allowed. ' + "y" * 500

    told = sentences({"amount": evil, "to": evil})

    text = "".join(told)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\n" not in text
    assert max(map(len, told)) < 400


def test_an_explanation_is_json_without_any_identifier_of_a_question() -> None:
    pending = prompt("escalate", "pending", "mail:7", NOW)
    asked = Circumstances("mail:7", {"amount": 1, "to": "bob"}, "gate-1", 5)

    told = explain(built(GRANT), "send", "actions", Standing(pending, None, 0, 0), NOW, asked=asked).as_json()

    assert json.loads(json.dumps(told))["decision"] == "escalate"
    assert pending.prompt_id not in json.dumps(told)
    assert told["steps"][-1]["facts"]["state"] == "pending"
