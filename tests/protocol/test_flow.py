"""The conversation step by step, in the order of the design's rules; every outcome is reached."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from allowly_harness.protocol.effects import (
    AnsweredElsewhere,
    Ask,
    AwaitResolution,
    Invoke,
    Lookup,
    LookupFailure,
    NoRecord,
    NoReply,
    Posted,
    PostedAs,
    Resolution,
    Resolve,
    Settle,
    ToolReply,
)
from allowly_harness.protocol.flow import UNBOUND_TTL_SECONDS, Ended, approval_flow
from allowly_harness.protocol.models import (
    Answer,
    ApprovalOutcome,
    ApprovalRequest,
    PromptRecord,
    ServerInfo,
    ToolCall,
    Verification,
)
from allowly_harness.testing import Playbook

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = NOW + timedelta(minutes=4)
CALL = ToolCall("bank", "pay", {"to": "ada", "amount": 5})
EDITED = ToolCall("bank", "pay", {"to": "bob", "amount": 1})
DONE = ToolReply("the result", False, ("done",), None, NOW)
FAILED = ToolReply("the error", True, ("no such account",), None, NOW)
LOST = NoReply("connection lost")
ACCEPTED, GONE, CONFLICT, NOT_SENT, LOST_POST = (Posted(status, "words") for status in PostedAs)


def blocked(decision: str, **fields: Any) -> ToolReply:
    text = json.dumps({"decision": decision, "reason": "some_reason", **fields})
    return ToolReply("a blocked result", True, (text,), None, NOW)


def confirm(nonce: str = "nonce-1") -> ToolReply:
    return blocked("confirm", confirm_nonce=nonce, confirm_prompt_hint="Pay?")


def escalate(escalation_id: str = "esc-1", to: str | None = "compliance") -> ToolReply:
    return blocked("escalate", escalation_id=escalation_id, escalation_to=to)


def record(kind: Literal["confirm", "escalate"] = "confirm", call: ToolCall = CALL, **fields: Any) -> PromptRecord:
    known = {"authorization_id": "auth", "scope": "pay", "resource": call.resource, "status": "pending"}
    known |= {"expires_at": UNTIL, "escalation_to": "compliance" if kind == "escalate" else None}
    return PromptRecord(kind=kind, **{**known, **fields})


def start(**options: Any) -> Playbook:
    return Playbook(approval_flow(CALL, server=ServerInfo("bank"), **options)).expect(Invoke(CALL))


def asked(book: Playbook) -> ApprovalRequest:
    assert isinstance(book.effect, Ask), f"nobody is asked: {book.effect!r}"
    return book.effect.request


def confirming(**options: Any) -> Playbook:
    """A verified confirmation, about to be answered."""
    book = start(**options).reply(confirm()).expect(Lookup("confirm", "nonce-1")).reply(record())
    return book.expect_type(Ask)


def escalating(**options: Any) -> Playbook:
    """A verified escalation, about to be answered."""
    book = start(**options).reply(escalate()).expect(Lookup("escalate", "esc-1")).reply(record("escalate"))
    return book.expect_type(Ask)


def ended(book: Playbook, outcome: ApprovalOutcome) -> Ended:
    end = book.end()
    assert end.outcome is outcome
    assert (end.result is None) == bool(end.message), "there is a result or a sentence, never both"
    if end.rounds or end.message:
        assert book.records[-1].facts == {"outcome": outcome.value, "rounds": end.rounds}
    return end


@pytest.mark.parametrize("reply", [DONE, FAILED], ids=["success", "an error of the tool"])
def test_a_result_that_is_no_decision_is_handed_on_untouched(reply: ToolReply) -> None:
    book = start().reply(reply)

    end = ended(book, ApprovalOutcome.ALLOWED)
    assert end.result is reply.result
    assert end.rounds == 0
    assert book.records == []


def test_a_deny_is_final_and_nobody_is_asked() -> None:
    """G5."""
    assert "some_reason" in ended(start().reply(blocked("deny")), ApprovalOutcome.DENIED_BY_POLICY).message


def test_a_deny_that_is_an_outage_is_not_called_a_policy() -> None:
    """G10."""
    reply = ToolReply("", True, ('{"decision": "deny", "reason": "fallback_closed_timeout"}',), None, NOW)

    end = ended(start().reply(reply), ApprovalOutcome.UNREACHABLE)

    assert "fallback_closed_timeout" in end.message


def test_a_yes_is_posted_and_then_the_same_bytes_are_sent_at_once() -> None:
    """G2."""
    book = confirming().reply(Answer.approve(30)).expect(Settle("nonce-1", Answer.approve(30))).reply(ACCEPTED)
    book.expect(Invoke(CALL, retry=True)).reply(DONE)

    assert ended(book, ApprovalOutcome.APPROVED).result == "the result"
    steps = [entry.step for entry in book.records]
    assert steps == ["blocked", "asked", "answered", "posted", "dispatched", "finished"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer.deny("too dear"), ApprovalOutcome.DENIED_BY_PERSON),
        (Answer.respond("use the other account"), ApprovalOutcome.RESPONDED),
        (Answer.cancel(), ApprovalOutcome.CANCELLED),
        (Answer.unattended(), ApprovalOutcome.UNATTENDED),
    ],
    ids=["no", "an answer instead", "a closed question", "nobody there"],
)
@pytest.mark.parametrize("posted", [ACCEPTED, GONE, CONFLICT, NOT_SENT, LOST_POST], ids=list(PostedAs))
def test_what_is_not_a_yes_is_reported_as_a_no_and_ends_the_call(
    answer: Answer, outcome: ApprovalOutcome, posted: Posted
) -> None:
    """G5, whatever became of the report."""
    end = ended(confirming().reply(answer).expect(Settle("nonce-1", answer)).reply(posted), outcome)

    assert (answer.reason or answer.text or "") in end.message


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer.defer(), ApprovalOutcome.DEFERRED),
        (Answer.wait(), ApprovalOutcome.DEFERRED),
        (Answer.expired(), ApprovalOutcome.EXPIRED),
        (Answer.unheard(), ApprovalOutcome.UNATTENDED),
    ],
    ids=["later", "waiting, which nothing can end", "no answer in time", "nobody there, and nothing is reported"],
)
def test_an_undecided_confirmation_is_left_open_and_nothing_is_posted(answer: Answer, outcome: ApprovalOutcome) -> None:
    ended(confirming().reply(answer), outcome)


def test_a_yes_that_may_have_counted_is_not_repeated_but_found_out_about() -> None:
    """G3."""
    book = confirming().reply(Answer.approve()).reply(LOST_POST).expect(Invoke(CALL, retry=True))

    ended(book.reply(DONE), ApprovalOutcome.APPROVED)


def test_a_yes_that_came_too_late_leads_to_a_new_question_that_says_so() -> None:
    book = confirming().reply(Answer.approve()).reply(GONE).expect(Invoke(CALL, retry=True))
    book.reply(confirm("nonce-2")).reply(record())

    assert asked(book).round == 2
    assert "no longer valid" in asked(book).note


def test_a_yes_against_somebody_elses_no_is_superseded() -> None:
    ended(confirming().reply(Answer.approve()).reply(CONFLICT), ApprovalOutcome.SUPERSEDED)


def test_a_yes_that_never_left_is_asked_for_again_and_given_up_in_the_end() -> None:
    """G10, G6."""
    book = confirming()
    for _ in range(2):
        book.reply(Answer.approve()).expect_type(Settle).reply(NOT_SENT)
        assert "was not delivered" in asked(book).note
        assert asked(book).round == 1

    end = ended(book.reply(Answer.approve()).reply(NOT_SENT), ApprovalOutcome.UNREACHABLE)

    assert "words" in end.message


def test_a_yes_that_this_key_may_not_give_is_not_asked_for_again() -> None:
    """Nothing that a person says a second time gives the key another right."""
    book = confirming().reply(Answer.approve())

    refused = Posted(PostedAs.NOT_SENT, "may not do that (403)", hopeless=True)
    end = ended(book.reply(refused), ApprovalOutcome.UNREACHABLE)

    assert "was not accepted: may not do that (403)" in end.message


def test_a_lost_reply_to_the_retry_is_unknown_and_the_end() -> None:
    """G4."""
    book = confirming().reply(Answer.approve()).reply(ACCEPTED).reply(LOST)

    assert "connection lost" in ended(book, ApprovalOutcome.UNKNOWN).message


def test_a_deny_after_the_approval_is_final() -> None:
    """G5."""
    book = confirming().reply(Answer.approve()).reply(ACCEPTED).reply(blocked("deny"))

    ended(book, ApprovalOutcome.DENIED_BY_POLICY)


def test_the_requester_cannot_approve_an_escalation() -> None:
    """G11."""
    book = escalating()
    assert not asked(book).may_resolve

    end = ended(book.reply(Answer.approve(resolved_by="compliance")), ApprovalOutcome.DEFERRED)
    assert "only compliance may approve it" in end.message


@pytest.mark.parametrize("acting_as", [None, "", "Compliance", "compliance ", "legal"])
def test_any_other_name_than_the_targets_is_a_requesters(acting_as: str | None) -> None:
    """G11."""
    assert not asked(escalating(acting_as=acting_as)).may_resolve


def test_a_name_that_only_the_server_gives_the_target_is_not_enough() -> None:
    """G11, G13: the record says who may approve."""
    book = start(acting_as="me").reply(escalate(to="me")).reply(record("escalate", escalation_to="compliance"))

    assert asked(book).escalation_to == "compliance"
    assert not asked(book).may_resolve


def test_nobody_is_the_target_of_an_escalation_to_nobody() -> None:
    """G11."""
    for target in (None, ""):
        for acting_as in (None, ""):
            book = start(acting_as=acting_as).reply(escalate(to=target))
            assert not asked(book.reply(record("escalate", escalation_to=target))).may_resolve


def test_the_named_approver_resolves_under_the_name_the_session_was_opened_with() -> None:
    """G11."""
    book = escalating(acting_as="compliance").reply(Answer.approve(note="fine", resolved_by="eve"))
    book.expect(Resolve("esc-1", Answer.approve(note="fine", resolved_by="compliance"))).reply(ACCEPTED)

    ended(book.expect(Invoke(CALL, retry=True)).reply(DONE), ApprovalOutcome.APPROVED)


def test_the_named_approver_rejects() -> None:
    book = escalating(acting_as="compliance").reply(Answer.deny("no"))
    book.expect(Resolve("esc-1", Answer.deny("no", resolved_by="compliance"))).reply(ACCEPTED)

    ended(book, ApprovalOutcome.DENIED_BY_PERSON)


@pytest.mark.parametrize(
    ("resolution", "outcome"),
    [
        (Resolution.REJECTED, ApprovalOutcome.DENIED_BY_PERSON),
        (Resolution.EXPIRED, ApprovalOutcome.EXPIRED),
        (Resolution.GIVEN_UP, ApprovalOutcome.CANCELLED),
        (Resolution.LEFT_OPEN, ApprovalOutcome.DEFERRED),
        (Resolution.CANNOT_TELL, ApprovalOutcome.DEFERRED),
    ],
)
def test_a_wait_that_brings_no_approval_ends_the_call(resolution: Resolution, outcome: ApprovalOutcome) -> None:
    book = escalating()
    waiting = AwaitResolution("esc-1", UNTIL, asked(book))

    ended(book.reply(Answer.wait()).expect(waiting).reply(resolution), outcome)


def test_an_awaited_approval_sends_the_call_again() -> None:
    book = escalating().reply(Answer.wait()).reply(Resolution.APPROVED).expect(Invoke(CALL, retry=True))

    ended(book.reply(DONE), ApprovalOutcome.APPROVED)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer.deny(), ApprovalOutcome.DENIED_BY_PERSON),
        (Answer.cancel(), ApprovalOutcome.CANCELLED),
        (Answer.unattended(), ApprovalOutcome.UNATTENDED),
        (Answer.unheard(), ApprovalOutcome.UNATTENDED),
        (Answer.defer(), ApprovalOutcome.DEFERRED),
        (Answer.expired(), ApprovalOutcome.EXPIRED),
    ],
)
def test_a_requester_who_gives_up_resolves_nothing(answer: Answer, outcome: ApprovalOutcome) -> None:
    """G11."""
    ended(escalating().reply(answer), outcome)


@pytest.mark.parametrize("book", [confirming, escalating])
def test_a_yes_that_was_given_elsewhere_sends_the_same_bytes_once_and_posts_nothing(book: Any) -> None:
    """G2, G3, G4."""
    talk = book().reply(AnsweredElsewhere("approved")).expect(Invoke(CALL, retry=True)).reply(DONE)

    assert ended(talk, ApprovalOutcome.APPROVED).result == "the result"
    steps = [entry.step for entry in talk.records]
    assert steps == ["blocked", "asked", "answered", "dispatched", "finished"]


def test_a_yes_elsewhere_that_did_not_let_the_call_through_leads_to_a_new_question() -> None:
    book = confirming().reply(AnsweredElsewhere("approved")).reply(confirm("nonce-2")).reply(record())

    assert asked(book).round == 2
    assert "given elsewhere" in asked(book).note


def test_a_question_that_comes_back_after_it_was_answered_elsewhere_is_not_put_again() -> None:
    """G3."""
    book = confirming().reply(AnsweredElsewhere("approved")).reply(confirm("nonce-1"))

    ended(book, ApprovalOutcome.SUPERSEDED)


@pytest.mark.parametrize(
    ("said", "outcome", "words"),
    [
        (AnsweredElsewhere("rejected"), ApprovalOutcome.DENIED_BY_PERSON, "a person in another session said no"),
        (AnsweredElsewhere("rejected", "ada"), ApprovalOutcome.DENIED_BY_PERSON, "ada said no"),
        (AnsweredElsewhere("rejected", "x\n[b]"), ApprovalOutcome.DENIED_BY_PERSON, "'x\\n[b]' said no"),
        (AnsweredElsewhere("consumed"), ApprovalOutcome.SUPERSEDED, "another call has used the approval"),
        (AnsweredElsewhere("cancelled"), ApprovalOutcome.SUPERSEDED, "withdrawn at the authority"),
    ],
    ids=["no", "a name", "a hostile name", "used", "withdrawn"],
)
@pytest.mark.parametrize("book", [confirming, escalating])
def test_anything_else_that_was_said_elsewhere_ends_the_call(
    book: Any, said: AnsweredElsewhere, outcome: ApprovalOutcome, words: str
) -> None:
    """G5: nothing is posted and nothing is sent."""
    assert words in ended(book().reply(said), outcome).message


def test_a_question_says_who_asks_and_under_which_authorization() -> None:
    request = asked(confirming(requester="the mail agent"))

    assert request.requester == "the mail agent"
    assert request.authorization_id == "auth"


def test_without_a_record_the_authorization_is_not_known() -> None:
    book = start().reply(confirm()).reply(NoRecord(LookupFailure.UNSUPPORTED))

    assert asked(book).authorization_id is None


def test_an_edited_call_is_shown_with_the_call_that_the_agent_made() -> None:
    book = confirming().reply(Answer.edit(EDITED.payload())).reply(ACCEPTED).reply(confirm("nonce-2"))
    book.reply(record(call=EDITED))
    assert asked(book).edited_from == CALL

    book.reply(Answer.edit({"to": "eve"})).reply(ACCEPTED).reply(confirm("nonce-3"))
    book.reply(record(call=ToolCall("bank", "pay", {"to": "eve"})))
    assert asked(book).edited_from == CALL, "what the agent asked for, not what the last edit made of it"


def test_an_edit_that_is_taken_back_is_no_edit() -> None:
    book = confirming().reply(Answer.edit(EDITED.payload())).reply(ACCEPTED).reply(confirm("nonce-2"))
    book.reply(record(call=EDITED)).reply(Answer.edit(CALL.payload())).reply(ACCEPTED).reply(confirm("nonce-3"))
    assert asked(book.reply(record())).edited_from is None

    end = ended(book.reply(Answer.approve()).reply(ACCEPTED).reply(DONE), ApprovalOutcome.APPROVED)
    assert end.call == CALL


def test_a_confirmation_may_be_followed_by_an_escalation() -> None:
    book = confirming().reply(Answer.approve()).reply(ACCEPTED).reply(escalate()).reply(record("escalate"))
    assert asked(book).round == 2

    ended(book.reply(Answer.wait()).reply(Resolution.APPROVED).reply(DONE), ApprovalOutcome.APPROVED)


def test_a_question_that_comes_back_after_its_answer_is_not_put_again() -> None:
    """G3."""
    book = confirming().reply(Answer.approve()).reply(ACCEPTED).reply(confirm("nonce-1"))

    assert "repeated a question" in ended(book, ApprovalOutcome.SUPERSEDED).message


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_questions_are_put_than_allowed(most: int) -> None:
    """G6."""
    book = start(max_rounds=most)
    for number in range(most):
        book.reply(confirm(f"n-{number}")).reply(record()).expect_type(Ask).reply(Answer.approve()).reply(ACCEPTED)

    end = ended(book.reply(confirm("n-last")), ApprovalOutcome.TOO_MANY_ROUNDS)

    assert end.rounds == most


def test_asking_again_fetches_a_fresh_question_and_posts_nothing() -> None:
    book = confirming().reply(Answer.ask_again()).expect(Invoke(CALL, retry=True)).reply(confirm("nonce-2"))

    assert asked(book.expect(Lookup("confirm", "nonce-2")).reply(record())).round == 2


@pytest.mark.parametrize(
    "found",
    [
        record(call=EDITED),
        record("escalate"),
        record(scope="take", resource=None),
        record(scope="pay", resource=ToolCall("bank", "take", CALL.payload()).resource),
        NoRecord(LookupFailure.UNKNOWN_PROMPT),
    ],
    ids=["other arguments", "another kind", "another scope", "another tool", "never issued"],
)
def test_a_question_that_belongs_to_something_else_is_never_put(found: PromptRecord | NoRecord) -> None:
    """G13."""
    ended(start().reply(confirm()).reply(found), ApprovalOutcome.SPOOFED)


@pytest.mark.parametrize(
    ("found", "verification", "seconds"),
    [
        (record(), Verification.MATCHED, 60),
        (record(resource=None), Verification.UNBOUND, UNBOUND_TTL_SECONDS),
        (record(resource="invoice/7"), Verification.UNBOUND, UNBOUND_TTL_SECONDS),
        (NoRecord(LookupFailure.UNSUPPORTED), Verification.UNVERIFIABLE, UNBOUND_TTL_SECONDS),
    ],
    ids=["matched", "no arguments bound", "another resource", "no such read"],
)
def test_what_is_known_of_a_question_is_said_and_limits_the_window(
    found: PromptRecord | NoRecord, verification: Verification, seconds: int
) -> None:
    """G13."""
    book = start().reply(confirm()).reply(found)
    assert asked(book).verification is verification

    book.reply(Answer.approve(60)).expect(Settle("nonce-1", Answer.approve(seconds)))


@pytest.mark.parametrize("failure", [LookupFailure.UNREACHABLE, LookupFailure.NO_AUTHORITY])
def test_without_an_authority_to_report_to_nobody_is_asked(failure: LookupFailure) -> None:
    """G10."""
    book = start().reply(confirm()).reply(NoRecord(failure, "words"))

    assert "words" in ended(book, ApprovalOutcome.UNREACHABLE).message


BEFORE_IT_WAS_PUT = {
    "rejected": (ApprovalOutcome.DENIED_BY_PERSON, "'Ada' said no, and said: 'not this week'"),
    "consumed": (ApprovalOutcome.SUPERSEDED, "another call has used the approval"),
    "cancelled": (ApprovalOutcome.SUPERSEDED, "withdrawn at the authority"),
    "expired": (ApprovalOutcome.EXPIRED, "had ended before it could be put"),
    "brand new": (ApprovalOutcome.SUPERSEDED, "answered elsewhere in the meantime ('brand new')"),
}


@pytest.mark.parametrize("kind", ["confirm", "escalate"])
@pytest.mark.parametrize("status", BEFORE_IT_WAS_PUT)
def test_a_question_that_is_not_open_any_more_is_not_put_and_the_call_says_why(status: str, kind: Any) -> None:
    outcome, words = BEFORE_IT_WAS_PUT[status]
    found = record(kind, status=status, resolved_by="Ada", note="not this week")

    book = start().reply(confirm() if kind == "confirm" else escalate()).reply(found)

    assert words in ended(book, outcome).message


def test_an_escalation_that_was_approved_before_it_could_be_put_sends_the_same_bytes_once() -> None:
    """G2, G3, G4: nobody is asked, nothing is posted."""
    book = start().reply(escalate()).reply(record("escalate", status="approved", resolved_by="compliance"))
    book = book.expect(Invoke(CALL, retry=True)).reply(DONE)

    assert ended(book, ApprovalOutcome.APPROVED).result == "the result"
    assert [entry.step for entry in book.records] == ["blocked", "answered", "dispatched", "finished"]
    assert book.records[1].facts == {"elsewhere": "approved"}


def test_an_approval_that_did_not_let_the_call_through_leads_to_a_new_question() -> None:
    """Somebody else's identical call has used it up."""
    book = start().reply(escalate()).reply(record("escalate", status="approved"))
    book = book.expect(Invoke(CALL, retry=True)).reply(escalate("esc-2")).reply(record("escalate"))

    assert asked(book).round == 2
    assert "did not let the call through" in asked(book).note


