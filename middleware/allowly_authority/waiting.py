"""What an approver asks of an authority: what waits, and to be told what becomes of it."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast, get_args
from urllib.parse import urlencode

import aiohttp
import anyio
from pydantic import ValidationError

from allowly_authority.addresses import path_segment
from allowly_authority.binding import bound_resource, canonical_json
from allowly_authority.calls import Call, encoded, lookup_body
from allowly_authority.errors import (
    AuthorityError,
    AuthorityUnavailable,
    LookupUnsupported,
    MalformedReply,
    NotFound,
    PromptUnknown,
    RateLimited,
)
from allowly_authority.event_stream import EventReader, ServerEvent
from allowly_authority.exchange import Exchange
from allowly_authority.lean_imports import without_httpx_command_line
from allowly_authority.outcomes import error_of_status, failure_of
from allowly_authority.strict_json import StrictJSONError, parse_json
from allowly_authority.wire.inbox_replies import (
    CallKeptReply,
    CallReply,
    EventName,
    PromptItem,
    PromptPageReply,
    Snapshot,
)

with without_httpx_command_line():
    import httpx

SILENCE_SECONDS: Final = 45.0
"""How long the stream may be silent, signs of life included, before it is opened anew: three of the authority's."""

FIRST_DELAY_SECONDS: Final = 0.5
"""How long the first attempt to open a lost stream anew is waited for; each further one twice as long, with jitter."""

LONGEST_DELAY_SECONDS: Final = 15.0
"""The longest such wait, unless the authority asks for more."""

_MEDIA_TYPE: Final = "text/event-stream"
_OK: Final = 200
Kind = Literal["confirm", "escalate"]
Status = Literal["pending", "approved", "rejected", "expired", "consumed", "cancelled"]


@dataclass(frozen=True, slots=True)
class PromptEvent:
    """One thing that the stream tells.

    Attributes:
        name: "snapshot" holds what waits, "lost" says that the stream is opened anew; the others what became of the
            one question in `items`, which stands there as it is now.
        items: The questions.
        page: Of a snapshot, from 1 on; the first one takes the place of everything that was known.
        has_more: Whether more pages of the snapshot follow.
        event_id: What the next stream can go on from; `None` in the middle of a snapshot.
        failure: Why the stream was lost; `None` where the authority ended it.
        now: Of a snapshot: the authority's clock when it was read, aware.
    """

    name: EventName | Literal["lost"]
    items: tuple[PromptItem, ...] = ()
    page: int = 0
    has_more: bool = False
    event_id: str | None = None
    failure: AuthorityError | None = None
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShownCall:
    """The call behind a question, as whoever asks handed it in.

    Attributes:
        canonical: The arguments as canonical JSON.
        server: What the asker calls the server; proved by nothing.
    """

    tool: str
    canonical: str
    server: str = ""

    @property
    def resource(self) -> str:
        """What a check of this very call names as its resource."""
        return bound_resource(self.tool, self.canonical)


