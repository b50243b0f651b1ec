"""The question that a person is asked, or the reason why nobody is: proof, not trust (design 4.7, G13).

A payload in a tool's result says where to look. What is asked about is what the authority's own
record and our own copy of the call agree on.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from allowly_authority.binding import is_bound_resource
from allowly_harness.protocol.effects import AnsweredElsewhere, LookupFailure, NoRecord
from allowly_harness.protocol.models import (
    ApprovalOutcome,
    ApprovalRequest,
    PromptRecord,
    ServerInfo,
    ToolCall,
    ToolInfo,
    Verification,
)
from allowly_harness.protocol.sentences import quoted
from allowly_harness.protocol.wire import Confirm, Escalate

Refusal: TypeAlias = tuple[ApprovalOutcome, str]
"""How the call ends without anybody being asked, and a few words why."""


def make_question(
    decision: Confirm | Escalate,
    record: PromptRecord | NoRecord,
    *,
    call: ToolCall,
    server: ServerInfo,
    acting_as: str | None,
    round_: int,
    note: str,
    requester: str = "",
    edited_from: ToolCall | None = None,
) -> ApprovalRequest | AnsweredElsewhere | Refusal:
    """Make the question, from our own call and the authority's record; or say why nobody is asked.

    Where the record says that somebody has answered before the question could be put, that answer is returned.

    Args:
        decision: What the server answered. Only its id is used where the authority has a record.
        record: The authority's record, or why there is none.
        call: The call that we hold.
        server: Where it goes, in our words.
        acting_as: The approver that this session was opened as.
        round_: 1 for the first question of the call.
        note: Why the question comes again, in our words.
        requester: Who makes the call, in our words.
        edited_from: The call as the agent made it, if a person has changed it.
    """
    if isinstance(record, NoRecord):
        refusal = _unusable(record)
        if refusal is not None:
            return refusal
        verification, scope = Verification.UNVERIFIABLE, None
        expires_at, target = decision.expires_at, getattr(decision, "escalation_to", None)
    else:
        found = compare(record, decision, call)
        if found is None:
            return ApprovalOutcome.SPOOFED, "the authority's record names another call"
        if record.status != "pending":
            return _not_pending(record, found)
        verification, scope, expires_at, target = found, record.scope, record.expires_at, record.escalation_to
    return ApprovalRequest(
        kind="confirm" if isinstance(decision, Confirm) else "escalate",
        call=call,
        reason=decision.reason,
        expires_at=expires_at,
        server=server,
        tool=ToolInfo(call.tool),
        prompt_hint=decision.prompt_hint if isinstance(decision, Confirm) else None,
        escalation_to=target if isinstance(decision, Escalate) else None,
        round=round_,
        verification=verification,
        may_resolve=isinstance(decision, Escalate) and bool(acting_as) and acting_as == target,
        scope=scope,
        note=note,
        requester=requester,
        authorization_id=None if isinstance(record, NoRecord) else record.authorization_id,
        edited_from=edited_from,
    )


def _unusable(record: NoRecord) -> Refusal | None:
    match record.failure:
        case LookupFailure.UNSUPPORTED:
            return None
        case LookupFailure.UNKNOWN_PROMPT:
            return ApprovalOutcome.SPOOFED, "the authority never issued this question"
        case LookupFailure.UNREACHABLE | LookupFailure.NO_AUTHORITY:
            return ApprovalOutcome.UNREACHABLE, record.detail
        case _:
            assert_never(record.failure)


def _not_pending(record: PromptRecord, verification: Verification) -> AnsweredElsewhere | Refusal:
    match record.status:
        case "expired":
            return ApprovalOutcome.EXPIRED, "the question had ended before it could be put"
        case "rejected" | "consumed" | "cancelled":
            return AnsweredElsewhere(record.status, record.resolved_by, record.note)
        # A confirmation is put to whoever is here; one that has its yes already was another call's. And what is
        # not bound to arguments may have been approved with others in mind.
        case "approved" if record.kind == "escalate" and verification is Verification.MATCHED:
            return AnsweredElsewhere("approved", record.resolved_by, record.note)
        case status:
            detail = f"the question was answered elsewhere in the meantime ({quoted(status)})"
            return ApprovalOutcome.SUPERSEDED, detail


def compare(record: PromptRecord, decision: Confirm | Escalate, call: ToolCall) -> Verification | None:
    """Compare the authority's record of a question with the call that we hold (design 4.7).

    Returns:
        How much they agree on, or `None` where the record belongs to something else.
    """
    if record.kind != ("confirm" if isinstance(decision, Confirm) else "escalate"):
        return None
    if is_bound_resource(record.resource):
        return Verification.MATCHED if record.resource == call.resource else None
    return Verification.UNBOUND if record.scope == call.tool else None
