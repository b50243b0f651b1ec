"""Frames on the socket between an agent and a terminal: four bytes of length, then one JSON object.

The JSON is strict: one meaning or none. It is UTF-8, except that half a character (a lone surrogate) is
let through as it is, because foreign text may hold one and must arrive as it was sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, cast

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
    value, problem = _decoded(body)
    if problem:
        raise WireError(problem)
    return cast("dict[str, Any]", value)


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


def _decoded(body: bytes) -> tuple[Any, str]:
    try:
        value = _DECODER.decode(body.decode("utf-8", "surrogatepass"))
    except WireError as error:
        return None, str(error)
    except (ValueError, RecursionError):
        return None, "a message is not valid JSON"
    if not isinstance(value, dict):
        return None, "a message is not an object"
    if body.count(b"[") + body.count(b"{") > MAX_FRAME_DEPTH and _is_too_deep(value):
        return None, f"a message is nested deeper than {MAX_FRAME_DEPTH} levels"
    return value, ""


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_FRAME_DEPTH):
        level = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(item: Any) -> Iterable[Any]:
    return cast("dict[str, Any]", item).values() if isinstance(item, dict) else cast("list[Any]", item)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise WireError("an object of a message names something twice")
    return names


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise WireError("a number of a message is not finite")
    return number


def _refuse(_: str) -> NoReturn:
    raise WireError("a number of a message is not finite")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse)
