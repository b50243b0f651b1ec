"""What an operator asks of an authority: to let agents act for users, to make keys, and to say why it decides so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

from allowly_authority.addresses import path_segment
from allowly_authority.calls import Call, encoded
from allowly_authority.errors import InvalidRequest, MalformedReply
from allowly_authority.exchange import Exchange
from allowly_authority.wire.operator_replies import (
    AuthorizationPageReply,
    ExplanationReply,
    KeyPageReply,
    KeyReply,
    ListedAuthorization,
    NewKeyReply,
)
from allowly_authority.wire.replies import AuthorizationReply, RevocationReply


class OperatorRequests(Exchange):
    """The requests that need an operator's key."""

    async def create_authorization(
        self,
        *,
        user_id: str,
        agent_id: str,
        scopes: Sequence[str | Mapping[str, Any]],
        expires_at: datetime,
        requires_confirm_for: Sequence[str] = (),
        requires_escalation_for: Sequence[str] = (),
        escalation_targets: Mapping[str, str] | None = None,
        quorum_for: Mapping[str, int] | None = None,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> AuthorizationReply:
        """Let an agent act for a user.

        Args:
            user_id: Opaque; no e-mail address or name.
            agent_id: Which agent.
            scopes: Names, or objects with a `name`.
            expires_at: Aware, in the future.
            requires_confirm_for: Scopes that the user is asked about.
            requires_escalation_for: Scopes that somebody else must approve.
            escalation_targets: Who that is, by scope.
            quorum_for: How many different people that takes, by scope, up to 5; an extension of our authority.
            metadata: For the record, at most 4 KiB of canonical JSON.
            idempotency_key: Makes repeating the very same request harmless.

        Raises:
            ValueError: `expires_at` is naive.
            AuthorityError: It was not created, or may not have been; see the kinds and `sent`.
        """
        body = {
            "user_id": user_id,
            "agent_id": agent_id,
            "scopes": [scope if isinstance(scope, str) else dict(scope) for scope in scopes],
            "expires_at": _timestamp(expires_at),
            "requires_confirm_for": list(requires_confirm_for),
            "requires_escalation_for": list(requires_escalation_for),
            "escalation_targets": dict(escalation_targets or {}),
            "metadata": dict(metadata or {}),
        }
        if quorum_for:
            body["quorum_for"] = dict(quorum_for)
        call = Call.post("/v1/authorizations", body, idempotency_key=idempotency_key, expected=201)
        return await self._ask(call, AuthorizationReply)

    async def revoke_authorization(
        self, authorization_id: str, *, revoked_by: str | None = None, notes: str | None = None
    ) -> RevocationReply:
        """End an authorization, with its open questions and unused approvals.

        Raises:
            Conflict: It is revoked already.
            AuthorityError: It was not revoked, or may not have been; see the kinds and `sent`.
        """
        given = {"revoked_by": revoked_by, "notes": notes}
        body = {name: value for name, value in given.items() if value is not None}
        path = f"/v1/authorizations/{path_segment(authorization_id)}"
        call = Call("DELETE", path, encoded(body) if body else None)
        reply = await self._ask(call, RevocationReply)
        if reply.authorization_id != authorization_id:
            raise MalformedReply("The authority revoked something else.")
        return reply

    async def authorizations(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        active: bool | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> AuthorizationPageReply:
        """Read a page of authorizations, newest first.

        Args:
            user_id: Those of this user only.
            agent_id: Those of this agent only.
            active: `True` for those that are neither revoked nor expired, `False` for the others.
            limit: How many at most, 1 to 100.
            cursor: `next_cursor` of the page before.

        Raises:
            NotFound: This authority has no such list.
            AuthorityError: There is no answer; see its kinds.
        """
        wanted = None if active is None else "true" if active else "false"
        query = {"user_id": user_id, "agent_id": agent_id, "active": wanted, "limit": limit, "cursor": cursor}
        return await self._ask(_listing("/v1/authorizations", query), AuthorizationPageReply)

    async def authorization(self, authorization_id: str) -> ListedAuthorization:
        """Read one authorization as it stands.

        Raises:
            NotFound: There is none of this id.
            AuthorityError: There is no answer; see its kinds.
        """
        reply = await self._ask(Call.get("/v1/authorizations", authorization_id), ListedAuthorization)
        if reply.authorization_id != authorization_id:
            raise MalformedReply("The authority described another authorization.")
        return reply

    async def explain(
        self,
        *,
        authorization_id: str,
        scope: str,
        resource: str | None = None,
        context: Mapping[str, Any] | None = None,
        estimated_cost_micros: int | None = None,
        initiator: str | None = None,
    ) -> ExplanationReply:
        """Ask how a check would be decided, and why. Nothing is used up, and the answer is no permission.

        Args:
            authorization_id: Who acts for whom.
            scope: The scope or action, one.
            resource: To what.
            context: Further facts.
            estimated_cost_micros: What the call may cost, in micro-USD.
            initiator: The principal that would send the check.

        Raises:
            InvalidRequest: Such a check would be refused, too; or this authority does not explain.
            AuthorityError: There is no answer; see its kinds.
        """
        body = {
            "authorization_id": authorization_id,
            "scope": scope,
            "resource": resource,
            "context": dict(context or {}),
            "estimated_cost_micros": estimated_cost_micros,
            "initiator": initiator,
        }
        reply = await self._ask(Call.post("/v1/explain", body), ExplanationReply)
        if reply.authorization_id != authorization_id or reply.scope != scope:
            raise MalformedReply("The authority explained something else.")
        return reply

    async def create_key(
        self,
        *,
        principal_id: str,
        roles: Sequence[Literal["gate", "approver", "operator"]],
        addresses: Sequence[str] = (),
        expires_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> NewKeyReply:
        """Make a key. It stands in the reply, and is never told again.

        Args:
            principal_id: Who is to hold it: one name for all keys of the same person or program.
            roles: What it may do; "gate" goes with nothing else.
            addresses: Under which names escalations are addressed to the holder besides its own.
            expires_at: Aware, in the future; `None` for never.
            idempotency_key: Keeps a repeated request from making two keys; the repetition is refused.

        Raises:
            ValueError: `expires_at` is naive.
            AuthorityError: It was not made, or may not have been; see the kinds and `sent`.
        """
        body = {
            "principal_id": principal_id,
            "roles": list(roles),
            "addresses": list(addresses),
            "expires_at": None if expires_at is None else _timestamp(expires_at),
        }
        reply = await self._ask(Call.post("/v1/keys", body, idempotency_key=idempotency_key, expected=201), NewKeyReply)
        if reply.principal_id != principal_id or set(reply.roles) != set(roles):
            raise MalformedReply("The authority made a different key.")
        return reply

    async def keys(
        self,
        *,
        principal_id: str | None = None,
        active: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> KeyPageReply:
        """Read a page of keys, newest first. No key itself is in it.

        Args:
            principal_id: Those of one holder only.
            active: Leave out those that are revoked or past their end.
            limit: How many at most, 1 to 100.
            cursor: `next_cursor` of the page before.

        Raises:
            AuthorityError: There is no answer; see its kinds.
        """
        query = {"principal_id": principal_id, "active": "true" if active else None, "limit": limit, "cursor": cursor}
        return await self._ask(_listing("/v1/keys", query), KeyPageReply)

    async def revoke_key(self, key_id: str) -> KeyReply:
        """End a key.

        Raises:
            NotFound: There is none of this id.
            Conflict: It is revoked already.
            AuthorityError: It was not revoked, or may not have been; see the kinds and `sent`.
        """
        reply = await self._ask(Call("DELETE", f"/v1/keys/{path_segment(key_id)}"), KeyReply)
        if reply.key_id != key_id or reply.revoked_at is None:
            raise MalformedReply("The authority revoked something else.")
        return reply


def _listing(path: str, query: Mapping[str, str | int | None]) -> Call:
    return Call("GET", f"{path}?{urlencode({name: value for name, value in query.items() if value is not None})}")


def _timestamp(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise InvalidRequest("expires_at must be aware of its time zone.")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
