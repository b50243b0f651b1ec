"""An agent of LlamaIndex that writes two letters, with approvals under its MCP client.

Run it: `python demos/allowly_demos/agents/llama_index_loop.py`. Nothing leaves this computer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import anyio
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec  # type: ignore[import-untyped]

from allowly_demos.agents import office
from allowly_demos.agents.office import Office, open_office
from allowly_harness.adapters import approving_basic_client


async def scripted(messages: Sequence[ChatMessage], **rest: Any) -> AsyncGenerator[ChatMessage]:
    """Call the tool once for each letter, in one turn; then say that it is done."""
    del rest
    results = [message for message in messages if message.role == "tool"]
    for message in results:
        office.reads(message.content)
    if results:
        yield ChatMessage(role="assistant", content="Done.")
    else:
        yield ChatMessage(role="assistant", blocks=[_call(letter) for letter in office.LETTERS])


def _call(letter: dict[str, str]) -> ToolCallBlock:
    office.calls("send_email", letter)
    return ToolCallBlock(tool_call_id=letter["to"], tool_name="send_email", tool_kwargs=dict(letter))


async def agent(at: Office) -> None:
    """Run the agent."""
    client = BasicMCPClient(at.command, args=at.args, env=at.env)
    client = approving_basic_client(client, approver=at.approver, authority=at.authority)

    tools = await McpToolSpec(client).to_tool_list_async()
    mailer = FunctionAgent(tools=tools, llm=MockFunctionCallingLLM(response_generator=scripted))
    response = await mailer.run(user_msg="Write to Ada and Bob.")  # pyright: ignore[reportDeprecated]

    print(f"model says    {response}")


async def main() -> None:
    """Open the office and run the agent in it."""
    async with open_office() as at:
        await agent(at)


if __name__ == "__main__":
    anyio.run(main)
