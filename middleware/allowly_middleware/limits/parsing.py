"""Reads a limit as people write it: `30 per minute`, `100 per 2 hours, burst 20`, `3 per day per tool`."""

from __future__ import annotations

import difflib
import re
from typing import Final, Unpack

from allowly_middleware.limits.keys import KeyFn, by_subject_and_tool, for_everyone
from allowly_middleware.limits.limits import LimitOptions, RateLimit
from allowly_middleware.limits.rates import Rate

MAX_CHARACTERS: Final = 100
"""Longest text of a limit."""

_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_KEYS: Final[dict[str, KeyFn]] = {"per tool": by_subject_and_tool, "for everyone": for_everyone}
_NUMBER: Final = r"[0-9](?:[0-9_]{0,14}[0-9])?"
_LIMIT: Final = re.compile(
    rf"(?P<calls>{_NUMBER}) per (?:(?P<count>{_NUMBER}) )?(?P<unit>[a-z]+)"
    rf"(?:,? burst (?P<burst>{_NUMBER}))?(?:,? (?P<key>per tool|for everyone))?"
)
_EXAMPLES: Final = "'30 per minute', '5 per 10 seconds', '100 per hour, burst 20' or '3 per day per tool'"


class LimitError(ValueError):
    """A text that is no limit.

    Attributes:
        text: As it was given, cut to `MAX_CHARACTERS`.
        problem: What is wrong with it.
        fix: What to write instead.
    """

    def __init__(self, text: str, problem: str, fix: str) -> None:
        self.text, self.problem, self.fix = text[:MAX_CHARACTERS], problem, fix
        super().__init__(f"{self.text!r} {problem}; {fix}")


def parse_limit(text: str, **options: Unpack[LimitOptions]) -> RateLimit:
    """Read a limit.

    The form is COUNT `per` [COUNT] UNIT [`, burst` COUNT] [`per tool` | `for everyone`]: a sliding window, or a token
    bucket where a burst is named. Units are second, minute, hour, day and week, a day being 24 hours. It counts
    each subject, each subject for each tool (`per tool`), or everybody together (`for everyone`).

    Args:
        text: The limit. Letters of either case, and any white space between words.
        options: As `LimitOptions` says; a `key` must not be named in both.

    Raises:
        LimitError: The text is no limit, or a number in it is out of its range.
        ValueError: Another option is not usable.
    """
    found = _LIMIT.fullmatch(" ".join(text.lower().split())) if len(text) <= MAX_CHARACTERS else None
    if found is None:
        raise LimitError(text, "is no limit", f"write {_EXAMPLES}")
    if found["key"] is not None:
        if "key" in options:
            raise LimitError(text, "says whom it counts, and so does `key`", "say it once")
        options["key"] = _KEYS[found["key"]]
    seconds = int(found["count"] or "1") * _seconds(text, found["unit"])
    calls, burst = int(found["calls"]), found["burst"]
    try:
        rate = Rate.window(calls, seconds) if burst is None else Rate.bucket(calls, seconds, int(burst))
    except ValueError as error:
        raise LimitError(text, "cannot be counted", str(error)) from None
    return RateLimit(rate, **options)


def _seconds(text: str, unit: str) -> int:
    singular = unit.removesuffix("s")
    if singular in _UNITS:
        return _UNITS[singular]
    near = difflib.get_close_matches(singular, _UNITS, 1)
    fix = f"did you mean {near[0]!r}?" if near else f"units are {', '.join(_UNITS)}"
    raise LimitError(text, f"has an unknown unit, {unit!r}", fix)
