"""Approvals under clients, sessions and callbacks that exist already; each module is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.adapters.acp import AcpApprover, answer_permission
    from allowly_harness.adapters.fastmcp import ApprovingTransport, approving_client
    from allowly_harness.adapters.mcp_client import ApprovingClient
    from allowly_harness.adapters.permission import PermissionApprover, can_use_tool
    from allowly_harness.adapters.wrapped import approving

__all__ = [
    "AcpApprover",
    "ApprovingClient",
    "ApprovingTransport",
    "PermissionApprover",
    "answer_permission",
    "approving",
    "approving_client",
    "can_use_tool",
]

_HOMES = {
    "AcpApprover": "acp",
    "ApprovingClient": "mcp_client",
    "ApprovingTransport": "fastmcp",
    "PermissionApprover": "permission",
    "answer_permission": "acp",
    "approving": "wrapped",
    "approving_client": "fastmcp",
    "can_use_tool": "permission",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
