"""One request of the client and its reply: sent in bounded time, read in bounded space, and understood.

Requests go through httpx's own types over an aiohttp transport, without `httpx.AsyncClient`: that
one logs each URL, nonces included, and its connection pool slows down under parallel requests.
Errors are raised only where no local variable holds a key, a nonce or a URL.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

import aiohttp
import anyio

from allowly_authority.addresses import checked_base_url
from allowly_authority.calls import CHECK_PATH, Call, bearer
from allowly_authority.errors import AuthorityError, AuthorityUnavailable, InvalidRequest, MalformedReply
from allowly_authority.lean_imports import without_httpx_command_line
from allowly_authority.outcomes import Answer, failure_of, understood
from allowly_authority.transports import open_transport, request_base
from allowly_authority.wire.replies import Reply

with without_httpx_command_line():
    import httpx

if TYPE_CHECKING:
    from httpx_aiohttp import AiohttpTransport

MAX_REPLY_BYTES: Final = 1024 * 1024
"""Longest reply body; a longer one is cut off and refused."""

_CONNECT_SHARE: Final = 0.9
"""What part of the deadline connecting may take, so that a failure to connect is told as one."""

ReplyT = TypeVar("ReplyT", bound=Reply)


class Exchange:
    """Sends requests to one authority with one key. What `AuthorityClient` asks stands in its other bases.

    Args:
        base_url: `https`, or `http` to this computer (127.0.0.0/8, ::1, localhost), or
            `http+unix://` with the percent-encoded path of a Unix socket.
        api_key: Kept out of every error, log and `repr`.
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
        self._check_url: httpx.URL | None = None
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
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._base!r})"

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
            call.method, self._url(call.path), headers=headers, content=call.content, extensions=extensions
        )

    def _url(self, path: str) -> httpx.URL:
        # Parsing it takes an eighth of what a check costs here. Of other paths none is kept: nonces stand in them.
        if path != CHECK_PATH:
            return httpx.URL(self._requests_to + path)
        if self._check_url is None:
            self._check_url = httpx.URL(self._requests_to + path)
        return self._check_url

    def _opened(self) -> AiohttpTransport:
        loop = asyncio.get_running_loop()
        if self._transport is None:
            self._transport, self._loop = open_transport(self._base), loop
        # aiohttp would send the request first, and notice only then that the reply comes to the other loop.
        elif self._loop is not loop and self._loop is not None and not self._loop.is_closed():
            raise RuntimeError("This client belongs to the event loop of its first request. Make one for each loop.")
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
