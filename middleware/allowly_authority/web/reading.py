"""Reading what a request brings: its body, its query part, ids in its path, its idempotency key.

Whatever cannot be read is answered with an error of the API before anything is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from allowly_authority.engine.principals import ANYBODY, Principal
from allowly_authority.identifiers import is_usable_id
from allowly_authority.service.problems import ApiProblem, bad_request, invalid, not_found
from allowly_authority.strict_json import StrictJSONError, parse_json
from allowly_authority.wire.paging import single_valued

MAX_BODY_BYTES: Final = 64 * 1024
"""Longest request body."""

MAX_POLICY_BODY_BYTES: Final = 256 * 1024
"""Longest body with a policy: its definition has a limit in canonical form, and JSON may take more to say the same."""

BODY_SECONDS: Final = 10.0
"""How long a request body may take to arrive."""

MAX_KEY_CHARACTERS: Final = 255
"""Longest `Idempotency-Key`."""

BodyT = TypeVar("BodyT")
BytesT = TypeVar("BytesT", bytes, bytearray)
QueryT = TypeVar("QueryT", bound=BaseModel)


async def read_body(
    request: Request, read: Callable[[Any], BodyT], *, optional: bool = False, most: int = MAX_BODY_BYTES
) -> BodyT:
    """Read a JSON body.

    Args:
        request: What came.
        read: Turns the parsed value into what it means; raises `ValueError` for what it does not accept.
        optional: Take no body for `{}`.
        most: How many bytes it may have.

    Raises:
        ApiProblem: 400, 408, 413 or 422: it is too long, too slow, no JSON, or not what is expected.
    """
    data = await _read(request, most)
    if not data and optional:
        return read({})
    media_type = (_header(request, b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise bad_request("The body must be application/json.")
    try:
        value = parse_json(data)
        if b"\\u0000" in data and _holds_nul(value):
            raise bad_request("The body holds the character U+0000, which no database of text can keep.")
        return read(value)
    except StrictJSONError as error:
        raise bad_request(f"The body cannot be read: {error}.") from None
    except ValidationError as error:
        raise invalid(*_fields(error)) from None
    except ValueError as error:
        raise invalid(("body", str(error))) from None


def read_query(request: Request, model: type[QueryT]) -> QueryT:
    """Read the query part.

    Raises:
        ApiProblem: 422, it is not what is expected.
    """
    try:
        given = request.query_params.multi_items() if request.scope["query_string"] else []
        return model.model_validate(single_valued(given))
    except ValidationError as error:
        raise invalid(*_fields(error, "query")) from None
    except ValueError as error:
        raise invalid(("query", str(error))) from None


def path_id(request: Request, name: str) -> str:
    """Return an id from the path.

    Raises:
        ApiProblem: 404, nothing can have this id.
    """
    value = request.path_params[name]
    if not is_usable_id(value):
        raise not_found()
    return value


def idempotency_key(request: Request) -> str | None:
    """Return the `Idempotency-Key`, where one was sent, together with who sent it.

    What one principal has sent is no repetition of what another one did: neither gets the other's reply.

    Raises:
        ApiProblem: 400, it is empty, too long, or holds other than printable ASCII.
    """
    key = _header(request, b"idempotency-key")
    if key is not None and not (1 <= len(key) <= MAX_KEY_CHARACTERS and key.isascii() and key.isprintable()):
        raise bad_request(f"An Idempotency-Key has 1 to {MAX_KEY_CHARACTERS} printable ASCII characters.")
    sender: Principal = request.scope["state"]["principal"]
    # Neither part can hold the character in between. Those of the workspace key stand alone, as they always did.
    return key if key is None or sender is ANYBODY else f"{sender.principal_id}\n{key}"


def _header(request: Request, name: bytes) -> str | None:
    """Return the first header of a name in small letters, as `request.headers` does with more work."""
    for found, value in request.scope["headers"]:
        if found == name:
            return cast("bytes", value).decode("latin-1")
    return None


def _holds_nul(value: Any) -> bool:
    """Tell whether a string of a parsed body holds U+0000. Its depth is bounded by the parser."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in cast("dict[str, Any]", value).items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)


def _fields(error: ValidationError, part: str = "body") -> list[tuple[str, str]]:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return [(".".join([part, *map(str, problem["loc"])])[:200], problem["msg"]) for problem in problems[:20]]


async def _read(request: Request, most: int) -> bytes:
    # Mostly it came with its head: to wait for it under a limit takes a tenth of the time of a check.
    there: Callable[[], bytes | None] | None = (
        request.scope.get("extensions", {}).get("allowly.body", {}).get("arrived")
    )
    arrived = None if there is None else there()
    if arrived is not None:
        return _no_longer_than(most, arrived)
    body = bytearray()
    try:
        # A scope of anyio would do the same, and take a tenth of the time of a check.
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                _no_longer_than(most, body)
    except TimeoutError:
        raise ApiProblem(408, "request_timeout", "The body did not arrive in time.") from None
    return bytes(body)


def _no_longer_than(most: int, body: BytesT) -> BytesT:
    if len(body) > most:
        raise ApiProblem(413, "bad_request", f"The body is longer than {most} bytes.")
    return body
