"""Frames on the socket between an agent and a terminal: four bytes of length, then one JSON object.

The JSON is strict: one meaning or none. It is UTF-8, except that half a character (a lone surrogate) is
let through as it is, because foreign text may hold one and must arrive as it was sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from allowly_authority.strict_json import StrictJSONError, parse_json

MAX_FRAME_BYTES: Final = 32 * 1024 * 1024
"""Longest frame. Arguments of 4 MiB may take twice as much, and stand there twice after an edit."""

MAX_GREETING_BYTES: Final = 4 * 1024
"""Longest frame before the other side has said who it is."""

MAX_FRAME_DEPTH: Final = 256
"""Deepest nesting; more than what arguments (64) and a server's schema (200) may have."""

_LENGTH_BYTES: Final = 4


class WireError(ValueError):
    """What came, or what was to be sent, is no message of this protocol. The text never quotes it."""


def encode(value: Mapping[str, Any]) -> bytes:
    """Write an object of JSON values, without its length.

    Raises:
        WireError: It holds something that JSON cannot carry, is nested deeper than `MAX_FRAME_DEPTH` or
            longer than `MAX_FRAME_BYTES`.
    """
    try:
        text = json.dumps(_plain(value, MAX_FRAME_DEPTH), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        problem = str(error) if isinstance(error, WireError) else "a number has too many digits, or is not finite"
    else:
        body = text.encode("utf-8", "surrogatepass")
        if len(body) <= MAX_FRAME_BYTES:
            return body
        problem = f"it takes {len(body):,} bytes, more than the limit of {MAX_FRAME_BYTES:,}"
    # Raised outside of the handlers: the encoder's error carries the value along.
    raise WireError(problem)


def decode(body: bytes) -> dict[str, Any]:
    """Read one object.

    Raises:
        WireError: The bytes are not one JSON object with one meaning.
    """
    try:
        value = parse_json(body, max_depth=MAX_FRAME_DEPTH, lone_surrogates=True)
    except StrictJSONError as error:
        problem = f"a message cannot be read: {error}"
    else:
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        problem = "a message is not an object"
    raise WireError(problem)


def seal_of(value: Mapping[str, Any]) -> str:
    """Return the digest of what is shown to a person: SHA-256 of an object as it is sent, in hexadecimal."""
    return hashlib.sha256(encode(value)).hexdigest()


async def read_frame(reader: asyncio.StreamReader, *, limit: int = MAX_FRAME_BYTES) -> dict[str, Any]:
    """Read one frame.

    Raises:
        EOFError: The other side has gone.
        WireError: It is longer than `limit` bytes, or no object; nothing more can be read then.
    """
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
        if length > limit:
            raise WireError(f"a message of {length:,} bytes is longer than the limit of {limit:,}")
        body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        raise EOFError("the other side has gone") from None
    return decode(body)


def framed(body: bytes) -> bytes:
    """Put the length before what `encode` wrote."""
    return len(body).to_bytes(_LENGTH_BYTES) + body


def _plain(value: Any, depth: int) -> Any:
    """Return a JSON value as dictionaries and lists; nothing is changed on the way that a reader could notice."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth == 0:
        raise WireError(f"it is nested deeper than {MAX_FRAME_DEPTH} levels")
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise WireError("the names in an object must be text")
        return {name: _plain(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in cast("Iterable[Any]", value)]
    raise WireError(f"a {type(value).__name__} has no JSON form")
