"""A pipeline in front of an MCP server: handlers, policy, limits and approval, in one order, for every operation.

Nothing here knows a server framework; the adapters do. Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_middleware.pipeline.facts import CallFacts
    from allowly_middleware.pipeline.operations import Operation
    from allowly_middleware.pipeline.patterns import Pattern, PatternError, PatternIndex
    from allowly_middleware.pipeline.subjects import ANONYMOUS, Subject

__all__ = ["ANONYMOUS", "CallFacts", "Operation", "Pattern", "PatternError", "PatternIndex", "Subject"]

_HOME: Final = {
    "ANONYMOUS": "subjects",
    "CallFacts": "facts",
    "Operation": "operations",
    "Pattern": "patterns",
    "PatternError": "patterns",
    "PatternIndex": "patterns",
    "Subject": "subjects",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
