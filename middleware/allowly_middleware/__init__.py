"""Guards the tools of an MCP server with the authorization API: one object for every kind of server.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_middleware.facts import BOUND, CallFacts, CheckInput
    from allowly_middleware.gate import Gate
    from allowly_middleware.middleware import AllowlyMCPMiddleware
    from allowly_middleware.verdicts import Verdict

__all__ = ["BOUND", "AllowlyMCPMiddleware", "CallFacts", "CheckInput", "Gate", "Verdict"]

_HOME: Final = {
    "BOUND": "facts",
    "AllowlyMCPMiddleware": "middleware",
    "CallFacts": "facts",
    "CheckInput": "facts",
    "Gate": "gate",
    "Verdict": "verdicts",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
