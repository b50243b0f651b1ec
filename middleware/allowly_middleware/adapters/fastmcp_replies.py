"""Replies of the pipeline as results of FastMCP. A result that nobody looked at is handed on as it is.

FastMCP's lists hold its own components. An item that a handler has changed becomes a copy of its
component, with the fields that a list shows.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    InputRequiredResult,
    Prompt,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ValidationError

from allowly_middleware.adapters.replies import dumped, error_of, model_of, reply_of
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import INTERNAL_ERROR, LIST_FIELDS, Refusal, Reply, text_block

_KEYS: Final[Mapping[Operation, tuple[str, str]]] = {
    Operation.TOOLS_LIST: ("name", "name"),
    Operation.RESOURCES_LIST: ("uri", "uri"),
    Operation.RESOURCE_TEMPLATES_LIST: ("uri_template", "uriTemplate"),
    Operation.PROMPTS_LIST: ("name", "name"),
}
"""What names an item: in FastMCP, and in the words of the protocol."""

_SHOWN: Final[Mapping[str, str]] = {"title": "title", "description": "description", "_meta": "meta"}
"""The fields of an item that a handler may change, and what FastMCP calls them. Annotations come on top."""


def native_reply(operation: Operation, result: Any, uri: str | None, refusal: Refusal | None = None) -> Reply:
    """Return a result of FastMCP as a reply.

    Args:
        operation: What was asked for.
        result: What the rest of the chain returned.
        uri: The resource that was read.
        refusal: Why it is a refusal, where it is one.
    """
    if operation not in _DUMPS:
        return reply_of(operation, result, refusal)
    asked = _asked(result)
    state = None if asked is None else asked.request_state

    def dump(native: Any) -> dict[str, Any]:
        return _dumped(operation, native, uri)

    return Reply(operation, result, dump, refusal=refusal, asking=asked is not None, state=state)


def error_reply(operation: Operation, error: Exception) -> Reply | None:
    """Return the failure of a tool as the error result that FastMCP would make of it; `None` for any other."""
    from fastmcp.exceptions import FastMCPError

    if operation is not Operation.TOOL_CALL or not isinstance(error, FastMCPError):
        return None
    return Reply(operation, data=error_data(error), error=error)


def error_data(error: Exception) -> dict[str, Any]:
    """Return the error result of a tool's failure, in the words of the protocol."""
    return {"content": [text_block(str(error))], "isError": True}


def adopted(operation: Operation, answer: Any, uri: str | None) -> Reply | None:
    """Return what a handler returned as a reply, if it is a result of FastMCP or of the SDK."""
    from fastmcp.prompts.base import PromptResult
    from fastmcp.resources.base import ResourceResult
    from fastmcp.tools.base import ToolResult

    kinds: dict[Operation, Any] = {
        Operation.TOOL_CALL: ToolResult,
        Operation.RESOURCE_READ: ResourceResult,
        Operation.PROMPT_GET: PromptResult,
    }
    if operation in kinds and isinstance(answer, kinds[operation]):
        return native_reply(operation, answer, uri)
    if operation is Operation.TOOL_CALL and not isinstance(answer, CallToolResult | InputRequiredResult):
        return None
    return Reply(operation, data=dumped(answer)) if isinstance(answer, BaseModel) else None


def finished(reply: Reply, method: str, listed: Sequence[Any]) -> Any:
    """Return a reply as a middleware of FastMCP hands it on.

    Args:
        reply: The reply.
        method: The JSON-RPC method.
        listed: The components of a list, before anybody took something out.

    Raises:
        MCPError: It is a refusal, and the operation has no error result, or it is no result of this method.
        Exception: The tool's own failure, if nobody has changed it.
    """
    if reply.error is not None and reply.data == error_data(reply.error):
        raise reply.error
    if reply.native is not None and not reply.was_changed:
        return reply.native
    if reply.refusal is not None and reply.operation is not Operation.TOOL_CALL:
        raise error_of(reply.refusal)
    if reply.operation in LIST_FIELDS:
        return _components(reply, listed)
    model = model_of(reply, method)
    try:
        return _NATIVE[reply.operation](model) if reply.operation in _NATIVE else model
    except (TypeError, ValueError):
        raise MCPError(INTERNAL_ERROR, "The server's middleware answered with something that is no result.") from None


def _tool(model: Any) -> Any:
    from fastmcp.tools.base import InputRequiredToolResult, ToolResult

    return (
        InputRequiredToolResult(model) if isinstance(model, InputRequiredResult) else ToolResult.from_mcp_result(model)
    )


def _resource(model: Any) -> Any:
    from fastmcp.resources.base import InputRequiredResourceResult, ResourceContent, ResourceResult

    if isinstance(model, InputRequiredResult):
        return InputRequiredResourceResult(model)
    read = cast("ReadResourceResult", model)
    contents: list[ResourceContent] = []
    for item in read.contents:
        text: str | None = getattr(item, "text", None)
        content = base64.b64decode(getattr(item, "blob", "")) if text is None else text
        contents.append(ResourceContent(content, item.mime_type, item.meta))
    return ResourceResult(contents, meta=read.meta)


