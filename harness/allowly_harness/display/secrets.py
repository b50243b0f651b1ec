"""Which values are masked until they are revealed, by their name and by their look.

Masking protects from glances and recordings, not from the approver. A mask must not become a place
to hide an action in, so a value is masked for its name only up to a length that real secrets have,
and what stands behind `password=` only as long as it holds nothing that a shell would act on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from allowly_authority.key_shapes import KEY_SHAPES
from allowly_harness.display.sanitize import (
    MAX_BLOCK_CHARACTERS,
    MAX_BLOCK_LINES,
    Shown,
    Span,
    block,
    joined,
    left_out,
    one_line,
)

MAX_SECRET_CHARACTERS: Final = 200
"""Longest value that is masked for its name alone. Longer ones are shown: they are no passwords."""

_WORDS: Final = (
    "password|passwd|pwd|passphrase|secret|token|(?:api|access|private|signing)[-_ ]?key|"
    "credentials?|cookie|authorization|bearer|otp|pin|cvv|cvc"
)
_SECRET_NAME: Final = re.compile(rf"(?:^|[_\-. ])(?:{_WORDS})(?:$|[_\-. ])", re.IGNORECASE)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# Each pattern begins with a literal and repeats a bounded number of times, so that a search takes linear time and
# little of it, and so that nothing else fits behind a mask.
_KEYS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        *(shape.pattern(bounded=True) for shape in KEY_SHAPES),
        # Bounded by the dashes of its own end, or by what no key file holds.
        (
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s\\:,]|-(?!----)){1,32000}"
            r"(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
        ),
    )
)

# JSON Web Tokens (RFC 7519): header, payload and signature with dots between, the header an object in base64url. They
# are taken apart at the dots: a pattern would read on to the next dot anew from each `eyJ`.
_DOTTED: Final = re.compile(r"[A-Za-z0-9_.-]+")
_HEADER: Final = "eyJ"
_LEAST: Final = 8
_MOST_HEADER: Final = 2000
_MOST_PAYLOAD: Final = 4000
_MOST_SIGNATURE: Final = 1000

# Secrets by what stands before them; the group is the secret.
_CARRIED: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"[Bb]earer ([A-Za-z0-9._~+/-]{16,2000}=*)",
        r"[Aa]uthorization: {0,3}[Bb]asic ([A-Za-z0-9+/]{4,1000}={0,2})",
        # The password of a URL stands behind `user:` and before the `@` (RFC 3986, section 3.2.1).
        r"://[^\s/?#@:\"'<>\\]{0,64}:([^\s/?#@\"'<>\\]{1,200})@",
    )
)


def _any_case(words: str) -> str:
    return "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word) for word in words.split())


# `password=...` and the like. The first letters stand in sets, which a search skips to; ignoring case would not.
_ASSIGNED: Final = re.compile(
    rf"({_any_case('password passwd passphrase pwd secret token key')})"
    r"[\"']?[ \t]{0,3}[=:][ \t]{0,3}[\"']?([^\s\"'&;,|<>$(){}`\\]{4,200})(?![$(`\\])"
)
_KEY_OF: Final = re.compile(r"(?:api|access|account|private|signing|shared|secret)[ _-]?$", re.IGNORECASE)
_KEY_CHARACTERS: Final = 12

# What every secret of the patterns above begins with or stands behind: most texts have nothing of it.
_TRACE: Final = re.compile(
    r"[sprSPR][kK][-_]|sec_|allowly_|gh[a-z]_|_pat_|glpat-|xox|xapp-|A[KSBC][IC]A|AIza|ya29|GOCSPX|npm_|pypi-|hf_|"
    r"dop_v1_|SG\.|AGE-|eyJ|hooks|-----B|earer |asic |://|[=:]"
)
_SHORTEST: Final = 8

LONGEST_SECRET: Final = 32_100
"""No secret that is found is longer, in characters."""


def is_secret_name(name: str) -> bool:
    """Tell whether an argument's name says that its value is a secret (`api_key`, `accessToken`)."""
    return _SECRET_NAME.search(_CAMEL.sub("_", name[:MAX_SECRET_CHARACTERS])) is not None


