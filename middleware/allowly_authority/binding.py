"""The one definition of what an approval is bound to: canonical arguments and their digest.

The gate puts the digest into the check, the authority stores it, the client compares it with the
call that it holds. All three must agree to the byte, so all three use this module. It imports the
standard library only, because the client's protocol core imports it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from json.encoder import encode_basestring as _quote
from typing import Any, Final

MAX_ARGUMENT_BYTES: Final = 4 * 1024 * 1024
"""Longest canonical form, in bytes of UTF-8. MCP's HTTP transport refuses larger bodies (413)."""

MAX_DEPTH: Final = 64
"""Deepest nesting. Deeper values are refused before they can exhaust the stack of any reader."""

_BOUND: Final = re.compile(r"mcp:.{1,256}#sha256:[0-9a-f]{64}", re.DOTALL)
_WORDS: Final = {None: "null", True: "true", False: "false"}
_TOO_DEEP: Final = f"the value is nested deeper than {MAX_DEPTH} levels"
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
    text = _write(value, MAX_DEPTH)
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


def digest_of_strings(*texts: str) -> str:
    """Return the digest of strings as a canonical JSON array, of any length.

    Canonical arguments among them may be quoted to more than `MAX_ARGUMENT_BYTES`.
    """
    return digest_of("[" + ",".join(map(_quote, texts)) + "]")


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


def _write(value: Any, depth: int) -> str:
    # Every tool call comes through here, so the common types are tested first, by identity.
    kind = type(value)
    if kind is str:
        return _quote(value)
    if kind is dict or isinstance(value, Mapping):
        return _write_object(value, depth)
    if value is None or kind is bool:
        return _WORDS[value]
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        # Not `str(value)`: an enumeration prints its name there, and JSON holds its value.
        return _quote(str.__str__(value))
    if isinstance(value, list | tuple):
        if depth == 0:
            raise ValueError(_TOO_DEEP)
        return _bounded("[" + ",".join([_write(item, depth - 1) for item in value]) + "]")
    raise ValueError(f"a {kind.__name__} has no JSON form")


def _write_object(value: Mapping[Any, Any], depth: int) -> str:
    if depth == 0:
        raise ValueError(_TOO_DEEP)
    names = list(value)
    for name in names:
        if not isinstance(name, str):
            raise ValueError("an object's names must be strings")  # noqa: TRY004 - one error for all bad values
    names.sort(key=None if all(map(str.isascii, names)) else _utf16)
    return _bounded("{" + ",".join([f"{_quote(name)}:{_write(value[name], depth - 1)}" for name in names]) + "}")


def _bounded(text: str) -> str:
    # Checked on the way up: values that share their parts grow exponentially long when written out.
    if len(text) > MAX_ARGUMENT_BYTES:
        raise ValueError(f"the value takes more than the limit of {MAX_ARGUMENT_BYTES} bytes")
    return text


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    """Print a float as ECMAScript does (`Number::toString`), as RFC 8785 section 3.2.2.3 asks."""
    value = float.__pos__(value)
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
