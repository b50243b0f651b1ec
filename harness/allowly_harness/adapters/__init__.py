"""Approvals under clients, sessions and callbacks that exist already; each module is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.adapters.acp import AcpApprover, answer_permission
    from allowly_harness.adapters.agent_framework import approving_mcp_tool
    from allowly_harness.adapters.fastmcp import ApprovingTransport, approving_client
    from allowly_harness.adapters.google_adk import approving_mcp_toolset
    from allowly_harness.adapters.langchain import langchain_tools
    from allowly_harness.adapters.llama_index import approving_basic_client
    from allowly_harness.adapters.mcp_client import ApprovingClient
    from allowly_harness.adapters.openai_agents import approving_server
    from allowly_harness.adapters.permission import PermissionApprover, can_use_tool
    from allowly_harness.adapters.pydantic_ai import ApprovingMCPToolset
    from allowly_harness.adapters.resuming import resume_call
    from allowly_harness.adapters.wrapped import approving

__all__ = [
    "AcpApprover",
    "ApprovingClient",
    "ApprovingMCPToolset",
    "ApprovingTransport",
    "PermissionApprover",
    "answer_permission",
    "approving",
    "approving_basic_client",
    "approving_client",
    "approving_mcp_tool",
    "approving_mcp_toolset",
    "approving_server",
    "can_use_tool",
    "langchain_tools",
    "resume_call",
]

_HOMES = {
    "AcpApprover": "acp",
    "ApprovingClient": "mcp_client",
    "ApprovingMCPToolset": "pydantic_ai",
    "ApprovingTransport": "fastmcp",
    "PermissionApprover": "permission",
    "answer_permission": "acp",
    "approving": "wrapped",
    "approving_basic_client": "llama_index",
    "approving_client": "fastmcp",
    "approving_mcp_tool": "agent_framework",
    "approving_mcp_toolset": "google_adk",
    "approving_server": "openai_agents",
    "can_use_tool": "permission",
    "langchain_tools": "langchain",
    "resume_call": "resuming",
}

_EXTRAS = {
    "agent_framework": "agent-framework",
    "fastmcp": "fastmcp",
    "google_adk": "google-adk",
    "langchain": "langchain",
    "llama_index": "llama-index",
    "openai_agents": "openai-agents",
    "pydantic_ai": "pydantic-ai",
}
"""The extra that a module needs, where it needs one."""


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{home}")
    except ModuleNotFoundError as error:
        if home not in _EXTRAS:
            raise
        raise ImportError(f"{name} needs an extra: pip install 'allowly-harness[{_EXTRAS[home]}]'") from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
