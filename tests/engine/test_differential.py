"""The decision model against a table that was written from the contract's text, over generated cases."""

from decision_cases import NOW, asks, built, circumstances, grants, lively, odd_contexts, records, standing
from decision_table import answer
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from allowly_authority.engine import decide, explain, faults_in, needs, refusal


def prepared(grant, ask):
    """Return the grant and the check as the model takes them; drop what it refuses to decide."""
    authorization, asked = grant and built(grant), circumstances(ask)
    assume(not faults_in(authorization, [ask["name"]], ask["dialect"], asked))
    return authorization, asked


CASES = settings(max_examples=700, deadline=None)


@CASES
@given(grant=st.none() | grants() | grants() | lively, ask=asks() | asks(odd_contexts), record=records)
def test_every_decision_is_the_one_of_the_table(grant, ask, record) -> None:
    authorization, asked = prepared(grant, ask)
    on_record = standing(record, ask, NOW)

    verdict = decide(authorization, ask["name"], ask["dialect"], on_record, NOW, asked=asked)

    expected = answer(grant, ask, record, NOW)
    event(f"{verdict.decision}: {verdict.reason}")
    assert {
        "decision": verdict.decision,
        "reason": verdict.reason,
        "uses": [{"escalate": "escalation", "confirm": "confirmation"}[claim.kind] for claim in verdict.claims],
    } == expected


@settings(max_examples=150, deadline=None)
@given(grant=grants() | lively, ask=asks(odd_contexts), record=records)
def test_an_explanation_decides_as_the_decision_does(grant, ask, record) -> None:
    (authorization, asked), on_record = prepared(grant, ask), standing(record, ask, NOW)
    case = (authorization, ask["name"], ask["dialect"], on_record, NOW)

    explanation = explain(*case, asked=asked)

    assert explanation.verdict == decide(*case, asked=asked)
    assert explanation.as_json()["decision"] == explanation.verdict.decision
    assert len(explanation.sentences()) == len(explanation.steps) + 1


@settings(max_examples=150, deadline=None)
@given(grant=grants() | lively, ask=asks(odd_contexts), record=records)
def test_what_is_not_asked_for_takes_no_part(grant, ask, record) -> None:
    """A decision over only what `needs` names is the decision over everything."""
    (authorization, asked), on_record = prepared(grant, ask), standing(record, ask, NOW)
    wanted = needs(authorization, ask["name"])
    case = (authorization, ask["name"], ask["dialect"])
    reduced = type(on_record)(
        on_record.escalation if wanted.prompts else None,
        on_record.confirmation if wanted.prompts else None,
        on_record.allowed_today if wanted.usage else None,
        on_record.spent_micros if wanted.budget else None,
    )

    verdict = decide(*case, reduced, NOW, asked=asked)

    assert verdict == decide(*case, on_record, NOW, asked=asked)


@settings(max_examples=150, deadline=None)
@given(grant=grants() | lively, ask=asks(), record=records)
def test_a_refusal_by_the_rules_alone_is_a_denial_whatever_is_on_record(grant, ask, record) -> None:
    authorization, asked = prepared(grant, ask)

    refused = refusal(authorization, ask["name"], ask["dialect"], NOW, asked=asked)
    verdict = decide(authorization, ask["name"], ask["dialect"], standing(record, ask, NOW), NOW, asked=asked)

    if refused is not None:
        assert verdict == refused
    elif verdict.decision == "deny":
        assert verdict.rule in {"max_per_day", "budget"} or verdict.reason == "escalation_rejected"
