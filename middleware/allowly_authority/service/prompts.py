"""Answers to questions, and reads of how they stand."""

from __future__ import annotations

from typing import Any, Literal

from allowly_authority.engine import Escalated, Operation, Principal, Prompt, Vote, may, resolver_of
from allowly_authority.identifiers import new_id
from allowly_authority.service.behind import asked_about
from allowly_authority.service.idempotency import Repeatable
from allowly_authority.service.nonces import nonce_hash
from allowly_authority.service.problems import conflict, escalation_gone, gone, not_found, refused
from allowly_authority.service.receipts import Subject, pending_receipt, record
from allowly_authority.store import records
from allowly_authority.store.port import Connection
from allowly_authority.wire.requests import LookupRequest, ResolveRequest, SettleRequest
from allowly_authority.wire.scalars import format_timestamp


def settle(
    connection: Connection,
    nonce: str,
    request: SettleRequest,
    sender: Principal,
    *,
    idempotency_key: str | None,
    base_url: str,
    now_ms: int,
) -> dict[str, Any]:
    """Record what the user said, once.

    Raises:
        ApiProblem: 410, the nonce cannot be used, for whatever reason.
    """
    hashed = nonce_hash(nonce)
    identity = hashed + request.model_dump_json().encode()
    repeatable = Repeatable("confirmations", idempotency_key, identity)
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        return earlier
    receipt_id = new_id("rcp")
    prompt = records.settle_confirmation(
        connection,
        hashed,
        approved=request.approved,
        # The workspace key tells nobody apart, so that nobody is named.
        resolved_by=None if "workspace" in sender.roles else sender.principal_id,
        grant_expires_ms=now_ms + request.window_seconds * 1000,
        receipt_id=receipt_id,
        now_ms=now_ms,
    )
    if prompt is None:
        raise gone()
    word = "approved" if request.approved else "rejected"
    _record(connection, prompt, receipt_id, word, sender=sender, now_ms=now_ms)
    # Prompts raised by a request in the older dialect are refused in its own word.
    refusal = "denied_by_user" if prompt.dialect == "scopes" else "not_approved"
    reply = {
        "decision": "approved" if request.approved else refusal,
        "authorization_id": prompt.grant_id,
        "expires_at": _time(prompt.grant_expires_ms),
        "receipt": pending_receipt(receipt_id, now_ms, base_url),
    }
    repeatable.keep(connection, reply, now_ms)
    return reply


def resolve(
    connection: Connection,
    escalation_id: str,
    request: ResolveRequest,
    sender: Principal,
    *,
    base_url: str,
    now_ms: int,
) -> dict[str, Any]:
    """Record what the approver decided, once; the same again is answered without a receipt.

    Where several people must approve, each approval is recorded; the last one lets the call through.

    Raises:
        ApiProblem: 403 it is for somebody else, or approved by who asked; 404 unknown, 409 resolved
            differently, 410 expired or cancelled, 422 resolved in the name of somebody else.
    """
    earlier = records.find_prompt(connection, escalation_id)
    if earlier is None or earlier.kind != "escalate":
        raise not_found()
    requesters = _requesters(connection, earlier)
    escalated = Escalated(earlier.escalation_to, requesters, request.resolution, request.resolved_by)
    refusal = may(sender, Operation.RESOLVE, escalated)
    if refusal is not None:
        raise refused(refusal)
    vote = Vote(sender.principal_id, resolver_of(sender, request.resolved_by), now_ms, request.note)
    # Behind the lock of `_requesters`, so that no other approval comes in between.
    present = earlier if earlier.quorum == 1 else records.find_prompt(connection, escalation_id) or earlier
    if request.resolution == "approved" and any(vote.is_of_the_same(other) for other in present.votes):
        return _resolved_before(connection, escalation_id, request, now_ms, voted=True)
    # Whoever has asked since does not count any more.
    others = tuple(other for other in present.votes if not other.is_among(requesters))
    receipt_id = new_id("rcp")
    prompt = records.resolve_escalation(
        connection,
        escalation_id,
        state=_state_after(len(others), present.quorum, request),
        resolved_by=vote.name,
        note=request.note,
        receipt_id=receipt_id,
        now_ms=now_ms,
        before=present.votes,
        votes=(*others, vote) if request.resolution == "approved" and present.quorum > 1 else present.votes,
    )
    if prompt is not None:
        _record(connection, prompt, receipt_id, request.resolution, by=vote, sender=sender, now_ms=now_ms)
        return _resolution(prompt, pending_receipt(receipt_id, now_ms, base_url), now_ms)
    return _resolved_before(connection, escalation_id, request, now_ms)


def _state_after(approvals: int, quorum: int, request: ResolveRequest) -> Literal["approved", "rejected", "pending"]:
    """Return how an escalation stands after an answer: one no ends it, every yes but the last leaves it open."""
    if request.resolution == "rejected":
        return "rejected"
    return "approved" if approvals + 1 >= quorum else "pending"


def _resolved_before(
    connection: Connection, escalation_id: str, request: ResolveRequest, now_ms: int, *, voted: bool = False
) -> dict[str, Any]:
    # Read again: it may have been open a moment ago, and somebody else won.
    prompt = records.find_prompt(connection, escalation_id)
    if voted and prompt is not None and prompt.state_at(now_ms) == "pending":
        return _resolution(prompt, None, now_ms)
    if prompt is None or prompt.resolved_ms is None:
        raise escalation_gone()
    if _choice(prompt, now_ms) != request.resolution:
        raise conflict("The escalation was resolved differently.")
    return _resolution(prompt, None, now_ms)


