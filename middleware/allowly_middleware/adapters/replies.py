"""Replies of the pipeline as results of the official SDK, which FastMCP's are made of too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp.server.context import HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    CompleteResult,
    DiscoverResult,
    EmptyResult,
    GetPromptResult,
    InitializeResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    ReadResourceResult,
)
from pydantic import BaseModel, ValidationError

from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import INTERNAL_ERROR, Refusal, Reply

_MODELS: Final[Mapping[Operation, type[BaseModel]]] = {
    Operation.TOOL_CALL: CallToolResult,
    Operation.TOOLS_LIST: ListToolsResult,
    Operation.RESOURCES_LIST: ListResourcesResult,
    Operation.RESOURCE_READ: ReadResourceResult,
    Operation.RESOURCE_TEMPLATES_LIST: ListResourceTemplatesResult,
    Operation.PROMPTS_LIST: ListPromptsResult,
    Operation.PROMPT_GET: GetPromptResult,
    Operation.COMPLETE: CompleteResult,
    Operation.SESSION_START: InitializeResult,
    Operation.OTHER: EmptyResult,
}
_ASKING: Final = frozenset({Operation.TOOL_CALL, Operation.RESOURCE_READ, Operation.PROMPT_GET})


def dumped(result: Any) -> dict[str, Any]:
    """Return a result of the SDK in the words of the protocol."""
    if isinstance(result, dict):
        return result
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return {}


def reply_of(operation: Operation, result: HandlerResult, refusal: Refusal | None = None) -> Reply:
    """Return a result of the SDK as a reply."""
    if isinstance(result, dict):
        asking, state = result.get("resultType") == "input_required", result.get("requestState")
    else:
        asking, state = isinstance(result, InputRequiredResult), getattr(result, "request_state", None)
    text = state if isinstance(state, str) else None
    return Reply(operation, result, dumped, refusal=refusal, asking=asking, state=text)


def model_of(reply: Reply, method: str) -> BaseModel:
    """Return a reply that was made or changed by a handler as a result of the SDK.

    Raises:
        MCPError: It is no result of this method.
    """
    model: type[BaseModel] = _MODELS[reply.operation]
    if method == "server/discover":
        model = DiscoverResult
    if reply.operation in _ASKING and reply.asks_for_input:
        model = InputRequiredResult
    try:
        return model.model_validate(reply.data, by_name=False)
    except ValidationError:
        raise MCPError(INTERNAL_ERROR, "The server's middleware answered with something that is no result.") from None


def finished(reply: Reply, method: str) -> HandlerResult:
    """Return a reply as a middleware of the SDK hands it on.

    Raises:
        MCPError: It is a refusal, and the operation has no error result of its own.
    """
    if reply.native is not None and not reply.was_changed:
        result: HandlerResult = reply.native
        return result
    if reply.refusal is not None and reply.operation is not Operation.TOOL_CALL:
        raise error_of(reply.refusal)
    return model_of(reply, method)


def error_of(refusal: Refusal) -> MCPError:
    """Return the error that a refusal is, for operations without an error result."""
    return MCPError(refusal.code, refusal.message, refusal.decision)
