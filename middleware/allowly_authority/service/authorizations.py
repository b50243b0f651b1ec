"""Creating and revoking authorizations. They never change: a change is a revocation and a new one."""

from __future__ import annotations

from typing import Any

from allowly_authority.engine import Authorization, Grant, RuleFault, replacement_refusal
from allowly_authority.identifiers import new_id
from allowly_authority.service.idempotency import Repeatable
from allowly_authority.service.policies import grant_of_policy
from allowly_authority.service.problems import conflict, invalid, not_found
from allowly_authority.service.receipts import pending_receipt
from allowly_authority.store import records, spending
from allowly_authority.store.port import Connection
from allowly_authority.wire.creation import CreateFromPolicy, CreateInline, Creation
from allowly_authority.wire.granted import granted
from allowly_authority.wire.requests import RevokeRequest
from allowly_authority.wire.scalars import format_timestamp


def create(
    connection: Connection,
    request: Creation,
    *,
    idempotency_key: str | None,
    base_url: str,
    now_ms: int,
) -> dict[str, Any]:
    """Record a new authorization, perhaps in the place of another one, and describe it.

    Raises:
        ApiProblem: 422, what it names is not there, or it would be expired from the start; 404 or 409, what it
            replaces is not there, or is revoked already.
    """
    repeatable = Repeatable("authorizations", idempotency_key, request.model_dump_json().encode())
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        return earlier
    try:
        wanted = _wanted(connection, request, now_ms)
        authorization = wanted.authorization(new_id("auth"), now_ms)
    except RuleFault as fault:
        raise invalid((".".join(["body", *map(str, fault.path)]), fault.message)) from None
    ended = None if request.replaces is None else _replace(connection, request.replaces, wanted, authorization, now_ms)
    records.insert_authorization(connection, authorization, request.metadata or {})
    if authorization.budget_limit_micros is not None:
        spending.open_budget(connection, authorization.authorization_id)
    receipt_id = _record(connection, authorization.authorization_id, "create", "granted", now_ms)
    reply = granted(
        authorization,
        pending_receipt(receipt_id, now_ms, base_url),
        closed=isinstance(request, CreateFromPolicy) and request.policy_version is not None,
        replaced=request.replaces,
        revocation_receipt=None if ended is None else pending_receipt(ended, now_ms, base_url),
    )
    repeatable.keep(connection, reply, now_ms)
    return reply


def _wanted(connection: Connection, request: Creation, now_ms: int) -> Grant:
    if isinstance(request, CreateInline):
        return request.grant()
    if isinstance(request, CreateFromPolicy):
        return grant_of_policy(connection, request, now_ms)
    # Refused rather than ignored: what the bundle forbids would be allowed.
    raise RuleFault(("bundle_id",), "is not known to this authority")


def _replace(connection: Connection, old_id: str, wanted: Grant, successor: Authorization, now_ms: int) -> str:
    """End the authorization whose place is taken, and return the receipt of that."""
    old, _ = records.find_authorization(connection, old_id, lock=True)
    refused = replacement_refusal(old, wanted)
    if refused == "not_found":
        raise not_found()
    if refused == "subject":
        raise invalid(("body.replaces", "must be an authorization of the same user and agent"))
    ended = refused is None and records.revoke_authorization(
        connection, old_id, successor=successor.authorization_id, now_ms=now_ms
    )
    if not ended:
        raise conflict("The authorization to be replaced is already revoked.")
    records.cancel_prompts(connection, old_id, now_ms)
    return _record(connection, old_id, "revoke", "revoked", now_ms)


def revoke(
    connection: Connection,
    authorization_id: str,
    request: RevokeRequest,
    *,
    idempotency_key: str | None,
    base_url: str,
    now_ms: int,
) -> dict[str, Any]:
    """End an authorization with all its open questions and unused approvals.

    Raises:
        ApiProblem: 404 unknown, 409 revoked before.
    """
    identity = authorization_id.encode() + request.model_dump_json().encode()
    repeatable = Repeatable("revocations", idempotency_key, identity)
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        return earlier
    ended = records.revoke_authorization(
        connection, authorization_id, revoked_by=request.revoked_by, notes=request.notes, now_ms=now_ms
    )
    if not ended:
        known, _ = records.find_authorization(connection, authorization_id)
        raise not_found() if known is None else conflict("The authorization is already revoked.")
    grants = records.cancel_prompts(connection, authorization_id, now_ms)
    receipt_id = _record(connection, authorization_id, "revoke", "revoked", now_ms)
    reply = {
        "authorization_id": authorization_id,
        "revoked_at": format_timestamp(now_ms),
        "revoked_confirmations": grants,
        "receipt": pending_receipt(receipt_id, now_ms, base_url),
    }
    repeatable.keep(connection, reply, now_ms)
    return reply


def _record(connection: Connection, authorization_id: str, event: str, word: str, now_ms: int) -> str:
    receipt_id = new_id("rcp")
    records.insert_receipt(
        connection,
        receipt_id=receipt_id,
        event=f"authorization.{event}",
        decision=f"authorization_{word}",
        authorization_id=authorization_id,
        now_ms=now_ms,
    )
    return receipt_id