def secret_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Return the (start, end) offsets, in order, of what looks like a key, a token or a password in `text`."""
    if len(text) < _SHORTEST or not _TRACE.search(text):
        return ()
    return tuple(_united(sorted(_found(text))))


def _found(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _KEYS:
        for match in pattern.finditer(text):
            if not text[match.start() - 1 : match.start()].isalnum():
                yield match.span()
    if _HEADER in text:
        for dotted in _DOTTED.finditer(text):
            yield from _web_tokens(text, dotted.start(), dotted[0].split("."))
    for pattern in _CARRIED:
        yield from (match.span(1) for match in pattern.finditer(text))
    for match in _ASSIGNED.finditer(text):
        start = match.start()
        if match[1].lower() != "key" or _KEY_OF.search(text[max(0, start - _KEY_CHARACTERS) : start]):
            yield match.span(2)


def _web_tokens(text: str, start: int, parts: list[str]) -> Iterator[tuple[int, int]]:
    """Yield where JSON Web Tokens stand in a text, in what begins at `start` and is made of parts with dots between."""
    free = 0
    for number, (header, payload, signature) in enumerate(zip(parts, parts[1:], parts[2:], strict=False)):
        if number >= free and _LEAST <= len(payload) <= _MOST_PAYLOAD and len(signature) >= _LEAST:
            begin = _header(text, start, start + len(header))
            if begin is not None:
                behind = start + len(header) + 1 + len(payload) + 1
                yield begin, behind + min(len(signature), _MOST_SIGNATURE)
                free = number + 3
        start += len(header) + 1


def _header(text: str, start: int, end: int) -> int | None:
    """Return where the header of a token begins that ends at `end`, in a part that begins at `start`."""
    first, last = max(start, end - len(_HEADER) - _MOST_HEADER), max(start, end - _LEAST)
    at = text.find(_HEADER, first, last)
    while at >= 0 and text[at - 1 : at].isalnum():
        at = text.find(_HEADER, at + 1, last)
    return None if at < 0 else at


def _united(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    start = end = -1
    for first, last in ranges:
        if first > end:
            if start >= 0:
                yield start, end
            start, end = first, last
        end = max(end, last)
    if start >= 0:
        yield start, end


def mask(characters: int) -> Shown:
    """Return what stands in the place of a masked text."""
    unit = "character" if characters == 1 else "characters"
    return Shown((Span(f"<{characters:,} {unit} masked>", altered=True),))


def masked_text(text: str) -> tuple[tuple[Shown, ...], int]:
    """Sanitise one line of free text (an error, a log line) with what looks secret masked.

    Returns:
        The pieces in order, and how many were masked.
    """
    ranges = secret_ranges(text)
    shown = [mask(len(piece)) if is_secret else one_line(piece) for piece, is_secret in _pieces(text, ranges)]
    return tuple(shown), len(ranges)


def masked_block(
    text: str, *, revealed: bool = False, max_lines: int = MAX_BLOCK_LINES, limit: int = MAX_BLOCK_CHARACTERS
) -> tuple[tuple[Shown, ...], int]:
    """Sanitise several lines of free text, as `sanitize.block` does, with what looks secret masked.

    Args:
        text: Anything, from anyone.
        revealed: Whether secrets are shown.
        max_lines: Most lines that are kept, without the line that says what is missing.
        limit: Most characters of the original that are looked at and kept.

    Returns:
        The lines, and how many secrets in them were masked.
    """
    ranges = () if revealed else secret_ranges(text[: limit + MAX_SECRET_CHARACTERS])
    if not ranges:
        return block(text, max_lines=max_lines, limit=limit), 0
    lines: list[list[Shown]] = [[]]
    for piece, is_secret in _pieces(text[:limit], ranges):
        if is_secret:
            lines[-1].append(mask(len(piece)))
        else:
            first, *others = piece.replace("\r\n", "\n").replace("\t", "    ").split("\n")
            lines[-1].append(one_line(first))
            lines += ([one_line(other)] for other in others)
    shown = [joined(line) for line in lines[:max_lines]]
    more_lines = len(lines) - len(shown) + text.count("\n", limit)
    more_characters = max(0, len(text) - limit) + sum(line.cut for line in shown)
    if more_lines or more_characters:
        shown.append(left_out(more_lines, more_characters))
    return tuple(shown), len(ranges)


def _pieces(text: str, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    position = 0
    for start, end in ranges:
        yield text[position:start], False
        yield text[start:end], True
        position = end
    yield text[position:], False
