"""Clients of this environment, each told what to do in a plan and giving an account of what came of it.

The same two are read and written, as JSON, by the scripts in `tests/peers` that run in environments of their own.
Libraries are imported by the client that needs them: they take seconds, and most runs of the tests need none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

SECONDS: Final = 90
"""How long a client may take; generous, because several programs start at a time on a small machine."""

Call = tuple[str, dict[str, Any]]


@dataclass
class Plan:
    """What a client is to do.

    Attributes:
        command: The server's program and arguments, or nothing where `url` says where it is.
        env: What the server gets in its environment.
        calls: Tools and arguments, called one after the other.
        replies: How the client answers one elicitation after the other; nothing: it declares no elicitation.
    """

    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    url: str | None = None
    calls: Sequence[Call] = ()
    replies: Sequence[Mapping[str, Any]] = ()


@dataclass
class Account:
    """What came of it.

    Attributes:
        protocol: The protocol version that was agreed on; empty where the client does not tell.
        tools: The names of the server's tools.
        results: One for each call, as on the wire.
        questions: The parameters of each elicitation, as on the wire.
    """

    protocol: str
    tools: list[str]
    results: list[dict[str, Any]]
    questions: list[dict[str, Any]]

    def text(self, index: int = 0) -> str:
        """Return the text of a result."""
        return "\n".join(block["text"] for block in self.results[index]["content"])


class Answering:
    """Answers elicitations as the plan says, in the manner of either library."""

    def __init__(self, plan: Plan) -> None:
        self._replies = list(plan.replies)
        self.questions: list[dict[str, Any]] = []

    async def official(self, context: Any, params: Any) -> Any:
        from mcp_types import ElicitResult

        self.questions.append(wire(params))
        return ElicitResult(**self._replies.pop(0))

    async def fastmcp(self, message: str, response_type: Any, params: Any, context: Any) -> Any:
        from fastmcp.client.elicitation import ElicitResult

        self.questions.append(wire(params))
        return ElicitResult(**self._replies.pop(0))


def wire(model: Any) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _stdio(plan: Plan) -> Any:
    from fastmcp.client.transports import StdioTransport

    return StdioTransport(plan.command[0], list(plan.command[1:]), env=dict(plan.env), keep_alive=False)


async def drive_mcp(plan: Plan, *, mode: str) -> Account:
    """`mcp.Client`, in either era."""
    import mcp

    answering = Answering(plan)
    callback = answering.official if plan.replies else None
    target: Any = plan.url
    if target is None:
        command, *arguments = plan.command
        target = mcp.stdio_client(mcp.StdioServerParameters(command=command, args=arguments, env=dict(plan.env)))
    with anyio.fail_after(SECONDS):
        async with mcp.Client(target, mode=mode, elicitation_callback=callback) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            results = [wire(await client.call_tool(name, arguments)) for name, arguments in plan.calls]
            return Account(client.session.protocol_version, tools, results, answering.questions)


async def drive_fastmcp(plan: Plan) -> Account:
    """`fastmcp.Client`."""
    from fastmcp import Client

    answering = Answering(plan)
    handler = {"elicitation_handler": answering.fastmcp} if plan.replies else {}
    with anyio.fail_after(SECONDS):
        async with Client(plan.url or _stdio(plan), timeout=SECONDS, **handler) as client:
            tools = [tool.name for tool in await client.list_tools()]
            results = [wire(await client.call_tool_mcp(name, arguments)) for name, arguments in plan.calls]
            return Account("", tools, results, answering.questions)


async def drive_pydantic_ai(plan: Plan) -> Account:
    """An agent of Pydantic AI whose model makes the calls of the plan; what it reads are the results."""
    from fastmcp import Client
    from pydantic_ai import Agent
    from pydantic_ai.mcp import MCPToolset
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import FunctionModel

    answering, calls = Answering(plan), list(plan.calls)
    tools: list[str] = []
    results: list[dict[str, Any]] = []

    def model(messages: list[Any], info: Any) -> Any:
        tools[:] = [tool.name for tool in info.function_tools]
        for part in messages[-1].parts:
            if part.part_kind in {"tool-return", "retry-prompt"}:
                text = part.model_response_str() if isinstance(part, ToolReturnPart) else part.model_response()
                results.append({"content": [{"text": text}], "isError": part.part_kind == "retry-prompt"})
        if len(results) < len(calls):
            return ModelResponse(parts=[ToolCallPart(*calls[len(results)])])
        return ModelResponse(parts=[TextPart("done")])

    # On a modern session this framework answers no elicitation, and says so; so the era of the handshake it is.
    handler = {"elicitation_handler": answering.fastmcp, "mode": "legacy"} if plan.replies else {}
    client = Client(plan.url or _stdio(plan), timeout=SECONDS, init_timeout=SECONDS, **handler)
    toolset = MCPToolset(client, max_retries=len(calls))
    with anyio.fail_after(SECONDS):
        await Agent(FunctionModel(model), toolsets=[toolset]).run("do it")
    return Account("", tools, results, answering.questions)