def _prompt(model: Any) -> Any:
    from fastmcp.prompts.base import InputRequiredPromptResult, Message, PromptResult

    if isinstance(model, InputRequiredResult):
        return InputRequiredPromptResult(model)
    messages = [Message(message.content, message.role) for message in model.messages]
    return PromptResult(messages, description=model.description, meta=model.meta)


_NATIVE: Final[Mapping[Operation, Callable[[Any], Any]]] = {
    Operation.TOOL_CALL: _tool,
    Operation.RESOURCE_READ: _resource,
    Operation.PROMPT_GET: _prompt,
}


def _asked(native: Any) -> InputRequiredResult | None:
    """Return what the client is asked for, if this asks. A model answers slowly for a field that it does not have."""
    return vars(native).get("input_required") if isinstance(native, BaseModel) else None


def _dumped(operation: Operation, native: Any, uri: str | None) -> dict[str, Any]:
    asked = _asked(native)
    return dumped(asked) if asked is not None else _DUMPS[operation](native, uri)


def _dumped_tool(native: Any, _: str | None) -> dict[str, Any]:
    if not hasattr(native, "to_mcp_result"):
        return dumped(native)
    made = native.to_mcp_result()
    if isinstance(made, tuple):
        made = CallToolResult(content=made[0], structured_content=made[1])
    elif isinstance(made, list):
        made = CallToolResult(content=cast("Any", made))
    return dumped(made)


def _dumped_list(operation: Operation) -> Callable[[Any, str | None], dict[str, Any]]:
    convert = _CONVERT[operation]

    def dump(native: Any, _: str | None) -> dict[str, Any]:
        return {LIST_FIELDS[operation]: [dumped(convert(one)) for one in native]}

    return dump


_CONVERT: Final[Mapping[Operation, Callable[[Any], BaseModel]]] = {
    Operation.TOOLS_LIST: lambda one: one.to_mcp_tool(name=one.name),
    Operation.RESOURCES_LIST: lambda one: one.to_mcp_resource(uri=str(one.uri)),
    Operation.RESOURCE_TEMPLATES_LIST: lambda one: one.to_mcp_template(uri_template=one.uri_template),
    Operation.PROMPTS_LIST: lambda one: one.to_mcp_prompt(name=one.name),
}
_DUMPS: Final[Mapping[Operation, Callable[[Any, str | None], dict[str, Any]]]] = {
    Operation.TOOL_CALL: _dumped_tool,
    Operation.RESOURCE_READ: lambda native, uri: dumped(native.to_mcp_result(uri or "")),
    Operation.PROMPT_GET: lambda native, _: dumped(native.to_mcp_prompt_result()),
    **{operation: _dumped_list(operation) for operation in _KEYS},
}


def _components(reply: Reply, listed: Sequence[Any]) -> list[Any]:
    """Return the components of a list as handlers have left it."""
    attribute, key = _KEYS[reply.operation]
    by_name: dict[str, deque[Any]] = {}
    for component in listed:
        by_name.setdefault(str(getattr(component, attribute)), deque()).append(component)
    found: list[Any] = []
    for item in reply.items:
        same_name = by_name.get(str(item.get(key)))
        if same_name:
            found.append(_as_shown(reply.operation, same_name.popleft(), item))
        else:
            found.append(_made(reply.operation, item))
    return found


def _as_shown(operation: Operation, component: Any, item: Mapping[str, Any]) -> Any:
    if dumped(_CONVERT[operation](component)) == item:
        return component
    changes: dict[str, Any] = {name: item.get(shown) for shown, name in _SHOWN.items()}
    if operation is Operation.TOOLS_LIST:
        annotations = item.get("annotations")
        changes["annotations"] = None if annotations is None else ToolAnnotations.model_validate(annotations)
        changes["parameters"] = item.get("inputSchema")
        changes["output_schema"] = item.get("outputSchema")
    return component.model_copy(update=changes)


def _made(operation: Operation, item: Mapping[str, Any]) -> Any:
    """Return a component for an item that the server does not have. It can be listed, and nothing else."""
    from fastmcp import prompts, resources, tools

    shown: Any = {name: item.get(name) for name in ("title", "description")}
    try:
        match operation:
            case Operation.TOOLS_LIST:
                tool = Tool.model_validate(item, by_name=False)
                return tools.Tool(name=tool.name, parameters=tool.input_schema, annotations=tool.annotations, **shown)
            case Operation.RESOURCES_LIST:
                resource = Resource.model_validate(item, by_name=False)
                return resources.Resource(uri=cast("Any", resource.uri), name=resource.name, **shown)
            case Operation.RESOURCE_TEMPLATES_LIST:
                template = ResourceTemplate.model_validate(item, by_name=False)
                uri_template = template.uri_template
                return resources.ResourceTemplate(uri_template=uri_template, name=template.name, parameters={}, **shown)
            case _:
                return prompts.Prompt(name=Prompt.model_validate(item, by_name=False).name, **shown)
    except ValidationError:
        raise MCPError(INTERNAL_ERROR, "The server's middleware answered with something that is no result.") from None