class WaitingRequests(Exchange):
    """The requests about questions that wait. They are an extension: the hosted service does not have them."""

    async def pending(
        self,
        *,
        addressee: str | None = None,
        kind: Kind | None = None,
        authorization_id: str | None = None,
        status: Status = "pending",
        requested: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> PromptPageReply:
        """Read a page of what waits, the first to run out first. An approver's key shows what is addressed to it.

        Questions that are over come in the opposite order of the same times.

        Args:
            addressee: Escalations to this name only.
            kind: Questions of one kind only.
            authorization_id: Those of one authorization only.
            status: Those in this state; an approval that was used is "consumed".
            requested: For an approver's key: what was asked for its holder instead, whoever answers it.
            limit: How many at most, 1 to 100.
            cursor: `next_cursor` of the page before.

        Raises:
            LookupUnsupported: This authority has no such list.
            AuthorityError: There is no answer; see its kinds.
        """
        query = _query(addressee, kind, authorization_id) | {"limit": str(limit), "status": status}
        if requested:
            query["requested"] = "true"
        if cursor is not None:
            query["cursor"] = cursor
        call = Call("GET", f"/v1/prompts?{urlencode(query)}", lookup=True)
        return await self._ask(call, PromptPageReply)

    async def show_call(
        self,
        *,
        nonce: str | None = None,
        escalation_id: str | None = None,
        tool: str,
        arguments: str,
        server: str = "",
    ) -> None:
        """Hand in the call behind a question, so that whoever decides about it sees it.

        Args:
            nonce: Of a confirmation.
            escalation_id: Of an escalation.
            tool: The tool's name.
            arguments: Canonical JSON, as `allowly_authority.binding.canonical_json` writes it.
            server: What the asker calls the server, at most 100 characters; shown as the asker's word.

        Raises:
            ValueError: The arguments are no JSON object.
            PromptUnknown: This authority never issued the question.
            Conflict: The question is about another call, or about none in particular.
            LookupUnsupported: This authority takes no calls.
            AuthorityError: It was not kept, or may not have been; see the kinds and `sent`.
        """
        asked = lookup_body(nonce, escalation_id)
        del nonce
        body = asked | {"tool": tool, "arguments": parse_json(arguments.encode()), "server": server}
        await self._ask(Call("POST", "/v1/prompts/calls", encoded(body), lookup=True), CallKeptReply)

    async def call_behind(self, prompt_id: str) -> ShownCall | None:
        """Read the call behind a question; `None` where nobody has handed it in.

        Whoever reads it compares `ShownCall.resource` with the resource of the question: that alone proves it.

        Args:
            prompt_id: `PromptItem.prompt_id`.

        Raises:
            LookupUnsupported: This authority keeps no calls.
            AuthorityError: There is no answer; see its kinds.
        """
        call = Call("GET", f"/v1/prompts/{path_segment(prompt_id)}/call", lookup=True)
        try:
            reply = await self._ask(call, CallReply)
        except PromptUnknown:
            return None
        if reply.prompt_id != prompt_id:
            raise MalformedReply("The authority told of another call.")
        try:
            return ShownCall(reply.tool, canonical_json(reply.arguments), reply.server)
        except ValueError:
            raise MalformedReply("The authority told of a call that is none.") from None

    async def watch_prompts(
        self,
        *,
        addressee: str | None = None,
        kind: Kind | None = None,
        authorization_id: str | None = None,
        last_event_id: str | None = None,
    ) -> AsyncGenerator[PromptEvent]:
        """Hear what waits and what becomes of it, for as long as the caller listens.

        A stream that is lost is opened anew, and goes on where it ended. A change may be told twice. To be used within
        `contextlib.aclosing`, so that the connection is closed when the caller has heard enough.

        Args:
            addressee: Escalations to this name only.
            kind: Questions of one kind only.
            authorization_id: Those of one authorization only.
            last_event_id: Where an earlier stream ended; `None` begins with a snapshot.

        Raises:
            LookupUnsupported: This authority has no such stream.
            AuthorityError: It refuses, other than for a while.
        """
        query = _query(addressee, kind, authorization_id)
        call = Call("GET", f"/v1/prompts/events?{urlencode(query)}" if query else "/v1/prompts/events")
        delay = FIRST_DELAY_SECONDS
        while True:
            stream = _Stream(last_event_id)
            async with aclosing(self._stream(call, stream)) as events:
                async for event in events:
                    last_event_id, delay = stream.resumable, FIRST_DELAY_SECONDS
                    yield event
            last_event_id = stream.resumable
            failure = stream.failure
            if failure is not None and not isinstance(failure, AuthorityUnavailable | RateLimited):
                raise _final(failure)
            yield PromptEvent("lost", event_id=last_event_id, failure=failure)
            asked = failure.retry_after_seconds if isinstance(failure, RateLimited) else None
            await anyio.sleep(max(asked or 0.0, delay * random.uniform(0.5, 1.0)))  # noqa: S311 - only spreads load
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)

    async def _stream(self, call: Call, stream: _Stream) -> AsyncGenerator[PromptEvent]:
        """Yield the events of one connection; how it ended stands in `stream`."""
        response = await self._begun(call, stream)
        if response is None:
            return
        try:
            chunks = aiter(response.aiter_raw())
            while (chunk := await _next(chunks, stream)) is not None:
                for event in stream.events(chunk):
                    yield event
        finally:
            await response.aclose()

    async def _begun(self, call: Call, stream: _Stream) -> httpx.Response | None:
        stream.failure = AuthorityUnavailable("The authority did not answer in time.", kind="timeout", sent=True)
        with anyio.move_on_after(self._timeout):
            request = self._request(call, self._timeout)
            request.headers["Accept"] = _MEDIA_TYPE
            if stream.resumable is not None:
                request.headers["Last-Event-ID"] = stream.resumable
            try:
                response = await self._opened().handle_async_request(request)
            except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError) as error:
                stream.failure = failure_of(error.__cause__ if isinstance(error, httpx.HTTPError) else error)
                return None
            stream.failure = _refusal(response)
            if stream.failure is None:
                return response
            await response.aclose()
        return None


