"""Remarks on names and values that pose as something else. They stand beside the text and never change it.

Every string of the arguments is looked at, however deep; what is said is bounded, what is left unsaid
is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, cast

from allowly_harness.display.hosts import host_remarks
from allowly_harness.display.sanitize import identifier
from allowly_harness.display.scripts import is_mixed, poses_as, scripts_of, skeleton

MAX_REMARKS: Final = 3
"""Most remarks on one argument; more are only counted."""

MAX_STRINGS: Final = 20_000
"""How many strings of one argument are looked at."""

MAX_NAMES: Final = 500
"""How many names of one object are compared with each other."""

MAX_STRING_CHARACTERS: Final = 1_000_000
"""How much of the strings of one argument is looked at, in characters."""

_MAX_COUNTED: Final = 100


def remark_on_name(name: str) -> str:
    """Say that a tool's, argument's or server's name poses as another one, "" if it does not."""
    if name.isascii():
        return ""
    posed = poses_as(name)
    if posed:
        return f'looks like "{identifier(posed)}" and is not'
    return "mixed scripts" if is_mixed(scripts_of(name)) else ""


def remarks_on_value(value: Any) -> tuple[str, ...]:
    """Return what is odd about the hosts and names in a JSON value: at most `MAX_REMARKS` and a count."""
    found: dict[str, None] = {}
    for remark in _remarks(value):
        found[remark] = None
        if len(found) >= _MAX_COUNTED:
            break
    remarks = list(found)
    if len(remarks) > MAX_REMARKS:
        more = len(remarks) - MAX_REMARKS
        remarks[MAX_REMARKS:] = [f"{more}{' or' if len(found) == _MAX_COUNTED else ''} more remarks like these"]
    return tuple(remarks)


def same_looking(names: Iterable[str]) -> Mapping[str, str]:
    """Return, for each name that looks like an earlier one (`amount`, `arnount`), that earlier name.

    The first `MAX_NAMES` names are compared.
    """
    first: dict[str, str] = {}
    alike: dict[str, str] = {}
    for name in islice(names, MAX_NAMES):
        earlier = first.setdefault(skeleton(name[:_MAX_COUNTED]), name)
        if earlier != name:
            alike[name] = earlier
    return alike


def _remarks(value: Any) -> Iterator[str]:
    characters = 0
    for number, found in enumerate(_walk(value)):
        characters += len(found)
        if number >= MAX_STRINGS or characters > MAX_STRING_CHARACTERS:
            yield "too much text to look all of it over for odd hosts"
            return
        yield from host_remarks(found) if isinstance(found, str) else _name_remarks(found)


def _name_remarks(names: Sequence[str]) -> Iterator[str]:
    for name in islice(names, MAX_NAMES):
        remark = remark_on_name(name)
        if remark:
            yield f'the name "{identifier(name)}" {remark}'
    for name, earlier in same_looking(names).items():
        yield f'the names "{identifier(earlier)}" and "{identifier(name)}" look alike'


def _walk(value: Any) -> Iterator[str | Sequence[str]]:
    """Yield every string of a JSON value, and the names of every object in it, in order."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            named = cast("Mapping[str, Any]", item)
            yield tuple(named)
            waiting += reversed(list(named.values()))
        elif isinstance(item, list | tuple):
            waiting += reversed(cast("Sequence[Any]", item))
