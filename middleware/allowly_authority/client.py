"""The client of the authorization API: the only module that speaks HTTP to an authority.

Requests go through httpx's own types over an aiohttp transport, without `httpx.AsyncClient`: that
one logs each URL, nonces included, and its connection pool slows down under parallel requests.
Errors are raised only where no local variable holds a key, a nonce or a URL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar, cast

import aiohttp
import anyio

from allowly_authority.addresses import checked_base_url, path_segment
from allowly_authority.calls import Call, bearer, encoded, lookup_call, settle_call
from allowly_authority.errors import AuthorityError, AuthorityUnavailable, InvalidRequest, MalformedReply
from allowly_authority.lean_imports import without_httpx_command_line
from allowly_authority.outcomes import Answer, failure_of, understood
from allowly_authority.strict_json import StrictJSONError, parse_json
from allowly_authority.transports import open_transport, request_base
from allowly_authority.wire.replies import (
    AuthorizationReply,
    CheckReply,
    ConfirmationReply,
    EscalationReply,
    PromptDescription,
    PromptStatus,
    ReceiptReply,
    Reply,
    RevocationReply,
)
from allowly_authority.wire.scalars import Dialect

with without_httpx_command_line():
    import httpx
    from httpx_aiohttp import AiohttpTransport

MAX_REPLY_BYTES: Final = 1024 * 1024
"""Longest reply body; a longer one is cut off and refused."""

_CONNECT_SHARE: Final = 0.9
"""What part of the deadline connecting may take, so that a failure to connect is told as one."""

ReplyT = TypeVar("ReplyT", bound=Reply)


class AuthorityClient:
    """Talks to one authority with one key. For one event loop; calls may run in parallel.

    Usable with or without `async with`; connections are opened when they are needed.

    Args:
        base_url: `https`, or `http` to this computer (127.0.0.0/8, ::1, localhost), or
            `http+unix://` with the percent-encoded path of a Unix socket.
        api_key: The workspace key. Kept out of every error, log and `repr`.
        timeout_seconds: The whole of a request, from connecting to the last byte.
        check_timeout_seconds: The same for checks, which a tool call waits for.
        allow_insecure: Accept `http` to other computers, where something else encrypts.

    Raises:
        ValueError: The URL, the key or a timeout is not usable.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        timeout_seconds: float = 10.0,
        check_timeout_seconds: float = 1.0,
        allow_insecure: bool = False,
    ) -> None:
        self._base = checked_base_url(base_url, allow_insecure=allow_insecure)
        self._requests_to = request_base(self._base)
        if not (timeout_seconds > 0 and check_timeout_seconds > 0):
            raise ValueError("timeouts must be positive")
        self._headers = httpx.Headers(
            {
                "Authorization": bearer(api_key),
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "allowly-harness",
            }
        )
        self._timeout = timeout_seconds
        self._check_timeout = check_timeout_seconds
        self._transport: AiohttpTransport | None = None

    def __repr__(self) -> str:
        return f"AuthorityClient(base_url={self._base!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. May be called again; a later request opens new ones."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

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
        call = Call.post("/v1/check", body, idempotency_key=idempotency_key)
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
        resolved_by: str,
        note: str | None = None,
    ) -> EscalationReply:
        """Report what the approver of an escalation decided. Repeating the same answer is harmless.

        Args:
            escalation_id: From the check.
            resolution: The approver's answer.
            resolved_by: Who decided, as an opaque name of at most 128 characters.
            note: For the record, at most 512 characters.

        Raises:
            Conflict: It was decided differently before.
            PromptGone: It is expired or withdrawn.
            AuthorityError: The answer may not be recorded; see the kinds and `sent`.
        """
        body = {"resolution": resolution, "resolved_by": resolved_by, "note": note}
        call = Call.post(f"/v1/escalations/{path_segment(escalation_id)}/resolve", body)
        reply = await self._ask(call, EscalationReply)
        if reply.escalation_id != escalation_id or reply.status != resolution:
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

    async def receipt(self, receipt_id: str) -> ReceiptReply:
        """Read a receipt. A pending one is no evidence of anything."""
        return await self._ask(Call.get("/v1/receipts", receipt_id), ReceiptReply)

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

    async def _ask(self, call: Call, model: type[ReplyT], *, deadline: float | None = None) -> ReplyT:
        answer = await self._send(call, deadline or self._timeout)
        if isinstance(answer, AuthorityError):
            failure = answer
        else:
            outcome = understood(answer, call.expected, model, lookup=call.lookup)
            if not isinstance(outcome, AuthorityError):
                return outcome
            failure = outcome
        del answer, call
        raise failure

    async def _send(self, call: Call, deadline: float) -> Answer | AuthorityError:
        """Exchange one request, and once more where that is harmless and the connection just ended."""
        outcome: Answer | AuthorityError = AuthorityUnavailable(
            "The authority did not answer in time.", kind="timeout", sent=True
        )
        with anyio.move_on_after(deadline):
            outcome = await self._exchange(call, deadline)
            ended = isinstance(outcome, AuthorityUnavailable) and outcome.kind == "closed"
            if ended and call.idempotency_key is not None:
                outcome = await self._exchange(call, deadline)
        return outcome

    async def _exchange(self, call: Call, deadline: float) -> Answer | AuthorityError:
        try:
            response = await self._opened().handle_async_request(self._request(call, deadline))
            try:
                return await _read(response)
            finally:
                await response.aclose()
        except InvalidRequest as error:
            return error
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
            return failure_of(error.__cause__ if isinstance(error, httpx.HTTPError) else error)

    def _request(self, call: Call, deadline: float) -> httpx.Request:
        headers = self._headers.copy()
        if call.content is not None:
            headers["Content-Type"] = "application/json"
        if call.idempotency_key is not None:
            headers["Idempotency-Key"] = call.idempotency_key
        extensions = {"timeout": {"pool": deadline * _CONNECT_SHARE}}
        return httpx.Request(
            call.method, self._requests_to + call.path, headers=headers, content=call.content, extensions=extensions
        )

    def _opened(self) -> AiohttpTransport:
        if self._transport is None:
            self._transport = open_transport(self._base)
        return self._transport


async def _read(response: httpx.Response) -> Answer | AuthorityError:
    if response.headers.get("content-encoding", "identity") != "identity":
        return MalformedReply("The authority's reply is compressed, which was not asked for.")
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MAX_REPLY_BYTES:
            return MalformedReply(f"The authority's reply is longer than {MAX_REPLY_BYTES} bytes.")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Answer(
        response.status_code, bytes(content), media_type == "application/json", response.headers.get("retry-after")
    )
