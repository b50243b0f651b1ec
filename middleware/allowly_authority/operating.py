"""What an operator asks of an authority: to let agents act for users, and to end that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from allowly_authority.addresses import path_segment
from allowly_authority.calls import Call, encoded
from allowly_authority.errors import InvalidRequest, MalformedReply
from allowly_authority.exchange import Exchange
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
            metadata: For the record, at most 4 KiB of canonical JSON.
            idempotency_key: Makes repeating the very same request harmless.

        Raises:
            ValueError: `expires_at` is naive.
            AuthorityError: It was not created, or may not have been; see the kinds and `sent`.
        """
        if expires_at.tzinfo is None:
            raise InvalidRequest("expires_at must be aware of its time zone.")
        body = {
            "user_id": user_id,
            "agent_id": agent_id,
            "scopes": [scope if isinstance(scope, str) else dict(scope) for scope in scopes],
            "expires_at": expires_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requires_confirm_for": list(requires_confirm_for),
            "requires_escalation_for": list(requires_escalation_for),
            "escalation_targets": dict(escalation_targets or {}),
            "metadata": dict(metadata or {}),
        }
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
