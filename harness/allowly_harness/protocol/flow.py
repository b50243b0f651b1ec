"""The conversation about one tool call: invoke, ask, report, invoke again (design section 4).

`approval_flow` is a generator. It yields what it wants done and is sent what came of it; it touches
no clock, no socket and no screen. `allowly_harness.driver` is the only thing that runs it.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias, assert_never

from allowly_harness.protocol.effects import (
    AnsweredElsewhere,
    Ask,
    AwaitResolution,
    Effect,
    Invoke,
    Lookup,
    NoReply,
    PostedAs,
    Record,
    Resolution,
    Resolve,
    Settle,
)
from allowly_harness.protocol.models import (
    Answer,
    AnswerKind,
    ApprovalOutcome,
    ApprovalRequest,
    ServerInfo,
    ToolCall,
    Verification,
)
from allowly_harness.protocol.question import make_question
from allowly_harness.protocol.sentences import quoted, sentence_for
from allowly_harness.protocol.wire import Confirm, Decision, Deny, Escalate, read_decision

DEFAULT_MAX_ROUNDS: Final = 3
"""How many questions one call may raise. Confirm, then escalate, and one that expired."""

UNBOUND_TTL_SECONDS: Final = 10
"""How long an approval stays open that is not bound to arguments: enough to send one call."""

NOBODY_HERE: Final = "no terminal, no approver"
"""Why nobody was asked, as the model reads it."""

SHORTEST_SECRET_CHARACTERS: Final = 6
"""Shorter ids are not struck out of foreign words: anybody can guess them, and few words would be left."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended.

    Attributes:
        call: The call as it was sent last; differs from the first one after an edit.
        rounds: How many questions were put.
        result: The server's result, where there is one to hand on.
        message: A sentence for the model, where there is none.
    """

    outcome: ApprovalOutcome
    call: ToolCall
    rounds: int
    result: Any = None
    message: str = ""


Steps: TypeAlias = Generator[Effect[Any], Any, "Ended | None"]
"""Part of the conversation; `None` means: send the call again."""

ApprovalFlow: TypeAlias = Generator[Effect[Any], Any, Ended]


@dataclass(slots=True)
class _Talk:
    """What one conversation remembers between rounds."""

    call: ToolCall
    original: ToolCall
    server: ServerInfo
    acting_as: str | None
    requester: str
    max_rounds: int
    rounds: int = 0
    attempts: int = 0
    approved: bool = False
    note: str = ""
    answered: set[str] = field(default_factory=set[str])
    ids: set[str] = field(default_factory=set[str], repr=False)

    @property
    def edited(self) -> bool:
        """Whether a person has changed what the agent asked for."""
        return self.call != self.original

    def without_ids(self, text: str) -> str:
        """Strike out every id of this conversation: a server may repeat them in its own words (G7)."""
        for prompt_id in sorted(self.ids, key=len, reverse=True):
            if len(prompt_id) >= SHORTEST_SECRET_CHARACTERS:
                text = text.replace(prompt_id, "…")
        return text

    def end(self, outcome: ApprovalOutcome, detail: str) -> Steps:
        """Write down how it ended, then end it."""
        detail = self.without_ids(detail)
        yield from Record("finished", self.call, {"outcome": outcome.value, "rounds": self.rounds})
        return Ended(outcome, self.call, self.rounds, message=sentence_for(outcome, detail))

    def ran(self, result: Any) -> ApprovalFlow:
        """End with the server's result."""
        outcome = ApprovalOutcome.ALLOWED
        if self.edited:
            outcome = ApprovalOutcome.APPROVED_EDITED
        elif self.approved:
            outcome = ApprovalOutcome.APPROVED
        if self.rounds:
            yield from Record("finished", self.call, {"outcome": outcome.value, "rounds": self.rounds})
        return Ended(outcome, self.call, self.rounds, result=result)


def approval_flow(
    call: ToolCall,
    *,
    server: ServerInfo,
    acting_as: str | None = None,
    requester: str = "",
    max_rounds: int = DEFAULT_MAX_ROUNDS,
    accept_bare: bool = False,
) -> ApprovalFlow:
    """Hold the conversation about `call`.

    Args:
        call: The call, frozen.
        server: Where it goes, in our words.
        acting_as: The approver that this session was opened as; `None` for a requester.
        requester: Who makes the call, in our words; empty if not said.
        max_rounds: The most questions that may be put, 1 or more.
        accept_bare: See `read_decision`.

    Returns:
        How it ended. A call that was never blocked ends with its result, untouched, after one effect.
    """
    talk = _Talk(call, call, server, acting_as, requester, max_rounds)
    reply = yield from Invoke(call)
    while True:
        if isinstance(reply, NoReply):
            return _ended((yield from talk.end(ApprovalOutcome.UNKNOWN, reply.detail)))
        decision = read_decision(reply, call.tool, accept_bare=accept_bare)
        if decision is None:
            return (yield from talk.ran(reply.result))
        ended = yield from _blocked(talk, decision)
        if ended is not None:
            return ended
        yield from Record("dispatched", talk.call, {"round": talk.rounds})
        reply = yield from Invoke(talk.call, retry=True)


def _ended(ended: Ended | None) -> Ended:
    assert ended is not None  # noqa: S101 - `end` always ends
    return ended


