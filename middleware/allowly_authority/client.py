"""The client of the authorization API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from allowly_authority.addresses import path_segment
from allowly_authority.calls import CHECK_PATH, Call, lookup_call, settle_call
from allowly_authority.errors import AuthorityError, MalformedReply
from allowly_authority.operating import OperatorRequests
from allowly_authority.strict_json import StrictJSONError, parse_json
from allowly_authority.waiting import WaitingRequests
from allowly_authority.wire.operator_replies import HolderReply
from allowly_authority.wire.replies import (
    CheckReply,
    ConfirmationReply,
    EscalationReply,
    PromptDescription,
    PromptStatus,
    ReceiptReply,
)
from allowly_authority.wire.scalars import Dialect


class AuthorityClient(OperatorRequests, WaitingRequests):
    """Talks to one authority with one key. For one event loop; calls may run in parallel.

    Usable with or without `async with`; connections are opened when they are needed.

    Args:
        base_url: `https`, or `http` to this computer (127.0.0.0/8, ::1, localhost), or
            `http+unix://` with the percent-encoded path of a Unix socket.
        api_key: A key of a principal, or the workspace key. Kept out of every error, log and `repr`.
        timeout_seconds: The whole of a request, from connecting to the last byte.
        check_timeout_seconds: The same for checks, which a tool call waits for.
        allow_insecure: Accept `http` to other computers, where something else encrypts.

    Raises:
        ValueError: The URL, the key or a timeout is not usable.
    """

    async def check(
        self,
        *,
        authorization_id: str,
        scopes: Sequence[str],
        resource: str | None = None,
        session_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        dialect: Dialect = "scopes",
        idempotency_key: str | None = None,
    ) -> CheckReply:
        """Ask whether an authorization permits something. Only `allow` in the reply is permission.

        Args:
            authorization_id: Who acts for whom.
            scopes: What is asked for, 1 to 25 names, none twice; actions, in that dialect.
            resource: To what; approvals are bound to it.
            session_id: A label for the receipt.
            context: Further facts, at most 4 KiB of canonical JSON.
            dialect: Which form of the API to speak.
            idempotency_key: Repeating a check under the same key uses up nothing more. With one, a
                connection that ends before the answer is tried once more, within the deadline.

        Raises:
            AuthorityError: There is no decision; see its kinds.
        """
        body = {
            "authorization_id": authorization_id,
            dialect: list(scopes),
            "resource": resource,
            "session_id": session_id,
            "context": dict(context or {}),
        }
        call = Call.post(CHECK_PATH, body, idempotency_key=idempotency_key)
        reply = await self._ask(call, CheckReply, deadline=self._check_timeout)
        if reply.authorization_id != authorization_id or set(reply.results) != set(scopes):
            raise MalformedReply("The authority answered a different check.")
        return reply

    async def settle_confirmation(
        self, nonce: str, *, approved: bool, ttl_seconds: int = 60, idempotency_key: str | None = None
    ) -> ConfirmationReply:
        """Report what the user said to a confirmation.

        Args:
            nonce: From the check.
            approved: The user's answer.
            ttl_seconds: How long an approval may be used, 1 to 300 seconds.
            idempotency_key: Makes repeating the very same answer harmless.

        Raises:
            PromptGone: The confirmation is expired, answered or unknown.
            MalformedReply: The authority recorded something else than the answer.
            AuthorityError: The answer may not be recorded; see the kinds and `sent`.
        """
        call = settle_call(nonce, approved=approved, ttl_seconds=ttl_seconds, idempotency_key=idempotency_key)
        del nonce
        reply = await self._ask(call, ConfirmationReply)
        if (reply.decision == "approved") is not approved:
            raise MalformedReply("The authority recorded a different answer.")
        return reply

    async def resolve_escalation(
        self,
        escalation_id: str,
        *,
        resolution: Literal["approved", "rejected"],
        resolved_by: str | None = None,
        note: str | None = None,
    ) -> EscalationReply:
        """Report what the approver of an escalation decided. Repeating the same answer is harmless.

        Where several people must approve, the reply to every approval but the last has the status "pending".

        Args:
            escalation_id: From the check.
            resolution: The approver's answer.
            resolved_by: Who decided, as an opaque name of at most 128 characters. The workspace key needs it; the key
                of an approver says it by itself, and takes no other name than its holder's.
            note: For the record, at most 512 characters.

        Raises:
            Conflict: It was decided differently before.
            PromptGone: It is expired or withdrawn.
            AuthorityError: The answer may not be recorded; see the kinds and `sent`.
        """
        body = {"resolution": resolution, "resolved_by": resolved_by, "note": note}
        if resolved_by is None:
            del body["resolved_by"]
        call = Call.post(f"/v1/escalations/{path_segment(escalation_id)}/resolve", body)
        reply = await self._ask(call, EscalationReply)
        waits = resolution == "approved" and reply.status == "pending" and reply.approvals < reply.approvals_needed
        if reply.escalation_id != escalation_id or not (reply.status == resolution or waits):
            raise MalformedReply("The authority resolved something else.")
        return reply

    async def confirmation_status(self, confirmation_id: str) -> PromptStatus:
        """Read how a confirmation stands, by its `confirmation_id`, never by its nonce."""
        reply = await self._ask(Call.get("/v1/confirmations", confirmation_id, "/status"), PromptStatus)
        if reply.confirmation_id != confirmation_id:
            raise MalformedReply("The authority described another confirmation.")
        return reply

    async def escalation_status(self, escalation_id: str) -> PromptStatus:
        """Read how an escalation stands. A read: an approval is not used up by it."""
        reply = await self._ask(Call.get("/v1/escalations", escalation_id), PromptStatus)
        if reply.escalation_id != escalation_id:
            raise MalformedReply("The authority described another escalation.")
        return reply

    async def lookup_prompt(self, *, nonce: str | None = None, escalation_id: str | None = None) -> PromptDescription:
        """Read what a question is about, by its nonce or its escalation id.

        Raises:
            PromptUnknown: This authority never issued it.
            LookupUnsupported: This authority has no such read.
            AuthorityError: There is no answer; see its kinds.
        """
        call = lookup_call(nonce, escalation_id)
        del nonce
        reply = await self._ask(call, PromptDescription)
        kind = "confirm" if escalation_id is None else "escalate"
        if reply.kind != kind:
            raise MalformedReply("The authority described a different kind of question.")
        return reply

    async def receipt(self, receipt_id: str) -> ReceiptReply:
        """Read a receipt. A pending one is no evidence of anything."""
        return await self._ask(Call.get("/v1/receipts", receipt_id), ReceiptReply)

    async def holder(self) -> HolderReply:
        """Read who holds the key of this client, and what it is for.

        Raises:
            NotFound: This authority does not tell.
            AuthorityError: There is no answer; see its kinds.
        """
        return await self._ask(Call("GET", "/v1/principal"), HolderReply)

    async def ready(self) -> bool:
        """Tell whether the authority says that it is ready; `False` for whatever it says otherwise."""
        answer = await self._send(Call("GET", "/readyz"), self._timeout)
        if isinstance(answer, AuthorityError) or answer.status != 200:  # noqa: PLR2004 - an HTTP status
            return False
        try:
            body = parse_json(answer.content)
        except StrictJSONError:
            return False
        return isinstance(body, dict) and cast("dict[str, Any]", body).get("status") == "ready"
