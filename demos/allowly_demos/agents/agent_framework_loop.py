"""An agent of Microsoft Agent Framework that writes two letters, with approvals under its MCP tool.

Run it: `python demos/allowly_demos/agents/agent_framework_loop.py`. Nothing leaves this computer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import anyio
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    Content,
    FunctionInvocationLayer,
    MCPStdioTool,
    Message,
)

from allowly_demos.agents import office
from allowly_demos.agents.office import Office, open_office
from allowly_harness.adapters import approving_mcp_tool


class ScriptedModel(FunctionInvocationLayer[Any], BaseChatClient[Any]):
    """Calls the tool once for each letter, in one turn; then says that it is done."""

    def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **rest: Any
    ) -> Awaitable[ChatResponse[Any]]:
        del stream, options, rest
        return self._answer(messages[-1].contents)

    async def _answer(self, given: Sequence[Content]) -> ChatResponse[Any]:
        results = [content for content in given if content.type == "function_result"]
        for content in results:
            office.reads(content.result)
        contents = [Content.from_text("Done.")] if results else [_call(letter) for letter in office.LETTERS]
        return ChatResponse(messages=[Message("assistant", contents)])


def _call(letter: dict[str, str]) -> Content:
    office.calls("send_email", letter)
    return Content.from_function_call(call_id=letter["to"], name="send_email", arguments=letter)


async def agent(at: Office) -> None:
    """Run the agent."""
    mail = MCPStdioTool("mail", at.command, args=at.args, env=at.env)
    mail = approving_mcp_tool(mail, approver=at.approver, authority=at.authority)

    async with Agent(client=ScriptedModel(), tools=[mail]) as mailer:
        response = await mailer.run("Write to Ada and Bob.")

    print(f"model says    {response.text}")


async def main() -> None:
    """Open the office and run the agent in it."""
    async with open_office() as at:
        await agent(at)


if __name__ == "__main__":
    anyio.run(main)
