"""The servers that other MCP hosts have configured: where their files stand and what they say. Nothing is started."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.hosts.entries import Entry
    from allowly_harness.hosts.finding import Found, find_servers
    from allowly_harness.hosts.places import Surroundings

__all__ = ["Entry", "Found", "Surroundings", "find_servers"]

_HOMES = {"Entry": "entries", "Found": "finding", "Surroundings": "places", "find_servers": "finding"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
