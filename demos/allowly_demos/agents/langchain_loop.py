"""An agent of LangChain that writes two letters, with approvals under its MCP adapter.

Run it: `python demos/allowly_demos/agents/langchain_loop.py`. Nothing leaves this computer.
"""

from __future__ import annotations

import warnings
from typing import Any

import anyio
from fastmcp.client.transports import StdioTransport
from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from allowly_demos.agents import office
from allowly_demos.agents.office import Office, open_office
from allowly_harness.adapters import approving_client

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the adapter says once, whenever it is imported, that it is in beta
    from langchain.mcp import MCPAdapter


class ScriptedModel(BaseChatModel):
    """Calls the tool once for each letter, in one turn; then says that it is done."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, *tools: Any, **options: Any) -> Any:
        """Take the tools as they are."""
        del tools, options
        return self

    def _generate(self, messages: list[BaseMessage], *rest: Any, **options: Any) -> ChatResult:
        del rest, options
        results = [message for message in messages if isinstance(message, ToolMessage)]
        for message in results:
            office.reads(message.text)
        said = AIMessage("Done.") if results else AIMessage("", tool_calls=[_call(at) for at in office.LETTERS])
        return ChatResult(generations=[ChatGeneration(message=said)])


def _call(letter: dict[str, str]) -> ToolCall:
    office.calls("send_email", letter)
    return ToolCall(name="send_email", args=dict(letter), id=letter["to"])


async def agent(at: Office) -> None:
    """Run the agent."""
    process = StdioTransport(at.command, at.args, env=at.env, keep_alive=False)

    async with MCPAdapter(approving_client(process, approver=at.approver, authority=at.authority)) as adapter:
        mailer = create_agent(ScriptedModel(), await adapter.list_tools())
        result = await mailer.ainvoke({"messages": [{"role": "user", "content": "Write to Ada and Bob."}]})

    print(f"model says    {result['messages'][-1].text}")


async def main() -> None:
    """Open the office and run the agent in it."""
    async with open_office() as at:
        await agent(at)


if __name__ == "__main__":
    anyio.run(main)
