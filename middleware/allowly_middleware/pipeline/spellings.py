"""The other ways to write a resource's address that a server may take for the same resource.

Frameworks decode escapes, drop query and fragment, or resolve dots before they look a resource up (measured on
mcp 2.3 and fastmcp 4.1), and which of these they do depends on the framework. A rule that refuses an address must
hold for all of them, or a caller writes it differently and gets it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import SplitResult, unquote, urlsplit

from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation


def other_spellings(facts: CallFacts) -> tuple[str, ...]:
    """Return how else the resource of a request could be written; empty for other requests.

    Args:
        facts: The request. What is asked of a resource besides reading it, such as a subscription, has its
            address as target too.
    """
    target = facts.target
    if target is None or facts.operation is Operation.TOOL_CALL or "://" not in target:
        return ()
    return tuple(dict.fromkeys(other for other in _spellings(target) if other != target))


def _spellings(target: str) -> Iterator[str]:
    for text in (target, target.strip(), unquote(target), unquote(target).strip()):
        yield text
        try:
            parts = urlsplit(text)
        except ValueError:
            continue
        # A fragment or a query is no part of what most frameworks look up.
        yield _written(parts, parts.path)
        yield _written(parts, unquote(parts.path)).strip()
        if parts.path:
            resolved = posixpath.normpath(unquote(parts.path))
            yield _written(parts, f"/{resolved.lstrip('/')}")


def _written(parts: SplitResult, path: str) -> str:
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{path}"
