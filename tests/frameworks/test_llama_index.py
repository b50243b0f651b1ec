"""LlamaIndex, with its own agent, tools and client; only the model is scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

from allowly_harness.adapters.llama_index import approving_basic_client

pytestmark = [
    pytest.mark.anyio,
    # An agent that is made looks at all its own attributes, and pydantic has deprecated some (llama-index-workflows).
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
]


class Model:
    """Makes the calls of one turn after the other, then stops.

    Attributes:
        read: What it was given with its last turn.
    """

    def __init__(self, turns: Any) -> None:
        self._turns = [
            [
                ToolCallBlock(tool_call_id=f"{number}.{at}", tool_name=name, tool_kwargs=arguments)
                for at, (name, arguments) in enumerate(turn)
            ]
            for number, turn in enumerate(turns)
        ]
        self.read: list[ChatMessage] = []

    def __call__(self, messages: list[ChatMessage], **rest: Any) -> AsyncIterator[ChatMessage]:
        self.read = list(messages)

        async def answer() -> AsyncIterator[ChatMessage]:
            if self._turns:
                yield ChatMessage(role="assistant", blocks=self._turns.pop(0))
            else:
                yield ChatMessage(role="assistant", content="done")

        return answer()

    @property
    def replies(self) -> list[str]:
        # Results stand in the order in which the calls ended.
        found = {str(m.additional_kwargs["tool_call_id"]): str(m.content) for m in self.read if m.role == "tool"}
        return [found[its] for its in sorted(found)]


async def agent_run(client: Any, turns: Any) -> tuple[list[str], str]:
    model = Model(turns)
    tools = await McpToolSpec(client=client).to_tool_list_async()
    agent = FunctionAgent(tools=tools, llm=MockFunctionCallingLLM(response_generator=model))
    await agent.run("Go on.")
    return model.replies, repr(model.read)


def mail_client(office: Any, **options: Any) -> BasicMCPClient:
    if office.url is not None:
        return BasicMCPClient(office.url, **options)
    command, *args = office.command
    return BasicMCPClient(command, args=args, env=office.env, **options)


async def run(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    client = approving_basic_client(mail_client(office), **approvals)
    async with client.http_client:
        return await agent_run(client, turns)


async def test_what_holds_for_every_framework(check, office) -> None:
    await check(office, run)