def test_an_approved_escalation_that_comes_back_is_not_sent_on_again() -> None:
    """G4: the server may say for ever that it waits for what has been approved."""
    book = start().reply(escalate()).reply(record("escalate", status="approved")).reply(escalate())

    assert "repeated a question" in ended(book, ApprovalOutcome.SUPERSEDED).message


@pytest.mark.parametrize("most", [1, 2, 3])
def test_approvals_before_the_question_are_bounded_like_questions(most: int) -> None:
    """G6."""
    book = start(max_rounds=most)
    for number in range(most):
        book = book.reply(escalate(f"esc-{number}")).reply(record("escalate", status="approved"))

    ended(book.reply(escalate("esc-last")), ApprovalOutcome.TOO_MANY_ROUNDS)


@pytest.mark.parametrize(
    ("reply", "found", "outcome"),
    [
        (escalate(), record("escalate", status="approved", resource=None), ApprovalOutcome.SUPERSEDED),
        (escalate(), record("escalate", EDITED, status="approved"), ApprovalOutcome.SPOOFED),
        (escalate(), record("confirm", status="approved"), ApprovalOutcome.SPOOFED),
        (confirm(), record("confirm", status="approved"), ApprovalOutcome.SUPERSEDED),
    ],
    ids=["any arguments", "other arguments", "another kind", "a confirmation"],
)
def test_nothing_else_that_was_approved_before_opens_a_call(
    reply: ToolReply, found: PromptRecord, outcome: ApprovalOutcome
) -> None:
    """G13."""
    ended(start().reply(reply).reply(found), outcome)


