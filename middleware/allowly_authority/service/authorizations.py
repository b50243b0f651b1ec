"""Creating and revoking authorizations. They never change: a change is a revocation and a new one."""

from __future__ import annotations

from typing import Any

from allowly_authority.engine import Authorization
from allowly_authority.identifiers import new_id
from allowly_authority.service.idempotency import Repeatable
from allowly_authority.service.problems import conflict, invalid, not_found
from allowly_authority.service.receipts import pending_receipt
from allowly_authority.store import records
from allowly_authority.store.port import Connection
from allowly_authority.wire.requests import CreateRequest, RevokeRequest
from allowly_authority.wire.scalars import format_timestamp


def create(
    connection: Connection,
    request: CreateRequest,
    *,
    idempotency_key: str | None,
    base_url: str,
    now_ms: int,
) -> dict[str, Any]:
    """Record a new authorization and describe it.

    Raises:
        ApiProblem: 422, it would be expired from the start.
    """
    repeatable = Repeatable("authorizations", idempotency_key, request.model_dump_json().encode())
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        return earlier
    expires_ms = int(request.expires_at.timestamp() * 1000)
    if expires_ms <= now_ms:
        raise invalid(("body.expires_at", "must be in the future"))
    authorization = Authorization(
        authorization_id=new_id("auth"),
        dialect=request.dialect,
        user_id=request.user_id,
        agent_id=request.agent_id,
        scopes=tuple(request.names),
        confirm_for=frozenset(request.requires_confirm_for or ()),
        escalate_for=frozenset(request.requires_escalation_for or ()),
        deny_for=frozenset(request.requires_deny_for or ()),
        escalation_targets=request.escalation_targets or {},
        created_ms=now_ms,
        expires_ms=expires_ms,
    )
    records.insert_authorization(connection, authorization, request.metadata or {})
    receipt_id = _record(connection, authorization.authorization_id, "create", "granted", now_ms)
    reply = _described(authorization, request) | {"receipt": pending_receipt(receipt_id, now_ms, base_url)}
    repeatable.keep(connection, reply, now_ms)
    return reply


def _described(authorization: Authorization, request: CreateRequest) -> dict[str, Any]:
    """The required keys of both dialects at once: each reader takes its own."""
    return {
        "authorization_id": authorization.authorization_id,
        "created_at": format_timestamp(authorization.created_ms),
        "expires_at": format_timestamp(authorization.expires_ms),
        "bundle_id": None,
        "policy_id": None,
        "requires_confirm_for": request.requires_confirm_for or [],
        "requires_escalation_for": request.requires_escalation_for or [],
        "requires_deny_for": request.requires_deny_for or [],
        "escalation_targets": request.escalation_targets or {},
        "budget_limit_micros": None,
        "budget_spent_micros": None,
    }


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
    if not records.revoke_authorization(connection, authorization_id, request.revoked_by, request.notes, now_ms):
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
