"""What the entries of a call tell about it, wherever they end (G12)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.journal import Fate, verdict_of
from allowly_harness.journal.entries import Entry, facts_text
from allowly_harness.protocol.models import ApprovalOutcome

WHOLE = ("dispatched", "blocked", "asked", "answered", "posted", "dispatched", "finished")


def entries(*steps: str, outcome: str = "approved") -> list[Entry]:
    facts = facts_text({"outcome": outcome})
    return [Entry(n, 0, "p", "c", step, "s", "t", "d", facts, b"", b"") for n, step in enumerate(steps, 1)]


@pytest.mark.parametrize(
    ("until", "fate"),
    [
        (0, Fate.NOT_RUN),
        (1, Fate.UNKNOWN),
        (2, Fate.NOT_RUN),
        (3, Fate.NOT_RUN),
        (4, Fate.NOT_RUN),
        (5, Fate.NOT_RUN),
        (6, Fate.UNKNOWN),
        (7, Fate.RAN),
    ],
)
def test_a_call_that_was_stopped_after_each_step_is_judged_by_what_can_have_happened(until: int, fate: Fate) -> None:
    assert verdict_of(entries(*WHOLE[:until])) is fate


@pytest.mark.parametrize("outcome", list(ApprovalOutcome))
def test_every_outcome_of_a_blocked_call_is_judged(outcome: ApprovalOutcome) -> None:
    found = verdict_of(entries("dispatched", "blocked", "finished", outcome=outcome))

    ran = {"allowed", "approved", "approved_edited"}
    expected = Fate.RAN if outcome in ran else Fate.UNKNOWN if outcome in {"unknown", "spoofed"} else Fate.NOT_RUN
    assert found is expected


@given(st.lists(st.sampled_from(WHOLE[:-1]), max_size=12))
def test_a_call_whose_last_sending_has_no_answer_is_never_said_not_to_have_run(steps: list[str]) -> None:
    sent = [place for place, step in enumerate(steps) if step == "dispatched"]
    answered = [place for place, step in enumerate(steps) if step == "blocked"]

    found = verdict_of(entries(*steps))

    open_sending = bool(sent) and (not answered or answered[-1] < sent[-1])
    assert found is (Fate.UNKNOWN if open_sending else Fate.NOT_RUN)
