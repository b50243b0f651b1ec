"""The tools of an approving session as LangChain tools, for agents and for LangGraph's `ToolNode`.

Where FastMCP is installed, LangChain's own `MCPAdapter` round an `approving_client` does the same. A tool
here never raises once its call was sent: frameworks run a tool again that raised. Needs the extra `langchain`.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import mcp_types as types
from langchain_core.messages.content import (
    create_audio_block,
    create_file_block,
    create_image_block,
    create_text_block,
)
from langchain_core.tools import BaseTool, ToolException
from pydantic import PrivateAttr

from allowly_harness.session import ApprovingClientSession
from allowly_harness.session.conversing import MAX_TOOL_PAGES

_ERROR_WITHOUT_WORDS: Final = "The tool reported an error, and nothing about it."

_UNKNOWN_BYTES: Final = "application/octet-stream"
"""The type of bytes that the server says nothing about (RFC 2046, 4.5.1); LangChain demands one."""


async def langchain_tools(session: ApprovingClientSession) -> list[BaseTool]:
    """Return a tool for each tool of a server, at most 50 pages of them.

    The tools call through the session, so they work as long as it is open. Several at a time may be called;
    the person is asked one question at a time.

    Args:
        session: What `connect()` yields, or an `ApprovingClientSession` of yours, with a protocol version agreed on.

    Raises:
        TypeError: The session asks for no approvals. Its tools would hand nonces to the model (design G7).
        mcp.MCPError: The server does not list its tools.
    """
    if not isinstance(session, ApprovingClientSession):  # pyright: ignore[reportUnnecessaryIsInstance] - not all callers are typed
        raise TypeError(f"tools are made of an ApprovingClientSession, not of a {type(session).__name__}")
    tools: list[BaseTool] = []
    cursor: str | None = None
    for _ in range(MAX_TOOL_PAGES):
        listed = await session.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
        tools += [ApprovedTool(session, tool) for tool in listed.tools]
        cursor = listed.next_cursor
        if cursor is None:
            break
    return tools


class ApprovedTool(BaseTool):
    """One tool of a server. Its messages have `status="error"` for a call that failed or did not run.

    The message's artifact holds the result's `structured_content` and `meta`; how an approval ended stands in
    the latter under `allowly-harness/approval`.

    Args:
        session: Where it is called.
        tool: What the server says of it.
    """

    _session: ApprovingClientSession = PrivateAttr()

    def __init__(self, session: ApprovingClientSession, tool: types.Tool) -> None:
        super().__init__(
            name=tool.name,
            description=tool.description or "",
            args_schema={"properties": {}, **tool.input_schema},
            response_format="content_and_artifact",
            metadata=_metadata(session, tool),
            handle_tool_error=_words_of,
        )
        self._session = session

    # No parameter has a name: any name may be one of the tool's own arguments.
    async def _arun(self, /, **arguments: Any) -> tuple[list[Any], dict[str, Any]]:
        result = await self._session.call_tool(self.name, arguments)
        content = [_block(block) for block in result.content]
        if result.is_error:
            raise _Failed(content or [create_text_block(_ERROR_WITHOUT_WORDS)])
        return content, {"structured_content": result.structured_content, "meta": result.meta}

    def _run(self, /, *args: Any, **arguments: Any) -> NoReturn:
        raise NotImplementedError(f"{self.name} is called with `ainvoke`: a person may have to be asked")


class _Failed(ToolException):
    """Carries what the model reads to where LangChain makes a message of it."""

    def __init__(self, content: list[Any]) -> None:
        super().__init__("the tool failed, or did not run")
        self.content = content


def _words_of(error: ToolException) -> list[Any]:
    if isinstance(error, _Failed):
        return error.content
    raise error


def _metadata(session: ApprovingClientSession, tool: types.Tool) -> dict[str, Any]:
    """Say where a tool comes from, in the shape that LangChain's own adapter uses."""
    of_tool = {"annotations": tool.annotations.model_dump(exclude_none=True)} if tool.annotations else {}
    return {"mcp": {"server": {"name": session.server.name}, "tool": of_tool}}


def _block(block: types.ContentBlock) -> Any:
    """Return a content block of LangChain's. What it has no block for becomes a sentence, never an error."""
    match block:
        case types.TextContent():
            return create_text_block(block.text)
        case types.ImageContent():
            return create_image_block(base64=block.data, mime_type=block.mime_type)
        case types.AudioContent():
            return create_audio_block(base64=block.data, mime_type=block.mime_type)
        case types.ResourceLink():
            return create_file_block(url=block.uri, mime_type=block.mime_type)
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            return create_text_block(resource.text)
        case types.EmbeddedResource(resource=types.BlobResourceContents() as resource):
            return create_file_block(base64=resource.blob, mime_type=resource.mime_type or _UNKNOWN_BYTES)
        case _:
            return create_text_block(f"[content of the kind {block.type!r} is left out]")
