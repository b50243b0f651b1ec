"""MCP served to a host that nobody here controls, with an approving session behind it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.bridge.http import serve_http
    from allowly_harness.bridge.serving import Bridge, open_bridge

__all__ = ["Bridge", "open_bridge", "serve_http"]

_HOMES = {"Bridge": "serving", "open_bridge": "serving", "serve_http": "http"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
