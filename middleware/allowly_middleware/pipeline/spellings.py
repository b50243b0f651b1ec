"""The other ways to write a resource's address that a server may take for the same resource.

Frameworks decode escapes, drop query and fragment, or resolve dots before they look a resource up (measured on
mcp 2.3 and fastmcp 4.1), and which of these they do depends on the framework. A rule that refuses an address must
hold for all of them, or a caller writes it differently and gets it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation

MAX_ESCAPES: Final = 3
"""How many layers of percent escapes are taken off."""

_SCHEME: Final = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:")
_PREFIX: Final = re.compile(r"^\s*url:", re.IGNORECASE)


def other_spellings(facts: CallFacts) -> tuple[str, ...]:
    """Return how else the resource of a request could be written; empty for other requests.

    Args:
        facts: The request. What is asked of a resource besides reading it, such as a subscription, has its
            address as target too.
    """
    target = facts.target
    if target is None or facts.operation is Operation.TOOL_CALL or _SCHEME.match(target) is None:
        return ()
    return tuple(dict.fromkeys(other for other in _spellings(target) if other != target))


def _spellings(target: str) -> Iterator[str]:
    texts = [target, _PREFIX.sub("", target), target.replace("\\", "/")]
    for _ in range(MAX_ESCAPES):
        texts.append(unquote(texts[-1]))
    for text in dict.fromkeys(spelled for one in texts for spelled in (one, one.strip())):
        yield text
        try:
            parts = urlsplit(text)
        except ValueError:
            continue
        # A fragment or a query is no part of what most frameworks look up.
        yield from _written(parts, parts.path)
        yield from _written(parts, unquote(parts.path).strip())
        if parts.path:
            resolved = posixpath.normpath(unquote(parts.path))
            yield from _written(parts, f"/{resolved.lstrip('/')}")


def _written(parts: SplitResult, path: str) -> Iterator[str]:
    """Return an address with its host, and those that mean the same host: this computer needs no name."""
    scheme, host = parts.scheme.lower(), parts.netloc.lower()
    yield f"{scheme}://{host}{path}"
    if host == "localhost":
        yield f"{scheme}://{path}"
    if not host:
        yield f"{scheme}:{path}"
