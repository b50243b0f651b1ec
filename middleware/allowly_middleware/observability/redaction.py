"""Makes any value fit for a log: plain JSON, bounded in every direction, without what looks secret."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from itertools import islice
from typing import Any, Final, cast

from allowly_middleware.observability.secrets import LONGEST_START, MAX_NAME_CHARACTERS, is_secret_name, secret_ranges

REDACTED: Final = "[redacted]"
LEFT_OUT: Final = "[left out]"
DEEPER: Final = "[deeper]"
CIRCULAR: Final = "[circular]"
UNREADABLE: Final = "[unreadable]"
MORE: Final = "[more]"
"""What stands in the place of a value: a secret, what is beyond a limit, a loop, what raises when it is read."""

MAX_KEY_CHARACTERS: Final = 200
"""Longest name in an object; the rest is cut."""

_LARGEST_BITS: Final = 256
_PASSES: Final = 4
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_PAIR: Final = 2
_COLLECTIONS: Final = (Mapping, Sequence, AbstractSet)
_NO_COLLECTIONS: Final = (bytes, bytearray, memoryview, range)
_NAMED_BY: Final = ("name", "key", "header", "field")


class Redactor:
    """Redacts and bounds values. It never changes what it is given, and redacting twice gives the same as once.

    Where limits have cut or left something out, redacting once more may hide more: what is left of a text, or a mark
    in its place, can stand beside a name whose values are secret.

    A mapping becomes an object, any other collection a list. Bytes and objects of unknown types become a note of
    their type; their own `str` and `repr` are never called.

    Args:
        names: Names besides the usual ones whose values are secret; searched in the name as it is.
        patterns: Patterns besides the usual ones of what is secret in a text. Where one has groups, the last
            that matched is the secret.
        max_depth: Levels of nesting that are kept; at least 1.
        max_items: Most entries of one object or list; at least 3.
        max_characters: Longest text; at least 40.
        max_nodes: Most values altogether; at least 1.
        max_total: Most characters of all texts together that are looked at; at least 1. The last text may pass it.

    Raises:
        ValueError: A limit is too small.
    """

    def __init__(
        self,
        *,
        names: Iterable[re.Pattern[str]] = (),
        patterns: Iterable[re.Pattern[str]] = (),
        max_depth: int = 8,
        max_items: int = 64,
        max_characters: int = 2048,
        max_nodes: int = 1000,
        max_total: int = 32_768,
    ) -> None:
        smallest = {
            "max_depth": (max_depth, 1),
            "max_items": (max_items, 3),
            "max_nodes": (max_nodes, 1),
            "max_total": (max_total, 1),
        }
        for name, (value, least) in (smallest | {"max_characters": (max_characters, 40)}).items():
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        self._names = tuple(names)
        self._patterns = tuple(patterns)
        self.max_depth, self.max_items = max_depth, max_items
        self.max_characters, self.max_nodes, self.max_total = max_characters, max_nodes, max_total

    def redact(self, value: Any) -> Any:
        """Return a copy of a value that is JSON, within the limits, and holds nothing that looks secret."""
        return _Walk(self).value(value, 0)

    def text(self, text: str, limit: int | None = None) -> str:
        """Return a text without what looks secret, and without lone surrogates.

        Args:
            text: Any text.
            limit: Longest result, in characters, 40 or more; `max_characters` by default. What is cut is counted at
                the end.
        """
        limit = self.max_characters if limit is None else limit
        # A cut may make a secret of what was none, such as a longer word.
        for _ in range(_PASSES):
            redacted = self._once(text, limit)
            if redacted == text:
                return redacted
            text = redacted
        return REDACTED

    def is_secret(self, name: str) -> bool:
        """Tell whether the value under a name is redacted whatever it is."""
        return is_secret_name(name[:MAX_NAME_CHARACTERS]) or any(pattern.search(name) for pattern in self._names)

    def _once(self, text: str, limit: int) -> str:
        # A secret that begins within the limit may end far behind it.
        looked_at = text[: limit + LONGEST_START]
        if not looked_at.isascii():
            looked_at = _SURROGATE.sub("\ufffd", looked_at)
        pieces, position = [""], 0
        for start, end in secret_ranges(looked_at, self._patterns):
            if start >= limit:
                break
            pieces += [looked_at[position:start], REDACTED]
            position = end
        kept = "".join([*pieces, looked_at[position:limit]])
        if len(text) <= limit and len(kept) <= limit:
            return kept
        missing = max(len(text) - max(limit, position), 0) + max(len(kept) - limit, 0)
        note = f"...[+{missing} characters]"
        return kept[: limit - len(note)] + note


class _Walk:
    """One run through one value."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._left = redactor.max_nodes
        self._characters = redactor.max_total
        self._open: set[int] = set()

    def value(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if isinstance(value, str):
            return self._text(str.__str__(value), self._redactor.max_characters)
        if isinstance(value, _COLLECTIONS) and not isinstance(value, _NO_COLLECTIONS):
            return self._collection(value, depth)
        return _single(value)

    def _text(self, text: str, limit: int) -> str:
        shown = self._redactor.text(text, limit)
        # Never less than the result will cost where it is redacted again: what is kept once is kept then.
        self._characters -= max(min(len(text), limit + LONGEST_START), len(shown))
        return shown

    def _collection(self, value: Mapping[Any, Any] | Sequence[Any] | AbstractSet[Any], depth: int) -> Any:
        if id(value) in self._open:
            return CIRCULAR
        if depth >= self._redactor.max_depth:
            return DEEPER
        self._open.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._object([(key, held) for key, held in self._first(value.items())], depth)
            return self._list(self._first(value), depth)
        except Exception:  # noqa: BLE001 - a foreign collection may raise whatever it likes
            return UNREADABLE
        finally:
            self._open.discard(id(value))

    def _first(self, entries: Iterable[Any]) -> list[Any]:
        return list(islice(entries, self._redactor.max_items + 1))

    def _object(self, entries: list[tuple[Any, Any]], depth: int) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        named = self._names_a_secret(entries)
        full = len(entries) > self._redactor.max_items
        for key, value in entries[: -2 if full else None]:
            if self._left <= 0 or self._characters <= 0:
                full = True
                break
            name = self._name(key)
            secret = self._is_secret(key, name) or (named and name == "value")
            if name in shown:
                name = next(other for n in range(len(shown), 2**31) if (other := f"[name {n}]") not in shown)
            shown[name] = self._hidden(value) if secret else self.value(value, depth + 1)
        if full:
            # Counted as a value, as it will be where this result is redacted again.
            self._left -= MORE not in shown
            shown[MORE] = LEFT_OUT
        return shown

    def _list(self, entries: list[Any], depth: int) -> list[Any]:
        shown: list[Any] = []
        pair = len(entries) == _PAIR and self._is_secret(entries[0], self._name(entries[0]))
        full = len(entries) > self._redactor.max_items
        for value in entries[: -2 if full else None]:
            if self._left <= 0 or self._characters <= 0:
                full = True
                break
            shown.append(self._hidden(value) if pair and shown else self.value(value, depth + 1))
        if full:
            self._left -= 1
            shown.append(LEFT_OUT)
        return shown

    def _hidden(self, value: Any) -> Any:
        self._left -= 1
        return value if value is None or isinstance(value, bool) else REDACTED

    def _name(self, key: Any) -> str:
        if isinstance(key, str):
            return self._text(str.__str__(key), MAX_KEY_CHARACTERS)
        return str(_single(key))

    def _is_secret(self, key: Any, name: str) -> bool:
        # A cut can also make a name secret, and what is secret must not depend on how often one looks.
        return self._redactor.is_secret(name) or (isinstance(key, str) and self._redactor.is_secret(str.__str__(key)))

    def _names_a_secret(self, entries: list[tuple[Any, Any]]) -> bool:
        """Tell whether an object such as `{"name": "password", "value": ...}` says of itself what it holds."""
        names = [value for key, value in entries if isinstance(key, str) and key.lower() in _NAMED_BY]
        return any(isinstance(name, str) and self._is_secret(name, self._redactor.text(name)) for name in names)


def _single(value: object) -> Any:
    """Return what is no collection and no text, or a note of what it is."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        bits = int.bit_length(value)
        return int(value) if bits <= _LARGEST_BITS else f"[integer of {bits} bits]"
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else f"[{float(value)}]"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if type(value) in {datetime, date, time}:
        return cast("datetime", value).isoformat()
    return f"[{type(value).__name__[:MAX_KEY_CHARACTERS]}]"
