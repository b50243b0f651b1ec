r"""The canonical form of the receipt format: what digests of policies and of their input are taken over.

It differs from the form of `binding`, which follows RFC 8785: control characters are written as `\u000a`, never
as `\n`, and there are no fractions. Source: the public package `allowly-receipt-format`, section 4.2 of its text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from allowly_authority.engine.limits import LARGEST_INTEGER, MAX_CANONICAL_DEPTH, MAX_CANONICAL_NODES

_SPECIAL: Final = re.compile(r'["\\\x00-\x1f]')


def receipt_json(value: Any) -> bytes:
    """Write a value in the canonical form of receipts.

    Raises:
        ValueError: It holds a fraction, an integer beyond 2^53, half of a surrogate pair or another type, or it
            is nested too deep or holds too many values.
    """
    return _Writer().write(value, MAX_CANONICAL_DEPTH).encode()


def receipt_digest(value: Any) -> str:
    """Return the SHA-256 of the canonical form, as 64 lowercase hexadecimal digits.

    Raises:
        ValueError: As for `receipt_json`.
    """
    return hashlib.sha256(receipt_json(value)).hexdigest()


class _Writer:
    def __init__(self) -> None:
        self._left = MAX_CANONICAL_NODES

    def write(self, value: Any, depth: int) -> str:
        self._left -= 1
        if depth == 0 or self._left < 0:
            raise ValueError("the value is nested too deep, or too large")
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            if abs(value) > LARGEST_INTEGER:
                raise ValueError("integers are at most 2^53 - 1")
            return int.__repr__(value)
        if isinstance(value, str):
            return _quoted(value)
        if isinstance(value, Mapping):
            return self._object(value, depth - 1)
        if isinstance(value, list | tuple):
            return f"[{','.join([self.write(item, depth - 1) for item in value])}]"
        raise ValueError("there are only objects, lists, strings, integers, booleans and null")

    def _object(self, value: Mapping[Any, Any], depth: int) -> str:
        for name in value:
            if not isinstance(name, str):
                raise ValueError("an object's names must be strings")  # noqa: TRY004 - one error for all bad values
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join([f"{_quoted(name)}:{self.write(value[name], depth)}" for name in names]) + "}"


def _quoted(text: str) -> str:
    return f'"{_SPECIAL.sub(_escaped, text)}"'


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return f"\\{character}" if character in '"\\' else f"\\u{ord(character):04x}"
