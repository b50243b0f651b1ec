"""How a server of a host's file is shown: the whole command, but no character that acts and no value that is secret."""

from __future__ import annotations

import re
import shlex
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from allowly_harness.display.sanitize import one_line
from allowly_harness.display.secrets import is_secret_name, mask, secret_ranges
from allowly_harness.hosts.entries import MAX_TEXT_CHARACTERS, Entry

# Some services put the key into the path of the address; what looks like one is long and holds a digit.
_KEY_IN_PATH: Final = re.compile(r"(?<=/)(?=[^/]*[0-9])[A-Za-z0-9_=.~-]{20,}(?=/|$)")
_WORD: Final = re.compile(r"[A-Za-z0-9_~+][A-Za-z0-9_~+=-]{3,199}")
_MASKED: Final = "MASKED"


def shown_server(entry: Entry) -> str:
    """Return the command or the address of a server as its file has it, on one line."""
    return shown_url(entry.url) if entry.url is not None else shown_command(entry.command)


def shown_command(words: tuple[str, ...]) -> str:
    """Return a command as it would be typed, in full; what looks like a key or a password is masked.

    What stands behind an option such as `--api-key` is masked, too, if it can be nothing but a word:
    a mask must not hide what is run.
    """
    shown: list[str] = []
    before = ""
    for word in words:
        is_value = before.startswith("-") and is_secret_name(before.lstrip("-")) and _WORD.fullmatch(word)
        shown.append(mask(len(word)).text if is_value else _without_secrets(shlex.quote(word)))
        before = word
    return " ".join(shown)


def _without_secrets(text: str) -> str:
    pieces: list[str] = []
    position = 0
    for start, end in secret_ranges(text):
        pieces += [_line(text[position:start]), mask(end - start).text]
        position = end
    return "".join((*pieces, _line(text[position:])))


def shown_url(url: str) -> str:
    """Return an address without credentials and query, and without what looks like a key in its path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an address that cannot be read)"
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
    return _without_secrets(_KEY_IN_PATH.sub(_MASKED, bare))


def _line(text: str) -> str:
    # Nothing is cut: what somebody is asked to run must be shown to its end.
    return one_line(text, limit=4 * MAX_TEXT_CHARACTERS, exact=True).text
