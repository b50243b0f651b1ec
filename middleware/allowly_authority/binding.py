"""The one definition of what an approval is bound to: canonical arguments and their digest.

The gate puts the digest into the check, the authority stores it, the client compares it with the
call that it holds. All three must agree to the byte, so all three use this module. It imports the
standard library only, because the client's protocol core imports it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MAX_ARGUMENT_BYTES", "MAX_DEPTH", "bound_resource", "canonical_json", "digest_of", "is_bound_resource"]

MAX_ARGUMENT_BYTES: Final = 4 * 1024 * 1024
"""Longest canonical form, in bytes of UTF-8. MCP's HTTP transport refuses larger bodies (413)."""

MAX_DEPTH: Final = 64
"""Deepest nesting. Deeper values are refused before they can exhaust the stack of any reader."""

_BOUND: Final = re.compile(r"mcp:.{1,256}#sha256:[0-9a-f]{64}", re.DOTALL)
_SMALLEST_PLAIN: Final = 1e-6
_LARGEST_PLAIN: Final = 1e21


def canonical_json(value: Any) -> str:
    """Write `value` as canonical JSON: equal values give equal text, on every machine.

    The form is RFC 8785 (JSON Canonicalization Scheme): no white space, object names sorted by
    UTF-16 code units, numbers as ECMAScript prints them. One deliberate difference: integers beyond
    2^53 are kept to the digit, where RFC 8785 refuses them, because Python servers use such ids.

    Args:
        value: Mappings with string names, lists, tuples, strings, numbers, booleans and `None`.

    Returns:
        The text, at most `MAX_ARGUMENT_BYTES` long in UTF-8.

    Raises:
        ValueError: The value has no JSON form (NaN, infinity, a lone surrogate, other types, a
            name that is not a string) or breaks a limit.
    """
    parts: list[str] = []
    _write(value, parts.append, MAX_DEPTH)
    text = "".join(parts)
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("a string holds a lone surrogate, which JSON cannot carry") from None
    if size > MAX_ARGUMENT_BYTES:
        raise ValueError(f"the value takes {size} bytes, more than the limit of {MAX_ARGUMENT_BYTES}")
    return text


def digest_of(text: str) -> str:
    """Return the SHA-256 of `text` in UTF-8, as 64 lowercase hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def bound_resource(tool: str, arguments_json: str) -> str:
    """Name one tool with one set of arguments, for the `resource` field of a check.

    Args:
        tool: The tool's name, as the server knows it.
        arguments_json: The arguments in the form that `canonical_json` writes.

    Returns:
        `mcp:<tool>#sha256:<digest>`. An approval for this resource opens this call and no other.
    """
    return f"mcp:{tool}#sha256:{digest_of(arguments_json)}"


def is_bound_resource(resource: str | None) -> bool:
    """Tell whether `resource` names one call with its arguments, as `bound_resource` writes it."""
    return resource is not None and _BOUND.fullmatch(resource) is not None


def _write(value: Any, emit: Any, depth: int) -> None:
    if isinstance(value, str):
        emit(json.dumps(value, ensure_ascii=False))
    elif value is None or isinstance(value, bool):
        emit("null" if value is None else "true" if value else "false")
    elif isinstance(value, int):
        emit(int.__repr__(value))
    elif isinstance(value, float):
        emit(_number(value))
    elif depth == 0:
        raise ValueError(f"the value is nested deeper than {MAX_DEPTH} levels")
    elif isinstance(value, Mapping):
        _write_object(value, emit, depth)
    elif isinstance(value, list | tuple):
        emit("[")
        for index, item in enumerate(value):
            if index:
                emit(",")
            _write(item, emit, depth - 1)
        emit("]")
    else:
        raise ValueError(f"a {type(value).__name__} has no JSON form")  # noqa: TRY004 - one error for all bad values


def _write_object(value: Mapping[Any, Any], emit: Any, depth: int) -> None:
    if not all(isinstance(name, str) for name in value):
        raise ValueError("an object's names must be strings")
    emit("{")
    for index, name in enumerate(sorted(value, key=_utf16)):
        if index:
            emit(",")
        emit(json.dumps(name, ensure_ascii=False))
        emit(":")
        _write(value[name], emit, depth - 1)
    emit("}")


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    """Print a float as ECMAScript does (`Number::toString`), as RFC 8785 section 3.2.2.3 asks."""
    if not math.isfinite(value):
        raise ValueError("NaN and infinity have no JSON form")
    if value == 0:
        return "0"
    sign, value = ("-", -value) if value < 0 else ("", value)
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent or "0")
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    if _SMALLEST_PLAIN <= value < _LARGEST_PLAIN:
        return sign + _plain(digits, point)
    head, tail = digits[0], digits[1:]
    return f"{sign}{head}{'.' + tail if tail else ''}e{point - 1:+d}"


def _plain(digits: str, point: int) -> str:
    if point <= 0:
        return "0." + "0" * -point + digits
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return digits[:point] + "." + digits[point:]