def _requesters(connection: Connection, prompt: Prompt) -> frozenset[str]:
    """Return everybody who asked: a later check that meets an open escalation is answered by it, too.

    The authorization is held, so that no such check comes in between.
    """
    authorization, _ = records.find_authorization(connection, prompt.authorization_id, lock=True)
    named = () if authorization is None else (authorization.user_id, authorization.agent_id)
    first = () if prompt.requested_by is None else (prompt.requested_by,)
    return records.find_askers(connection, prompt.prompt_id).union(named, first)


def _resolution(prompt: Prompt, receipt: dict[str, Any] | None, now_ms: int) -> dict[str, Any]:
    return {
        "escalation_id": prompt.prompt_id,
        "status": _choice(prompt, prompt.resolved_ms or now_ms),
        "resolved_by": prompt.resolved_by,
        "resolved_at": _time(prompt.resolved_ms),
        "approvals": prompt.approvals,
        "approvals_needed": prompt.quorum,
        "receipt": receipt,
    }


def read_status(connection: Connection, prompt_id: str, kind: str, now_ms: int) -> dict[str, Any]:
    """Return how a question stands; reads only.

    Raises:
        ApiProblem: 404, there is no such question of this kind.
    """
    prompt = records.find_prompt(connection, prompt_id)
    if prompt is None or prompt.kind != kind:
        raise not_found()
    status = _choice(prompt, now_ms)
    answered = status in {"approved", "rejected"}
    body: dict[str, Any] = {
        "authorization_id": prompt.authorization_id,
        "action": prompt.scope,
        "resource": prompt.resource,
        "status": status,
        "expires_at": format_timestamp(prompt.expires_ms),
        "resolved_at": _time(prompt.resolved_ms) if answered else None,
        "source_receipt_id": prompt.source_receipt_id,
        "resolution_receipt_id": prompt.resolution_receipt_id,
        "authority_status": _authority(prompt, now_ms),
    }
    if kind == "escalate":
        return {
            "escalation_id": prompt_id,
            **body,
            "consumed_at": _time(prompt.consumed_ms),
            "resolved_by": prompt.resolved_by,
            "note": prompt.note,
            "approvals": prompt.approvals,
            "approvals_needed": prompt.quorum,
        }
    return {
        "confirmation_id": prompt_id,
        **body,
        "child_authorization_id": prompt.grant_id,
        "authority_expires_at": _time(prompt.grant_expires_ms),
    }


def look_up(connection: Connection, request: LookupRequest, now_ms: int) -> dict[str, Any]:
    """Return what a question is really about, to whoever holds its nonce or id and the key.

    Raises:
        ApiProblem: 404 with the code `prompt_not_found`: this authority never issued it.
    """
    prompt = asked_about(connection, request)
    revoked = prompt.revoked_ms is not None and prompt.state == "approved"
    return {
        "kind": prompt.kind,
        "authorization_id": prompt.authorization_id,
        "scope": prompt.scope,
        "resource": prompt.resource,
        "status": "cancelled" if revoked else prompt.state_at(now_ms),
        "expires_at": format_timestamp(prompt.expires_ms),
        "escalation_to": prompt.escalation_to,
        "resolved_by": prompt.resolved_by,
        "note": prompt.note,
        "approvals": prompt.approvals,
        "approvals_needed": prompt.quorum,
        "now": format_timestamp(now_ms),
    }


def _choice(prompt: Prompt, now_ms: int) -> str:
    """What was chosen, in the words of the status reads, which know no cancellation."""
    state = prompt.state_at(now_ms)
    if prompt.resolved_ms is not None:
        return "rejected" if state == "rejected" or prompt.grant_expires_ms is None else "approved"
    return "pending" if state == "pending" else "expired"


def _authority(prompt: Prompt, now_ms: int) -> str:
    """Whether an approval can still be used. Confirmations have no word for one that was used up."""
    if prompt.grant_expires_ms is None:
        return "none"
    if prompt.state == "consumed":
        return "consumed" if prompt.kind == "escalate" else "expired"
    if prompt.revoked_ms is not None:
        return "revoked"
    return "available" if prompt.is_usable_at(now_ms) else "expired"


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else format_timestamp(milliseconds)


def _record(
    connection: Connection,
    prompt: Prompt,
    receipt_id: str,
    word: str,
    *,
    sender: Principal,
    now_ms: int,
    by: Vote | None = None,
) -> None:
    subject = "confirmation" if prompt.kind == "confirm" else "escalation"
    authorization, _ = records.find_authorization(connection, prompt.authorization_id)
    told = {
        f"{subject}_id": prompt.prompt_id,
        "action": prompt.scope,
        "status": word if prompt.state != "pending" else "pending",
        "approvals": prompt.approvals if prompt.quorum > 1 else None,
        "approvals_needed": prompt.quorum if prompt.quorum > 1 else None,
        "escalation_to": prompt.escalation_to,
        "resolved_by": prompt.resolved_by if by is None else by.name,
        "note": None if by is None else by.note,
        "grant_id": prompt.grant_id,
        "grant_expires_at": _time(prompt.grant_expires_ms),
    }
    record(
        connection,
        Subject(authorization, prompt.authorization_id, prompt.dialect),
        receipt_id=receipt_id,
        event=f"{subject}.resolve",
        decision=f"{subject}_{word}",
        context={subject: {name: value for name, value in told.items() if value is not None}},
        scope=prompt.scope,
        resource=prompt.resource,
        prompt_id=prompt.prompt_id,
        principal_id=sender.principal_id,
        now_ms=now_ms,
    )
