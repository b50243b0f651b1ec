"""A guard in front of an MCP server that nobody here can change: what it offers passes through, its calls are decided.

It is served like any server. What it blocks it answers in the documented shapes, so that every client of guarded
servers gets approvals for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.guarding.serving import Guard, open_guard

__all__ = ["Guard", "open_guard"]

_HOMES = {"Guard": "serving", "open_guard": "serving"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
