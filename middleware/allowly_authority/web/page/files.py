"""The page's own files: one document, its style and its scripts, the same for everybody. There is no build step."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Final

DOCUMENT: Final = "inbox.html"
"""The page itself."""

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file.

    Attributes:
        media_type: What it is, with its encoding.
    """

    content: bytes
    media_type: str


def read_files() -> dict[str, PageFile]:
    """Return all files of the page by name."""
    folder = resources.files("allowly_authority.web.page").joinpath("assets")
    found = ((entry.name, entry.name.rpartition(".")[2], entry) for entry in folder.iterdir() if entry.is_file())
    return {name: PageFile(entry.read_bytes(), _TYPES[ending]) for name, ending, entry in found if ending in _TYPES}