def _blocked(talk: _Talk, decision: Decision) -> Steps:
    if isinstance(decision, Deny):
        reason = talk.without_ids(decision.reason)
        yield from Record("blocked", talk.call, {"decision": "deny", "reason": reason})
        if decision.unavailable:
            detail = f"the server could not reach its authorization service ({quoted(decision.reason)})"
            return (yield from talk.end(ApprovalOutcome.UNREACHABLE, detail))
        return (yield from talk.end(ApprovalOutcome.DENIED_BY_POLICY, quoted(decision.reason)))
    kind, prompt_id = _identify(decision)
    talk.ids.add(prompt_id)
    yield from Record("blocked", talk.call, {"decision": kind, "reason": talk.without_ids(decision.reason)})
    if prompt_id in talk.answered:
        detail = "the server repeated a question that was already answered, so the answer cannot take effect"
        return (yield from talk.end(ApprovalOutcome.SUPERSEDED, detail))
    if talk.rounds >= talk.max_rounds:
        return (yield from talk.end(ApprovalOutcome.TOO_MANY_ROUNDS, f"{talk.rounds} questions"))
    talk.rounds += 1
    record = yield from Lookup(kind, prompt_id)
    request = make_question(
        decision,
        record,
        call=talk.call,
        server=talk.server,
        acting_as=talk.acting_as,
        round_=talk.rounds,
        note=talk.note,
        requester=talk.requester,
        edited_from=talk.original if talk.edited else None,
    )
    if isinstance(request, ApprovalRequest):
        return (yield from _asked(talk, decision, request))
    outcome, detail = request
    return (yield from talk.end(outcome, detail))


def _identify(decision: Confirm | Escalate) -> tuple[Any, str]:
    if isinstance(decision, Confirm):
        return "confirm", decision.nonce
    return "escalate", decision.escalation_id


def _asked(talk: _Talk, decision: Confirm | Escalate, request: ApprovalRequest) -> Steps:
    yield from Record(
        "asked",
        talk.call,
        {"kind": request.kind, "round": request.round, "verification": request.verification.value},
    )
    answer = yield from Ask(request)
    if isinstance(answer, AnsweredElsewhere):
        return (yield from _answered_elsewhere(talk, decision, answer))
    yield from Record("answered", talk.call, {"answer": answer.kind.value})
    if isinstance(decision, Confirm):
        return (yield from _confirm_answered(talk, decision, request, answer))
    return (yield from _escalation_answered(talk, decision, request, answer))


def _answered_elsewhere(talk: _Talk, decision: Confirm | Escalate, found: AnsweredElsewhere) -> Steps:
    """Go on with what somebody else has said. Nothing is posted: the authority has the answer."""
    yield from Record("answered", talk.call, {"elsewhere": found.status})
    _, prompt_id = _identify(decision)
    talk.answered.add(prompt_id)
    who = quoted(found.by) if found.by else "a person in another session"
    match found.status:
        case "approved":
            talk.approved = True
            talk.note = "The earlier approval, given elsewhere, did not let the call through; this is a new question."
            return None
        case "rejected":
            return (yield from talk.end(ApprovalOutcome.DENIED_BY_PERSON, f"{who} said no"))
        case "consumed":
            detail = "the question was approved elsewhere, and another call has used the approval"
            return (yield from talk.end(ApprovalOutcome.SUPERSEDED, detail))
        case "cancelled":
            return (yield from talk.end(ApprovalOutcome.SUPERSEDED, "the question was withdrawn at the authority"))
        case _:
            assert_never(found.status)


def _confirm_answered(talk: _Talk, decision: Confirm, request: ApprovalRequest, answer: Answer) -> Steps:
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


def _escalation_answered(talk: _Talk, decision: Escalate, request: ApprovalRequest, answer: Answer) -> Steps:
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


def _post_yes(talk: _Talk, decision: Confirm | Escalate, request: ApprovalRequest, answer: Answer) -> Steps:
    _, prompt_id = _identify(decision)
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
            return (yield from _not_delivered(talk, decision, request, posted.detail))
        case _:
            assert_never(posted.status)


def _not_delivered(talk: _Talk, decision: Confirm | Escalate, request: ApprovalRequest, detail: str) -> Steps:
    """Put the same question once more: it is still open, and an answer never carries over (G10)."""
    talk.attempts += 1
    if talk.attempts >= talk.max_rounds:
        return (yield from talk.end(ApprovalOutcome.UNREACHABLE, f"the approval could not be delivered: {detail}"))
    note = f"Your yes was not delivered ({detail}). Nothing was approved; the question is still open."
    return (yield from _asked(talk, decision, replace(request, note=note)))


def _post_no(talk: _Talk, decision: Confirm | Escalate, answer: Answer) -> Steps:
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


def _left_open(talk: _Talk, answer: Answer, detail: str = "it was not decided now") -> Steps:
    if answer.kind is AnswerKind.ASK_AGAIN:
        talk.note = "The earlier question ended before it was answered; this is a new one."
        return None
    if answer.kind is AnswerKind.EXPIRED:
        return (yield from talk.end(ApprovalOutcome.EXPIRED, "the time for an answer ended"))
    if answer.kind is AnswerKind.UNHEARD:
        return (yield from talk.end(ApprovalOutcome.UNATTENDED, NOBODY_HERE))
    return (yield from talk.end(ApprovalOutcome.DEFERRED, detail))


def _edited(talk: _Talk, answer: Answer, old: Confirm | None) -> Steps:
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


def _waited(talk: _Talk, decision: Escalate, request: ApprovalRequest) -> Steps:
    resolution = yield from AwaitResolution(decision.escalation_id, request.expires_at, request)
    yield from Record("answered", talk.call, {"resolution": resolution.value})
    target = quoted(request.escalation_to) if request.escalation_to else "the approver"
    match resolution:
        case Resolution.APPROVED:
            talk.answered.add(decision.escalation_id)
            talk.approved = True
            talk.note = "The escalation was approved, but did not let the call through; this is a new question."
            return None
        case Resolution.REJECTED:
            return (yield from talk.end(ApprovalOutcome.DENIED_BY_PERSON, f"{target} rejected it"))
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
