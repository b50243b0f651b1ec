"""The small values of the API: dialects, names, timestamps."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, StringConstraints

Dialect = Literal["scopes", "actions"]
"""Which of the two published forms of the API a request uses; they differ in names and reason words."""

MAX_CHECK_NAMES: Final = 25
"""Most scopes or actions in one check."""

MAX_CONTEXT_BYTES: Final = 4096
"""Longest `context` and `metadata`, in bytes of canonical JSON."""

MAX_TTL_SECONDS: Final = 300
"""Longest window that an approval opens."""

DEFAULT_TTL_SECONDS: Final = 60
"""The window where the approver names none."""

_TIMESTAMP: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})")
_PYTHON_DIGITS: Final = re.compile(r"(\.\d{6})\d+")


def parse_timestamp(value: Any) -> Any:
    """Turn an RFC 3339 timestamp with a zone into an aware datetime; refuse every other string."""
    if not isinstance(value, str):
        return value
    if _TIMESTAMP.fullmatch(value) is None:
        raise ValueError("must be an RFC 3339 timestamp with a time zone")
    try:
        return datetime.fromisoformat(_PYTHON_DIGITS.sub(r"\1", value)).astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def format_timestamp(milliseconds: int) -> str:
    """Write milliseconds since 1970 as the API does: `2026-11-22T10:05:00.000Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    # Each check writes several times, of few different seconds.
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


Timestamp = Annotated[datetime, BeforeValidator(parse_timestamp)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.~:-]{1,256}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