class _Stream:
    """One connection: what was read of it, and why it ended.

    Attributes:
        failure: Why; `None` where the authority ended it.
    """

    def __init__(self, last_event_id: str | None) -> None:
        self._reader = EventReader(last_event_id)
        self.failure: AuthorityError | None = None

    @property
    def resumable(self) -> str | None:
        """What the next stream can go on from."""
        return self._reader.last_event_id

    def events(self, chunk: bytes) -> Iterator[PromptEvent]:
        """Yield what a piece of the stream tells; what cannot be read ends it."""
        try:
            for event in self._reader.feed(chunk):
                told = _understood(event)
                if told is not None:
                    yield told
        except (ValueError, StrictJSONError, ValidationError):
            self.failure = MalformedReply("The authority's stream breaks the contract.")


async def _next(chunks: AsyncIterator[bytes], stream: _Stream) -> bytes | None:
    """Return the next piece; `None` at the end, whatever ended it."""
    if stream.failure is not None:
        return None
    with anyio.move_on_after(SILENCE_SECONDS):
        try:
            return await anext(chunks)
        except StopAsyncIteration:
            return None
        except (httpx.HTTPError, aiohttp.ClientError, OSError):
            stream.failure = AuthorityUnavailable("The authority ended the connection.", kind="closed", sent=True)
            return None
    stream.failure = AuthorityUnavailable("The authority went silent.", kind="timeout", sent=True)
    return None


def _understood(event: ServerEvent) -> PromptEvent | None:
    """Return what an event tells; `None` for one of a name that this client does not know."""
    if event.name not in get_args(EventName):
        return None
    body = parse_json(event.data.encode())
    if event.name == "snapshot":
        page = Snapshot.model_validate(body)
        last = None if page.has_more else event.last_event_id
        return PromptEvent("snapshot", tuple(page.items), page.page, page.has_more, last, now=page.now)
    name = cast("EventName", event.name)
    return PromptEvent(name, (PromptItem.model_validate(body),), event_id=event.last_event_id)


def _refusal(response: httpx.Response) -> AuthorityError | None:
    if response.status_code != _OK:
        return error_of_status(response.status_code, response.headers.get("retry-after"))
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    plain = response.headers.get("content-encoding", "identity") == "identity"
    if media_type != _MEDIA_TYPE or not plain:
        return MalformedReply("The authority's reply is not a stream of events.")
    return None


def _final(failure: AuthorityError) -> AuthorityError:
    if isinstance(failure, NotFound):
        return LookupUnsupported("This authority has no stream of what waits.")
    return failure


def _query(addressee: str | None, kind: Kind | None, authorization_id: str | None) -> dict[str, str]:
    given = {"for": addressee, "kind": kind, "authorization_id": authorization_id}
    return {name: value for name, value in given.items() if value is not None}