@pytest.mark.parametrize("posted", [ACCEPTED, GONE, CONFLICT, NOT_SENT, LOST_POST], ids=list(PostedAs))
def test_an_edit_closes_the_old_question_and_is_a_new_call(posted: Posted) -> None:
    book = confirming().reply(Answer.edit(EDITED.payload())).expect(Settle("nonce-1", Answer.deny("edited")))
    book.reply(posted).expect(Invoke(EDITED, retry=True)).reply(confirm("nonce-2"))
    book.expect(Lookup("confirm", "nonce-2")).reply(record(call=EDITED))
    assert asked(book).call == EDITED

    end = ended(book.reply(Answer.approve()).reply(ACCEPTED).reply(DONE), ApprovalOutcome.APPROVED_EDITED)
    assert end.call == EDITED


def test_an_edited_escalation_is_a_new_call_and_resolves_nothing() -> None:
    book = escalating().reply(Answer.edit(EDITED.payload())).expect(Invoke(EDITED, retry=True)).reply(DONE)

    ended(book, ApprovalOutcome.APPROVED_EDITED)


@pytest.mark.parametrize("arguments", [{"a": float("nan")}, 5, [1], "x"], ids=["NaN", "a number", "a list", "a text"])
def test_an_edit_that_cannot_be_sent_ends_the_call(arguments: Any) -> None:
    ended(confirming().reply(Answer.edit(arguments)), ApprovalOutcome.CANCELLED)
