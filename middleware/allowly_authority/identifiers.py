"""What an identifier may look like, on both sides of the wire.

Identifiers come from servers that may be hostile, and end up in URL paths. Percent-encoding alone
does not help: a nonce of `..` stays a dot segment and changes which endpoint is called.
"""

from __future__ import annotations

import re
import secrets
from typing import Final, TypeGuard

MAX_ID_CHARACTERS: Final = 256
"""Longest identifier that is accepted, in characters."""

_USABLE: Final = re.compile(rf"[A-Za-z0-9_.~:-]{{1,{MAX_ID_CHARACTERS}}}")
_RANDOM_BYTES: Final = 16


def is_usable_id(value: object) -> TypeGuard[str]:
    """Tell whether `value` is an identifier that may stand in a URL path."""
    return isinstance(value, str) and value not in {".", ".."} and _USABLE.fullmatch(value) is not None


def new_id(prefix: str) -> str:
    """Make an identifier with 128 random bits, such as `rcp_3f...`."""
    return f"{prefix}_{secrets.token_hex(_RANDOM_BYTES)}"
