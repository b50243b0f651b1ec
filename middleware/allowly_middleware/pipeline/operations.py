"""The operations of an MCP server, by the names that routes, policies and records use."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self


class Operation(StrEnum):
    """What a request asks of a server."""

    TOOL_CALL = "tool:call"
    TOOLS_LIST = "tools:list"
    RESOURCES_LIST = "resources:list"
    RESOURCE_READ = "resource:read"
    RESOURCE_TEMPLATES_LIST = "resource-templates:list"
    PROMPTS_LIST = "prompts:list"
    PROMPT_GET = "prompt:get"
    COMPLETE = "completion:complete"
    SESSION_START = "session:start"
    """`initialize`, or `server/discover` of the protocol that has no sessions."""
    OTHER = "other"
    """Everything else, such as `ping`, subscriptions, logging levels, tasks and notifications."""

    @classmethod
    def of_method(cls, method: str) -> Self:
        """Return the operation of a JSON-RPC method; `OTHER` for one that has no name here."""
        return cls(_OPERATIONS.get(method, "other"))

    @property
    def is_list(self) -> bool:
        """Whether the answer is a list whose items are looked at one by one."""
        return self in _LISTS


_OPERATIONS: Final = MappingProxyType(
    {
        "tools/call": "tool:call",
        "tools/list": "tools:list",
        "resources/list": "resources:list",
        "resources/read": "resource:read",
        "resources/templates/list": "resource-templates:list",
        "prompts/list": "prompts:list",
        "prompts/get": "prompt:get",
        "completion/complete": "completion:complete",
        "initialize": "session:start",
        "server/discover": "session:start",
    }
)
_LISTS: Final = frozenset(
    {
        Operation.TOOLS_LIST,
        Operation.RESOURCES_LIST,
        Operation.RESOURCE_TEMPLATES_LIST,
        Operation.PROMPTS_LIST,
    }
)
