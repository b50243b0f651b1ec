"""The conversation about one tool call: invoke, ask, report, invoke again (design section 4).

`approval_flow` is a generator. It yields what it wants done and is sent what came of it; it touches
no clock, no socket and no screen. `allowly_harness.driver` is the only thing that runs it.
"""

from __future__ import annotations

from typing import Final

from allowly_harness.protocol.answers import UNBOUND_TTL_SECONDS, answered_elsewhere, asked, identify
from allowly_harness.protocol.effects import AnsweredElsewhere, Invoke, Lookup, NoReply, Record
from allowly_harness.protocol.models import ApprovalOutcome, ApprovalRequest, ServerInfo, ToolCall
from allowly_harness.protocol.question import make_question
from allowly_harness.protocol.sentences import quoted
from allowly_harness.protocol.talk import ApprovalFlow, Ended, Steps, Talk
from allowly_harness.protocol.wire import Decision, Deny, read_decision

__all__ = ["DEFAULT_MAX_ROUNDS", "UNBOUND_TTL_SECONDS", "ApprovalFlow", "Ended", "approval_flow"]

DEFAULT_MAX_ROUNDS: Final = 3
"""How many questions one call may raise. Confirm, then escalate, and one that expired."""


def approval_flow(
    call: ToolCall,
    *,
    server: ServerInfo,
    acting_as: str | None = None,
    requester: str = "",
    max_rounds: int = DEFAULT_MAX_ROUNDS,
    accept_bare: bool = False,
    original: ToolCall | None = None,
) -> ApprovalFlow:
    """Hold the conversation about `call`.

    Args:
        call: The call, frozen.
        server: Where it goes, in our words.
        acting_as: The approver that this session was opened as; `None` for a requester.
        requester: Who makes the call, in our words; empty if not said.
        max_rounds: The most questions that may be put, 1 or more.
        accept_bare: See `read_decision`.
        original: The call as the agent made it, where a person has changed it before.

    Returns:
        How it ended. A call that was never blocked ends with its result, untouched, after one effect.
    """
    talk = Talk(call, original or call, server, acting_as, requester, max_rounds)
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


def _blocked(talk: Talk, decision: Decision) -> Steps:
    if isinstance(decision, Deny):
        reason = talk.without_ids(decision.reason)
        yield from Record("blocked", talk.call, {"decision": "deny", "reason": reason})
        if decision.unavailable:
            detail = f"the server could not reach its authorization service ({quoted(decision.reason)})"
            return (yield from talk.end(ApprovalOutcome.UNREACHABLE, detail))
        return (yield from talk.end(ApprovalOutcome.DENIED_BY_POLICY, quoted(decision.reason)))
    kind, prompt_id = identify(decision)
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
        return (yield from asked(talk, decision, request))
    if isinstance(request, AnsweredElsewhere):
        return (yield from answered_elsewhere(talk, decision, request))
    outcome, detail = request
    return (yield from talk.end(outcome, detail))
