"""Creating and revoking authorizations. They never change: a change is a revocation and a new one."""

from __future__ import annotations

from typing import Any

from allowly_authority.engine import Authorization, Grant, Principal, RuleFault, replacement_refusal
from allowly_authority.identifiers import new_id
from allowly_authority.service.bundles import grant_of_named_bundle
from allowly_authority.service.idempotency import Repeatable
from allowly_authority.service.paging import beginning_of
from allowly_authority.service.policies import grant_of_policy
from allowly_authority.service.problems import conflict, invalid, not_found
from allowly_authority.service.receipts import Subject, pending_receipt, record
from allowly_authority.store import listing, records, spending
from allowly_authority.store.port import Connection
from allowly_authority.wire.creation import CreateFromPolicy, CreateInline, Creation
from allowly_authority.wire.granted import granted, listed
from allowly_authority.wire.paging import After, AuthorizationQuery, page
from allowly_authority.wire.requests import RevokeRequest
from allowly_authority.wire.scalars import format_timestamp


def create(
    connection: Connection,
    request: Creation,
    sender: Principal,
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
    ended = None
    if request.replaces is not None:
        ended = _replace(connection, request.replaces, wanted, authorization, sender=sender, now_ms=now_ms)
    records.insert_authorization(connection, authorization, request.metadata or {}, sender.principal_id)
    if authorization.budget_limit_micros is not None:
        spending.open_budget(connection, authorization.authorization_id)
    receipt_id = record(
        connection,
        Subject.of(authorization),
        event="authorization.create",
        decision="authorization_granted",
        context=_granted_context(authorization, request.replaces),
        principal_id=sender.principal_id,
        now_ms=now_ms,
    )
    reply = granted(
        authorization,
        pending_receipt(receipt_id, now_ms, base_url),
        closed=isinstance(request, CreateFromPolicy) and request.policy_version is not None,
        replaced=request.replaces,
        revocation_receipt=None if ended is None else pending_receipt(ended, now_ms, base_url),
        provenance=_provenance(sender),
    )
    repeatable.keep(connection, reply, now_ms)
    return reply


def _provenance(sender: Principal) -> dict[str, Any] | None:
    """Tell who granted it; `None` for the workspace key, which tells nobody apart."""
    if "workspace" in sender.roles:
        return None
    return {"grantor": {"kind": "principal", "principal_id": sender.principal_id, "source": "operator_api_key"}}


def _revoker(sender: Principal, named: str | None) -> str | None:
    """Return who revokes, as the key tells it; the workspace key is believed."""
    if "workspace" in sender.roles:
        return named
    if named is not None and not sender.is_addressed_by(named):
        raise invalid(("body.revoked_by", "must name the holder of the key"))
    return sender.principal_id


def _wanted(connection: Connection, request: Creation, now_ms: int) -> Grant:
    if isinstance(request, CreateInline):
        return request.grant()
    if isinstance(request, CreateFromPolicy):
        return grant_of_policy(connection, request, now_ms)
    return grant_of_named_bundle(connection, request, now_ms)


def _replace(
    connection: Connection, old_id: str, wanted: Grant, successor: Authorization, *, sender: Principal, now_ms: int
) -> str:
    """End the authorization whose place is taken, and return the receipt of that."""
    old, _ = records.find_authorization(connection, old_id, lock=True)
    refused = replacement_refusal(old, wanted)
    if refused == "not_found":
        raise not_found()
    if refused == "subject":
        raise invalid(("body.replaces", "must be an authorization of the same user and agent"))
    ended = refused is None and records.revoke_authorization(
        connection,
        old_id,
        revoked_by=_revoker(sender, None),
        successor=successor.authorization_id,
        now_ms=now_ms,
    )
    if not ended or old is None:
        raise conflict("The authorization to be replaced is already revoked.")
    grants = records.cancel_prompts(connection, old_id, now_ms)
    return _record_end(connection, old, grants, sender, now_ms, superseded_by=successor.authorization_id)


def revoke(
    connection: Connection,
    authorization_id: str,
    request: RevokeRequest,
    sender: Principal,
    *,
    idempotency_key: str | None,
    base_url: str,
    now_ms: int,
) -> dict[str, Any]:
    """End an authorization with all its open questions and unused approvals.

    Raises:
        ApiProblem: 404 unknown, 409 revoked before, 422 in the name of somebody else than the key's holder.
    """
    revoked_by = _revoker(sender, request.revoked_by)
    identity = authorization_id.encode() + request.model_dump_json().encode()
    repeatable = Repeatable("revocations", idempotency_key, identity)
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        return earlier
    ended = records.revoke_authorization(
        connection, authorization_id, revoked_by=revoked_by, notes=request.notes, now_ms=now_ms
    )
    known, _ = records.find_authorization(connection, authorization_id)
    if known is None:
        raise not_found()
    if not ended:
        raise conflict("The authorization is already revoked.")
    grants = records.cancel_prompts(connection, authorization_id, now_ms)
    receipt_id = _record_end(connection, known, grants, sender, now_ms, revoked_by=revoked_by, notes=request.notes)
    reply = {
        "authorization_id": authorization_id,
        "revoked_at": format_timestamp(now_ms),
        "revoked_confirmations": grants,
        "receipt": pending_receipt(receipt_id, now_ms, base_url),
    }
    repeatable.keep(connection, reply, now_ms)
    return reply


def _granted_context(authorization: Authorization, replaces: str | None) -> dict[str, Any]:
    """What the receipt of an authorization tells: whoever has it knows what was granted, and until when."""
    told = {
        "actions": list(authorization.scopes),
        "expires_at": format_timestamp(authorization.expires_ms),
        "budget_limit_micros": authorization.budget_limit_micros,
        "replaces": replaces,
    }
    return {name: value for name, value in told.items() if value is not None}


def _record_end(
    connection: Connection,
    authorization: Authorization,
    grants: list[str],
    sender: Principal,
    now_ms: int,
    **why: str | None,
) -> str:
    """Record that an authorization ended, and return the receipt's id."""
    told = {name: value for name, value in why.items() if value is not None}
    return record(
        connection,
        Subject.of(authorization),
        event="authorization.revoke",
        decision="authorization_revoked",
        principal_id=sender.principal_id,
        context=told | {"revoked_confirmations": grants},
        now_ms=now_ms,
    )


def list_authorizations(connection: Connection, query: AuthorizationQuery, now_ms: int) -> dict[str, Any]:
    """Return a page of authorizations, newest first.

    Raises:
        ApiProblem: 422, the cursor is of another list.
    """
    after = beginning_of(query)
    found = listing.list_authorizations(
        connection,
        (after.at_ms, after.identifier) if after else listing.NEWEST,
        query.limit + 1,
        user_id=query.user_id,
        agent_id=query.agent_id,
        active=query.active,
        now_ms=now_ms,
    )
    shown = found[: query.limit]
    last = shown[-1][0] if len(found) > query.limit else None
    return page(
        [listed(authorization, spent) for authorization, spent in shown],
        query,
        None if last is None else After(last.created_ms, last.authorization_id),
    )


def read_authorization(connection: Connection, authorization_id: str) -> dict[str, Any]:
    """Return one authorization, revoked and expired ones among them.

    Raises:
        ApiProblem: 404, there is none of this id.
    """
    found = listing.find_listed(connection, authorization_id)
    if found is None:
        raise not_found()
    return listed(*found)
