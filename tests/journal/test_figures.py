"""Calls put together from their entries, and the figures about them."""

from __future__ import annotations

import pytest

from allowly_harness.cli.statistics import Plot, lines_of
from allowly_harness.journal.calls import Call, calls_of
from allowly_harness.journal.entries import Entry, facts_text
from allowly_harness.journal.figures import figures_of
from allowly_harness.journal.verdicts import Fate

MINUTE = 60_000


def entry(seq: int, at_ms: int, step: str, conversation: str = "a", tool: str = "pay", **facts: object) -> Entry:
    return Entry(seq, at_ms, "p", conversation, step, "bank", tool, "d", facts_text(facts), b"", b"")


def asked(conversation: str, answer: str, took: float, outcome: str, tool: str = "pay", **facts: object) -> list[Entry]:
    def one(at: float, step: str, **facts: object) -> Entry:
        return entry(1, MINUTE + int(at * 1000), step, conversation, tool, **facts)

    return [
        one(0, "dispatched", round=0),
        one(0, "blocked", decision="confirm", reason="scope_requires_user_confirmation"),
        one(0, "asked", kind="confirm", round=1, verification="matched"),
        one(took, "answered", answer=answer, **facts),
        one(took, "finished", outcome=outcome, rounds=1),
    ]


def calls(*groups: list[Entry]) -> list[Call]:
    return calls_of([one for group in groups for one in group])


def test_a_call_tells_who_was_asked_what_and_how_long_the_answer_took() -> None:
    (call,) = calls(asked("a", "approve", 4.5, "approved"))

    (question,) = call.questions
    assert (question.kind, question.reason, question.answer) == (
        "confirm",
        "scope_requires_user_confirmation",
        "approve",
    )
    assert question.seconds == 4.5
    assert (call.outcome, call.fate, call.blocked) == ("approved", Fate.RAN, True)


def test_a_call_without_an_end_is_under_way_or_was_cut_off() -> None:
    (call,) = calls(asked("a", "approve", 1, "approved")[:4])

    assert call.state(lambda _: True) == "under way"
    assert call.state(lambda _: False) == "cut off"


def test_answers_given_elsewhere_and_endings_of_waits_are_told_apart() -> None:
    steps = asked("a", "approve", 1, "approved")
    elsewhere = [*steps[:3], entry(4, MINUTE + 1000, "answered", elsewhere="approved")]
    waited = [*steps[:3], entry(4, MINUTE + 1000, "answered", resolution="rejected")]

    assert calls(elsewhere)[0].questions[0].answer == "approved elsewhere"
    assert calls(waited)[0].questions[0].answer == "rejected"


def test_the_figures_count_each_question_once() -> None:
    found = figures_of(
        calls(
            asked("a", "approve", 1.0, "approved"),
            asked("b", "approve", 5.0, "approved"),
            asked("c", "deny", 9.0, "denied_by_person"),
            asked("d", "expired", 300.0, "expired"),
            [entry(1, MINUTE, "dispatched", "e"), entry(2, MINUTE, "finished", "e", outcome="allowed")],
        )
    )

    assert (found.calls, found.asked, found.approved, found.denied) == (5, 4, 2, 1)
    assert (found.expired, found.automatic, found.undecided) == (1, 0, 0)
    assert found.median_seconds == 5.0
    assert dict(found.times) == {
        "under 2 s": 1,
        "2 s to 5 s": 0,
        "5 s to 15 s": 2,
        "15 s to 1 min": 0,
        "1 min to 5 min": 0,
        "over 5 min": 0,
    }
    assert found.fast == 1
    assert (found.most[0].tool, found.most[0].asked, found.most[0].approved) == ("pay", 4, 2)
    assert found.most[0].hint == ""


def test_a_rule_that_is_always_answered_alike_is_pointed_out_once_it_was_asked_often() -> None:
    yes = [asked(f"y{n}", "approve", 1, "approved", "read") for n in range(10)]
    no = [asked(f"n{n}", "deny", 1, "denied_by_person", "wipe") for n in range(10)]

    found = {one.tool: one for one in figures_of(calls(*yes, *no)).most}

    assert "narrower rule" in found["read"].hint
    assert found["read"].policy == '"bank.read" = "allow"'
    assert "denies" in found["wipe"].hint
    assert found["wipe"].policy == '"bank.wipe" = "deny"'
    assert figures_of(calls(*yes[:9])).most[0].hint == ""


def test_an_empty_journal_has_figures_too() -> None:
    found = figures_of([])

    assert (found.calls, found.asked, found.median_seconds, found.days) == (0, 0, None, ())


def test_what_nobody_was_asked_about_is_counted_apart_and_speaks_for_no_rule() -> None:
    granted = [asked(f"g{n}", "approve", 0, "approved", automatic=True, grant="ab12") for n in range(20)]
    person = asked("p", "approve", 3, "approved", automatic=False, seconds=2.5, surface="tui", by="ada")

    found = figures_of(calls(*granted, person))

    assert (found.asked, found.approved, found.automatic) == (21, 1, 20)
    assert (found.median_seconds, found.fast) == (2.5, 0)
    assert (found.most[0].asked, found.most[0].automatic, found.most[0].hint) == (21, 20, "")


def test_a_question_tells_who_answered_where_and_by_which_grant() -> None:
    steps = asked("g", "approve", 0, "approved", automatic=True, grant="ab12", surface="grant", by="ada", seconds=0.1)

    (question,) = calls(steps)[0].questions

    assert (question.automatic, question.grant, question.surface, question.by) == (True, "ab12", "grant", "ada")
    assert question.seconds == 0.1
    assert question.document()["grant"] == "ab12"


@pytest.mark.parametrize(("mark", "line"), [("", "  yes  4"), ("#", f"  yes  {'#' * 40} 4")])
def test_bars_are_drawn_only_where_something_can_show_them(mark: str, line: str) -> None:
    assert next(Plot(mark).bars([("yes", 4), ("no", 1)])) == line


def test_the_figures_are_lines_with_the_rule_that_would_ask_less() -> None:
    yes = [asked(f"y{n}", "approve", 1, "approved", "read") for n in range(10)]

    lines = "\n".join(lines_of(figures_of(calls(*yes)), Plot("#")))

    assert "10 calls, 10 questions" in lines
    assert "within 2 s, hardly read: 10" in lines
    assert '"bank.read" = "allow"' in lines
