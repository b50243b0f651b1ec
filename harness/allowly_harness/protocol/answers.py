"""What becomes of a question: it is put, answered, reported where it must be, or awaited (design section 4).

Each of these functions is a part of the conversation. It ends it, or returns `None`: the call is sent again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from typing import Any, Final, Literal, assert_never

from allowly_harness.protocol.effects import (
    AnsweredElsewhere,
    Ask,
    AwaitResolution,
    Decided,
    PostedAs,
    Record,
    Resolution,
    Resolve,
    Settle,
    resolution_of,
)
from allowly_harness.protocol.models import (
    MAX_REASON_CHARACTERS,
    Answer,
    AnswerKind,
    ApprovalOutcome,
    ApprovalRequest,
    ToolCall,
    Verification,
)
from allowly_harness.protocol.sentences import quoted
from allowly_harness.protocol.talk import Steps, Talk
from allowly_harness.protocol.wire import Confirm, Escalate

UNBOUND_TTL_SECONDS: Final = 10
"""How long an approval stays open that is not bound to arguments: enough to send one call."""

NOBODY_HERE: Final = "no terminal, no approver"
"""Why nobody was asked, as the model reads it."""


def identify(decision: Confirm | Escalate) -> tuple[Literal["confirm", "escalate"], str]:
    """Return the kind of a question and its id."""
    if isinstance(decision, Confirm):
        return "confirm", decision.nonce
    return "escalate", decision.escalation_id


def asked(talk: Talk, decision: Confirm | Escalate, request: ApprovalRequest) -> Steps:
    """Put the question to the person here, and go on with what they say."""
    yield from Record("asked", talk.call, _facts_of(request))
    answer = yield from Ask(request)
    if isinstance(answer, AnsweredElsewhere):
        return (yield from answered_elsewhere(talk, decision, answer))
    yield from Record("answered", talk.call, {"answer": answer.kind.value})
    if isinstance(decision, Confirm):
        return (yield from _confirm_answered(talk, decision, request, answer))
    return (yield from _escalation_answered(talk, decision, request, answer))


def _facts_of(request: ApprovalRequest) -> dict[str, Any]:
    """Return what the journal keeps of a question; `to` stands there for escalations alone."""
    facts: dict[str, Any] = {
        "kind": request.kind,
        "round": request.round,
        "verification": request.verification.value,
        "expires_at": request.expires_at.astimezone(UTC).isoformat(timespec="seconds"),
    }
    if request.kind == "escalate":
        facts["to"] = request.escalation_to
    return facts


def answered_elsewhere(talk: Talk, decision: Confirm | Escalate, found: AnsweredElsewhere) -> Steps:
    """Go on with what somebody else has said. Nothing is posted: the authority has the answer."""
    yield from Record("answered", talk.call, {"elsewhere": found.status})
    _, prompt_id = identify(decision)
    talk.answered.add(prompt_id)
    who = quoted(found.by) if found.by else "a person in another session"
    match found.status:
        case "approved":
            talk.approved = True
            talk.note = "The earlier approval, given elsewhere, did not let the call through; this is a new question."
            return None
        case "rejected":
            return (yield from talk.end(ApprovalOutcome.DENIED_BY_PERSON, f"{who} said no{_with_note(found.note)}"))
        case "consumed":
            detail = "the question was approved elsewhere, and another call has used the approval"
            return (yield from talk.end(ApprovalOutcome.SUPERSEDED, detail))
        case "cancelled":
            return (yield from talk.end(ApprovalOutcome.SUPERSEDED, "the question was withdrawn at the authority"))
        case _:
            assert_never(found.status)


def _with_note(note: str | None) -> str:
    return f", and said: {quoted(note, limit=MAX_REASON_CHARACTERS)}" if note else ""


def _confirm_answered(talk: Talk, decision: Confirm, request: ApprovalRequest, answer: Answer) -> Steps:
    match answer.kind:
        case AnswerKind.APPROVE:
            if request.verification is not Verification.MATCHED:
                answer = replace(answer, ttl_seconds=min(answer.ttl_seconds, UNBOUND_TTL_SECONDS))
            return (yield from _post_yes(talk, decision, request, answer))
        case AnswerKind.EDIT:
            return (yield from _edited(talk, answer, decision))
        case AnswerKind.ASK_AGAIN | AnswerKind.EXPIRED | AnswerKind.DEFER | AnswerKind.WAIT | AnswerKind.UNHEARD:
            return (yield from _left_open(talk, answer))
        case _:
            return (yield from _post_no(talk, decision, answer))


def _escalation_answered(talk: Talk, decision: Escalate, request: ApprovalRequest, answer: Answer) -> Steps:
    match answer.kind:
        case AnswerKind.APPROVE if request.may_resolve:
            answer = replace(answer, resolved_by=talk.acting_as)
            return (yield from _post_yes(talk, decision, request, answer))
        case AnswerKind.DENY if request.may_resolve:
            return (yield from _post_no(talk, decision, replace(answer, resolved_by=talk.acting_as)))
        case AnswerKind.WAIT:
            return (yield from _waited(talk, decision, request))
        case AnswerKind.EDIT:
            return (yield from _edited(talk, answer, None))
        case AnswerKind.APPROVE:
            # G11: the requester's yes does not count for the approver's.
            return (yield from _left_open(talk, Answer.defer(), f"only {quoted(request.escalation_to)} may approve it"))
        case AnswerKind.ASK_AGAIN | AnswerKind.EXPIRED | AnswerKind.DEFER | AnswerKind.UNHEARD:
            return (yield from _left_open(talk, answer))
        case _:
            outcome, detail = _no(answer)
            return (yield from talk.end(outcome, detail))


def _post_yes(talk: Talk, decision: Confirm | Escalate, request: ApprovalRequest, answer: Answer) -> Steps:
    _, prompt_id = identify(decision)
    posted = yield from (
        Settle(decision.nonce, answer) if isinstance(decision, Confirm) else Resolve(decision.escalation_id, answer)
    )
    yield from Record("posted", talk.call, {"answer": answer.kind.value, "status": posted.status.value})
    match posted.status:
        case PostedAs.ACCEPTED | PostedAs.LOST:
            # Lost: the approval may count. Only the authority knows, and sending the call asks it (G3).
            talk.answered.add(prompt_id)
            talk.approved = True
            talk.note = "The earlier approval did not let the call through; this is a new question."
            return None
        case PostedAs.GONE:
            talk.answered.add(prompt_id)
            talk.note = "The earlier question was no longer valid when your answer reached the authority."
            return None
        case PostedAs.CONFLICT:
            detail = "somebody else answered the question differently, and was first"
            return (yield from talk.end(ApprovalOutcome.SUPERSEDED, detail))
        case PostedAs.NOT_SENT:
            if posted.hopeless:
                detail = f"the approval was not accepted: {posted.detail}"
                return (yield from talk.end(ApprovalOutcome.UNREACHABLE, detail))
            return (yield from _not_delivered(talk, decision, request, posted.detail))
        case _:
            assert_never(posted.status)


def _not_delivered(talk: Talk, decision: Confirm | Escalate, request: ApprovalRequest, detail: str) -> Steps:
    """Put the same question once more: it is still open, and an answer never carries over (G10)."""
    talk.attempts += 1
    if talk.attempts >= talk.max_rounds:
        return (yield from talk.end(ApprovalOutcome.UNREACHABLE, f"the approval could not be delivered: {detail}"))
    note = f"Your yes was not delivered ({detail}). Nothing was approved; the question is still open."
    return (yield from asked(talk, decision, replace(request, note=note)))


def _post_no(talk: Talk, decision: Confirm | Escalate, answer: Answer) -> Steps:
    # The authority's record must not end in an open question.
    posted = yield from (
        Settle(decision.nonce, answer) if isinstance(decision, Confirm) else Resolve(decision.escalation_id, answer)
    )
    yield from Record("posted", talk.call, {"answer": answer.kind.value, "status": posted.status.value})
    outcome, detail = _no(answer)
    return (yield from talk.end(outcome, detail))


def _no(answer: Answer) -> tuple[ApprovalOutcome, str]:
    match answer.kind:
        case AnswerKind.RESPOND:
            return ApprovalOutcome.RESPONDED, quoted(answer.text, limit=1000)
        case AnswerKind.CANCEL:
            return ApprovalOutcome.CANCELLED, "the question was closed"
        case AnswerKind.UNATTENDED:
            return ApprovalOutcome.UNATTENDED, NOBODY_HERE
        case _:
            said = f", and said: {quoted(answer.reason, limit=1000)}" if answer.reason else ""
            return ApprovalOutcome.DENIED_BY_PERSON, f"the person said no{said}"


def _left_open(talk: Talk, answer: Answer, detail: str = "it was not decided now") -> Steps:
    if answer.kind is AnswerKind.ASK_AGAIN:
        talk.note = "The earlier question ended before it was answered; this is a new one."
        return None
    if answer.kind is AnswerKind.EXPIRED:
        return (yield from talk.end(ApprovalOutcome.EXPIRED, "the time for an answer ended"))
    if answer.kind is AnswerKind.UNHEARD:
        return (yield from talk.end(ApprovalOutcome.UNATTENDED, NOBODY_HERE))
    return (yield from talk.end(ApprovalOutcome.DEFERRED, detail))


def _edited(talk: Talk, answer: Answer, old: Confirm | None) -> Steps:
    """Replace the call. The old question is answered with no, so that it cannot be used any more."""
    try:
        call = ToolCall(talk.call.server, talk.call.tool, {} if answer.arguments is None else answer.arguments)
    except ValueError as error:
        return (yield from talk.end(ApprovalOutcome.CANCELLED, f"the edited arguments cannot be sent: {error}"))
    if old is not None:
        posted = yield from Settle(old.nonce, Answer.deny("edited"))
        yield from Record("posted", talk.call, {"answer": "deny", "status": posted.status.value})
        talk.answered.add(old.nonce)
    talk.call, talk.approved = call, False
    talk.note = "The arguments were edited; this is the question for the new ones."
    return None


def _waited(talk: Talk, decision: Escalate, request: ApprovalRequest) -> Steps:
    said = yield from AwaitResolution(decision.escalation_id, request.expires_at, request)
    resolution = resolution_of(said)
    yield from Record("answered", talk.call, {"resolution": resolution.value})
    target = quoted(request.escalation_to) if request.escalation_to else "the approver"
    match resolution:
        case Resolution.APPROVED:
            talk.answered.add(decision.escalation_id)
            talk.approved = True
            talk.note = "The escalation was approved, but did not let the call through; this is a new question."
            return None
        case Resolution.REJECTED:
            who, note = (said.by, said.note) if isinstance(said, Decided) else (None, None)
            detail = f"{quoted(who) if who else target} rejected it{_with_note(note)}"
            return (yield from talk.end(ApprovalOutcome.DENIED_BY_PERSON, detail))
        case Resolution.EXPIRED:
            return (yield from talk.end(ApprovalOutcome.EXPIRED, f"{target} did not decide in time"))
        case Resolution.GIVEN_UP:
            return (yield from talk.end(ApprovalOutcome.CANCELLED, f"the person stopped waiting for {target}"))
        case Resolution.LEFT_OPEN:
            return (yield from talk.end(ApprovalOutcome.DEFERRED, f"waiting for {target}"))
        case Resolution.CANNOT_TELL:
            detail = f"the authority does not say whether {target} has decided"
            return (yield from talk.end(ApprovalOutcome.DEFERRED, detail))
        case _:
            assert_never(resolution)
