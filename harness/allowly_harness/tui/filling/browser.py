"""Opens a web page in the person's browser, from a process of its own: nothing of it reaches the terminal."""

from __future__ import annotations

import asyncio
import sys
from typing import Final
from urllib.parse import urlsplit

OPEN_SECONDS: Final = 15.0
"""How long the browser may take to be started."""

MAX_URL_CHARACTERS: Final = 8_000
"""Longest address that is opened."""

_OPEN: Final = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def host_of(url: str) -> str:
    """Return the host of an address, "" if it has none or cannot be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def why_not_opened(url: str) -> str:
    """Say why an address is not opened from here, "" if it may be."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        return "it is no address"
    if scheme not in ("http", "https"):
        return "only http and https addresses are opened from here"
    if not host_of(url):
        return "it names no host"
    if len(url) > MAX_URL_CHARACTERS:
        return f"it is longer than {MAX_URL_CHARACTERS:,} characters"
    # Programs disagree on what such characters mean in an address.
    if not (url.isascii() and url.isprintable()) or set(url) & set(' "<>\\^`{|}'):
        return "it holds characters that an address does not have"
    return ""


async def open_in_browser(url: str) -> bool:
    """Open an address; tell whether a browser took it.

    A browser that runs in the terminal finds none and gives up.
    """
    if why_not_opened(url):
        return False
    nowhere = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _OPEN, url), stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
        )
    except OSError:
        return False
    try:
        return await asyncio.wait_for(process.wait(), OPEN_SECONDS) == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
