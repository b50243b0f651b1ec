"""Reason codes, badges and folding."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import allowly_authority
import allowly_middleware
from allowly_harness.display.badges import badges_of, contradiction
from allowly_harness.display.reasons import explain, rule_of
from allowly_harness.display.sanitize import one_line
from allowly_harness.display.width import cells, fold, fold_exact

OF_THE_API = [
    *("scope_requires_user_confirmation", "action_requires_user_confirmation", "confirm_condition_matched"),
    *(
        "condition_requires_user_confirmation",
        "context_field_missing",
        "escalation_required",
        "action_requires_escalation",
    ),
    *("authorization_not_found", "authorization_revoked", "authorization_expired", "authorization_superseded"),
    *("scope_not_authorized", "action_not_in_authorization", "resource_tombstoned", "rate_limit_exceeded"),
    *("budget_exceeded", "escalation_rejected", "deny_condition_matched", "check_input_unavailable"),
    *(
        "check_input_invalid",
        "check_action_invalid",
        "agent_token_unavailable",
        "agent_token_not_found",
        "missing_result",
    ),
]


def sent_codes():
    """The codes that the sources of middleware and authority name as reasons."""
    for package in (allowly_middleware, allowly_authority):
        for path in Path(package.__path__[0]).rglob("*.py"):
            source = path.read_text()
            yield from re.findall(r'(?:denied|unavailable)\("([a-z_]+)"', source)
            yield from re.findall(r'Verdict\("(?:deny|confirm|escalate)", "([a-z_]+)"', source)
            yield from re.findall(r'"(fallback_closed_[a-z_]+)"', source)


@pytest.mark.parametrize("code", sorted({*OF_THE_API, *sent_codes()}))
def test_every_known_reason_has_a_sentence_of_ours(code):
    sentence = explain(code)

    assert sentence is not None
    assert sentence.endswith(".")


def test_an_unknown_reason_has_neither_sentence_nor_rule():
    assert explain("moon_phase") is None
    assert rule_of("moon_phase") == ""


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("rate_limit_exceeded", "max_per_day"),
        ("budget_exceeded", "budget_limit_micros"),
        ("escalation_required", "requires_escalation_for"),
    ],
)
def test_a_limit_is_named_as_the_api_names_it(code, rule):
    assert rule_of(code) == rule


def test_badges_say_which_of_them_are_risky():
    badges = badges_of({"destructiveHint": True, "readOnlyHint": False, "openWorldHint": False})

    assert [(badge.text, badge.risky) for badge in badges] == [
        ("destructive", True),
        ("not read-only", True),
        ("stays inside", False),
    ]


@pytest.mark.parametrize("value", [None, "true", 1, 0, [], {}])
def test_an_annotation_that_is_no_true_or_false_is_no_badge(value):
    assert badges_of({"destructiveHint": value, "title": "x"}) == ()


def test_annotations_without_a_contradiction_have_none():
    assert contradiction({"readOnlyHint": True}) == ""
    assert contradiction({"readOnlyHint": False, "destructiveHint": True}) == ""


@pytest.mark.parametrize("break_up", [fold, fold_exact])
@given(text=st.text(max_size=300), width=st.integers(2, 60))
def test_folding_keeps_every_character_and_the_width(break_up, text, width):
    shown = one_line(text)

    lines = break_up(shown, width)

    assert "".join(line.text for line in lines) == shown.text
    assert all(cells(line.text) <= width for line in lines)
    assert [span.altered for line in lines for span in line.spans for _ in span.text] == [
        span.altered for span in shown.spans for _ in span.text
    ]
