"""What counts as a secret in a log: values by the name that they stand under, texts by their look.

A log has no reader who must see all, so what merely may be a secret is taken for one. Every pattern takes time
linear in the text: it begins with a literal, and behind what repeats without bound it asks for nothing more.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from allowly_authority.key_shapes import KEY_SHAPES

LONGEST_START: Final = 600
"""No secret needs more of the text to be recognised, in characters. It may go on behind that."""

MAX_NAME_CHARACTERS: Final = 1000
"""How much of a name is looked at."""

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN: Final = re.compile(r"[^a-z0-9]+")
_NAME: Final = re.compile(
    r"_(?:passwords?|passwd|pwd|passphrase|passcode|secrets?|token|bearer|jwt|pat|otp|totp|pin|cvv|cvc|"
    r"credentials?|creds|cookies?|authorization|signature|"
    r"(?:api|access|account|private|signing|shared|secret|encryption|ssh|service|client|master)_?keys?|apikeys?|"
    r"nonce|escalation_id|request_state|session_id|connection_string|dsn)_"
)

# The words in text that stand before a secret; the first letters stand in sets, which a search skips to.
_ASSIGNED_WORDS: Final = (
    r"[Pp](?i:assword|asswd|assphrase|wd)|[Ss](?i:ecret|ignature)|[Tt](?i:oken)|[Nn](?i:once)|"
    r"[Aa](?i:pi[-_ ]?key|ccess[-_ ]?key|ccount[-_ ]?key)|[Ss](?i:igning[-_ ]?key|hared[-_ ]?key|ecret[-_ ]?key)|"
    r"[Pp](?i:rivate[-_ ]?key)|[Ee](?i:scalation_id)|[Rr](?i:equest_?state)|[Cc](?i:ookie)"
)

_WHOLE: Final = tuple(
    re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})")
    for pattern in (
        *(shape.pattern(bounded=False) for shape in KEY_SHAPES),
        r"allowly-1\.[A-Za-z0-9_.-]{8,}",  # the state of a question between two legs
        r"(?:cnf|esc)_[A-Za-z0-9_-]{8,}",  # what opens a confirmation or an escalation
        # A JSON Web Token, or any other JSON in base64url that is longer than a word.
        r"eyJ(?:[A-Za-z0-9_-]{17,}|[A-Za-z0-9_-]{8,16}\.[A-Za-z0-9_-]+)(?:\.[A-Za-z0-9_-]*)*",
        # 32 random bytes in base64url: a nonce of the authority, or a key without its prefix.
        r"(?=[a-z0-9_-]{0,42}[A-Z])(?=[A-Z0-9_-]{0,42}[a-z])(?=[A-Za-z_-]{0,42}[0-9])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])",
    )
)
_KEY_BLOCK: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,.()]|-(?!----))*"
    r"(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
)

# Secrets by what stands before them; the one group that matched is the secret.
_CARRIED: Final = (
    re.compile(r"[Bb](?i:earer)(?:[ \t]{1,3}|%20|\+)([A-Za-z0-9._~+/-]{6,}={0,3})"),
    re.compile(r"[Bb](?i:asic)[ \t]{1,3}(?=[A-Za-z+/_-]{0,100}[0-9=])([A-Za-z0-9+/_-]{4,}={0,2})"),
    # The password of a URL stands behind `user:` and before the `@` (RFC 3986, section 3.2.1).
    re.compile(r"://[^\s/?#@:\"'<>\\]{0,64}:([^\s/?#@\"'<>\\]{1,200})@"),
    re.compile(
        rf"(?:{_ASSIGNED_WORDS})\\{{0,3}}[\"']?[ \t]{{0,3}}(?:[=:]>?|%3D)[ \t]{{0,3}}\\{{0,3}}"
        r"(?:\"([^\"\\]+)|'([^'\\]+)|([^\s\"'&;,|<>(){}\\]+))"
    ),
)

# What every secret begins with, and what stands before one: most texts have nothing of it.
_TRACE: Final = re.compile(
    r"[sprSPR][kK][-_]|sec_|llowly[-_]|cnf_|esc_|gh[a-z]_|_pat_|glpat-|xox|xapp-|A[KSBC][IC]A|AIza|ya29|GOCSPX|npm_|pypi-|"
    r"hf_|dop_v1_|SG\.|AGE-|eyJ|hooks|-----B|[A-Za-z0-9_-]{43}"
)
_CARRIER: Final = re.compile(r"[=:]|%3D|(?i:earer|asic)")
_NAMES_KEPT: Final = 4096


@lru_cache(_NAMES_KEPT)
def is_secret_name(name: str) -> bool:
    """Tell whether what stands under a name is a secret (`api_key`, `accessToken`, `X-Api-Key`)."""
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name[:MAX_NAME_CHARACTERS])
    words = _BETWEEN.sub("_", _CAMEL.sub("_", name[:MAX_NAME_CHARACTERS]).lower())
    return _NAME.search(f"_{words}_") is not None


def secret_ranges(text: str, more: Iterable[re.Pattern[str]] = ()) -> Sequence[tuple[int, int]]:
    """Find what looks secret in a text.

    Args:
        text: Any text.
        more: Further patterns; where one has groups, the last one that matched is the secret.

    Returns:
        The (start, end) offsets in order, none overlapping.
    """
    found = [match.span(match.lastindex or 0) for pattern in more for match in pattern.finditer(text)]
    if _TRACE.search(text):
        found += [match.span() for pattern in (*_WHOLE, _KEY_BLOCK) for match in pattern.finditer(text)]
    if _CARRIER.search(text):
        found += [match.span(match.lastindex or 0) for pattern in _CARRIED for match in pattern.finditer(text)]
    if not found:
        return ()
    return tuple(_united(sorted(span for span in found if span[0] < span[1])))


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
