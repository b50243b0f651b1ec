"""Microsoft Agent Framework, with its own agent and tools; only the model is scripted."""

from __future__ import annotations

from typing import Any

import pytest
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    Content,
    FunctionInvocationLayer,
    MCPStdioTool,
    MCPStreamableHTTPTool,
    Message,
)

from allowly_harness.adapters.agent_framework import approving_mcp_tool

pytestmark = pytest.mark.anyio


class Model(FunctionInvocationLayer, BaseChatClient):
    """Makes the calls of one turn after the other, then stops.

    Attributes:
        read: What it was given with its last turn.
    """

    def __init__(self, turns: Any) -> None:
        super().__init__()
        self._turns = [
            [
                Content.from_function_call(call_id=f"{number}.{at}", name=name, arguments=arguments)
                for at, (name, arguments) in enumerate(turn)
            ]
            for number, turn in enumerate(turns)
        ]
        self.read: list[Message] = []

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **rest: Any) -> Any:
        self.read = list(messages)
        contents = self._turns.pop(0) if self._turns else [Content.from_text("done")]

        async def answer() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", contents)])

        return answer()

    @property
    def replies(self) -> list[str]:
        contents = [content for message in self.read for content in message.contents]
        return [str(content.result) for content in contents if content.type == "function_result"]


def mail_tool(office: Any, **options: Any) -> MCPStdioTool | MCPStreamableHTTPTool:
    if office.url is not None:
        return MCPStreamableHTTPTool("mail", office.url, **options)
    command, *args = office.command
    return MCPStdioTool("mail", command, args=args, env=office.env, **options)


async def agent_run(tool: Any, turns: Any) -> tuple[list[str], str]:
    model = Model(turns)
    async with Agent(client=model, tools=[tool]) as agent:
        await agent.run("Go on.")
    return model.replies, repr([message.to_dict() for message in model.read])


async def run(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    return await agent_run(approving_mcp_tool(mail_tool(office), **approvals), turns)


async def test_what_holds_for_every_framework(check, office) -> None:
    await check(office, run)
