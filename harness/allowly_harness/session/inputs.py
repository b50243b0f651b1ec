"""What a server asks this program for while it works: values of a person, a visit to a page, a model, folders.

A person is asked for the first two, if there is one. This program runs no models and names no folders;
both are refused with a sentence, and whoever watches the session is told.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import anyio
import mcp_types as types
from anyio import get_cancelled_exc_class
from pydantic import ValidationError

from allowly_authority.binding import canonical_json
from allowly_harness.approvers.base import Closure, Desk
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.arguments import problem_with
from allowly_harness.protocol.models import ServerInfo

MAX_MESSAGE_CHARACTERS: Final = 4096
"""How much of a server's message is kept; a longer one is cut, and marked as cut."""

MAX_SCHEMA_CHARACTERS: Final = 64 * 1024
"""Longest schema of a form, as JSON; a longer one is declined."""

MAX_URL_CHARACTERS: Final = 2048
"""Longest URL that a person is shown; a longer one is declined."""

ELICITATION_SECONDS: Final = 600.0
"""How long a person may take; then the request is cancelled. Servers seal a waiting call for as long (mcp 2.3)."""

MAX_UNUSABLE_REPLIES: Final = 3
"""How often values that do not fit the server's schema are handed back to the person."""

MAX_OPEN: Final = 8
"""How many requests of one server may be before the person at a time; more are cancelled unseen.

Well below what may wait for one person (`MAX_WAITING_QUESTIONS`), so that no server crowds questions out.
"""

MAX_REFUSED: Final = 3
"""How many requests in a row a person refuses or leaves before the server's next ones are cancelled unseen.

It may ask again once this program has sent it something new.
"""

Warn: TypeAlias = Callable[[str], Awaitable[None]]

NO_MODELS: Final = "allowly-harness refused a sampling request: this client does not run models"
NO_ROOTS: Final = "allowly-harness refused a roots request: this client gives no server access to folders"
NO_PERSON: Final = "allowly-harness refused an elicitation request: this session has nobody to ask"

CROWDED: Final = f"allowly-harness cancelled an elicitation request: {MAX_OPEN} of this server are open already"
REFUSED: Final = (
    f"allowly-harness cancelled an elicitation request: {MAX_REFUSED} in a row were refused; "
    "this server may ask again after the next call"
)
UNUSABLE: Final = "allowly-harness cancelled an elicitation request: its values never fitted the server's schema"

