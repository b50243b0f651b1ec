"""Which argument values are masked until they are revealed, by their name and by their look.

Masking protects from glances and recordings, not from the approver. A mask must not become a place
to hide an action in, so a value is masked for its name only up to a length that real secrets have.
"""

from __future__ import annotations

import re
from typing import Final

from allowly_harness.display.sanitize import Shown, Span, one_line

MAX_SECRET_CHARACTERS: Final = 200
"""Longest value that is masked for its name alone. Longer ones are shown: they are no passwords."""

_WORDS: Final = (
    "password|passwd|pwd|passphrase|secret|token|api_?key|access_?key|private_?key|signing_?key|"
    "credentials?|cookie|authorization|bearer|otp|pin|cvv|cvc"
)
_SECRET_NAME: Final = re.compile(rf"(?:^|[_\-. ])(?:{_WORDS})(?:$|[_\-. ])", re.IGNORECASE)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_VALUE: Final = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:live[-_]|test[-_]|proj[-_]|ant[-_])?[A-Za-z0-9_-]{16,200}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,255}|\bgithub_pat_[A-Za-z0-9_]{20,255}|\bglpat-[A-Za-z0-9_-]{16,200}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,200}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{35}"
    r"|\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,1000}"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/-]{16,2000}=*"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{1,8000}?-----END [A-Z ]{0,30}PRIVATE KEY-----",
    re.DOTALL,
)


def is_secret_name(name: str) -> bool:
    """Tell whether an argument's name says that its value is a secret (`api_key`, `accessToken`)."""
    return _SECRET_NAME.search(_CAMEL.sub("_", name[:MAX_SECRET_CHARACTERS])) is not None


def secret_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Return the (start, end) offsets of what looks like a key, a token or a private key in `text`."""
    return tuple(match.span() for match in _SECRET_VALUE.finditer(text))


def mask(characters: int) -> Shown:
    """Return what stands in the place of a masked text."""
    unit = "character" if characters == 1 else "characters"
    return Shown((Span(f"<{characters:,} {unit} masked>", altered=True),))


def masked_text(text: str) -> tuple[tuple[Shown, ...], int]:
    """Sanitise free text of our own side (an error, a log line) with what looks secret masked.

    Returns:
        The pieces in order, and how many were masked.
    """
    pieces: list[Shown] = []
    position = 0
    ranges = secret_ranges(text)
    for start, end in ranges:
        pieces += [one_line(text[position:start]), mask(end - start)]
        position = end
    pieces.append(one_line(text[position:]))
    return tuple(pieces), len(ranges)
