"""What the model reads about a call that did not run."""

import pytest

from allowly_harness.protocol.models import ApprovalOutcome
from allowly_harness.protocol.sentences import quoted, sentence_for

RAN = {ApprovalOutcome.ALLOWED, ApprovalOutcome.APPROVED, ApprovalOutcome.APPROVED_EDITED}
NOT_RUN = [outcome for outcome in ApprovalOutcome if outcome not in RAN]


@pytest.mark.parametrize("outcome", NOT_RUN)
def test_every_outcome_without_a_result_has_a_sentence_that_says_whether_the_tool_ran(
    outcome: ApprovalOutcome,
) -> None:
    sentence = sentence_for(outcome, "the detail")

    said = {
        ApprovalOutcome.UNKNOWN: "It is not known whether the tool ran",
        ApprovalOutcome.DEFERRED: "The tool has not run yet",
    }.get(outcome, "The tool did not run")
    assert sentence.startswith(said)
    assert "the detail" in sentence
    assert "{" not in sentence


@pytest.mark.parametrize("outcome", sorted(RAN))
def test_a_call_that_ran_has_a_result_and_no_sentence(outcome: ApprovalOutcome) -> None:
    with pytest.raises(KeyError):
        sentence_for(outcome, "the detail")


def test_only_an_approved_call_is_said_to_have_been_approved() -> None:
    """A call sent again for a fresh question was never approved, and its reply may be lost as well."""
    assert "approved" not in sentence_for(ApprovalOutcome.UNKNOWN, "no reply")


@pytest.mark.parametrize("outcome", NOT_RUN)
def test_a_detail_is_never_a_format(outcome: ApprovalOutcome) -> None:
    assert "{detail.__class__} {0} {}" in sentence_for(outcome, "{detail.__class__} {0} {}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "no reason given"),
        ("", "no reason given"),
        ("scope_not_authorized", "scope_not_authorized"),
        ("No!", "'No!'"),
        ("a\nb\x1b[31m\u202e", r"'a\nb\x1b[31m\u202e'"),
        ("x" * 300, "'" + "x" * 200 + "…'"),
    ],
    ids=["nothing", "empty", "a code", "words", "control characters", "too long"],
)
def test_foreign_text_is_quoted_escaped_and_cut(text: str | None, expected: str) -> None:
    """G8, G6."""
    assert quoted(text) == expected