_ACTIONS: Final = frozenset({"accept", "decline", "cancel"})
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ServerInputs:
    """Answers what one server asks for, and keeps it from asking for ever.

    Attributes:
        desk: Where the person is.
        server: Who asks, in our words.
        warn: Told, in one sentence, what was refused; each sentence once until `begin`.
    """

    desk: Desk
    server: ServerInfo
    warn: Warn
    _open: int = 0
    _refused_in_a_row: int = 0
    _warned: set[str] = field(default_factory=set[str])

    def begin(self) -> None:
        """Note that this program sends the server something new, for which it may ask anew."""
        self._refused_in_a_row = 0
        self._warned.clear()

    async def refuse(self, request: types.InputRequest) -> types.ErrorData:
        """Refuse a request that nobody here can answer."""
        match request:
            case types.CreateMessageRequest():
                text = NO_MODELS
            case types.ListRootsRequest():
                text = NO_ROOTS
            case _:
                text = NO_PERSON
        await self._warn_once(text)
        return types.ErrorData(code=types.INVALID_REQUEST, message=text)

    async def elicit(self, params: types.ElicitRequestParams) -> types.ElicitResult:
        """Ask the person. Whatever goes wrong is a "cancel" or a "decline", never an "accept"."""
        try:
            request = _read(params, self.server)
        except ValueError as error:
            await self._warn_once(f"allowly-harness declined an elicitation request: {error}")
            return types.ElicitResult(action="decline")
        unseen = CROWDED if self._open >= MAX_OPEN else REFUSED if self._refused_in_a_row >= MAX_REFUSED else ""
        if unseen:
            await self._warn_once(unseen)
            return types.ElicitResult(action="cancel")
        self._open += 1
        # What the server takes back itself counts as well: it could let a form flicker for ever.
        accepted = False
        try:
            result = await self._answered(request)
            accepted = result.action == "accept"
            return result
        finally:
            self._open -= 1
            self._refused_in_a_row = 0 if accepted else self._refused_in_a_row + 1

    async def _answered(self, request: ElicitationRequest) -> types.ElicitResult:
        for _ in range(MAX_UNUSABLE_REPLIES):
            reply = await self._ask(request)
            if reply.action != "accept":
                return types.ElicitResult(action=reply.action)
            if request.mode == "url":
                return types.ElicitResult(action="accept")
            typed = reply.content if isinstance(reply.content, Mapping) else {}
            problem, result = _accepted(typed, request.schema)
            if result is not None:
                return result
            request = replace(request, note=f"The values cannot be sent: {problem}", draft=typed)
        await self._warn_once(
            "allowly-harness cancelled an elicitation request: its values never fitted the server's schema"
        )
        return types.ElicitResult(action="cancel")

    async def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            await self.warn(text)

    async def _ask(self, request: ElicitationRequest) -> ElicitationReply:
        # Shielded, so that the reason comes before the cancellation, as for a question.
        form = anyio.CancelScope(shield=True)
        over = anyio.Event()
        said = ElicitationReply.cancel()

        async def show() -> None:
            nonlocal said
            with form:
                try:
                    said = _checked(await self.desk.elicit(request))
                except Exception:
                    logger.exception("The approver failed; what the server asked for is cancelled.")
            over.set()

        async with anyio.create_task_group() as group:
            group.start_soon(show)
            try:
                with anyio.move_on_after(ELICITATION_SECONDS):
                    await over.wait()
            except get_cancelled_exc_class():
                self.desk.closing(request, Closure("withdrawn"))
                form.cancel()
                raise
            form.cancel()
        return said


def _checked(reply: object) -> ElicitationReply:
    if not (isinstance(reply, ElicitationReply) and reply.action in _ACTIONS):
        raise TypeError(f"an approver returned a {type(reply).__name__} that is no reply")
    return reply


def _accepted(typed: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[str, types.ElicitResult | None]:
    """Return what is wrong with the values, or the result that carries them."""
    try:
        content: dict[str, Any] = json.loads(canonical_json(typed))
    except ValueError as error:
        return str(error), None
    problem = problem_with(content, schema)
    if problem is not None:
        return problem, None
    try:
        return "", types.ElicitResult(action="accept", content=content)
    except ValidationError:
        return "a value is neither text, a number, true, false nor a list of texts", None


def _read(params: types.ElicitRequestParams, server: ServerInfo) -> ElicitationRequest:
    """Return the request in our own terms.

    Raises:
        ValueError: It breaks a limit; the message says which, in our words.
    """
    message = params.message
    if len(message) > MAX_MESSAGE_CHARACTERS:
        message = message[:MAX_MESSAGE_CHARACTERS] + "… (cut)"
    if isinstance(params, types.ElicitRequestURLParams):
        _check_url(params.url)
        return ElicitationRequest(server, message, "url", url=params.url)
    try:
        size = len(json.dumps(params.requested_schema))
    except (TypeError, RecursionError):
        raise ValueError("its schema has no JSON form") from None
    if size > MAX_SCHEMA_CHARACTERS:
        raise ValueError(f"its schema has more than {MAX_SCHEMA_CHARACTERS} characters")
    return ElicitationRequest(server, message, schema=MappingProxyType(params.requested_schema))


def _check_url(url: str) -> None:
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"its URL has more than {MAX_URL_CHARACTERS} characters")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("its URL holds characters that no URL may hold")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("its URL cannot be read") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("its URL is neither http nor https")
    if not parts.hostname:
        raise ValueError("its URL names no host")
    if "\\" in url or _HOST.fullmatch(parts.hostname) is None:
        # Browsers take a backslash for a slash: `https://evil.example\.bank.example/` goes to the first host.
        raise ValueError("its URL names a host that browsers read differently")
    if "@" in parts.netloc:
        # `https://bank.example@evil.example` goes to the second host and reads like the first.
        raise ValueError("its URL has a user name before the host")
