"""An agent of Pydantic AI that writes two letters, with approvals under its MCP toolset.

Run it: `python demos/allowly_demos/agents/pydantic_ai_loop.py`. Nothing leaves this computer.
"""

from __future__ import annotations

import anyio
from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent, ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.messages import ModelRequest, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from allowly_demos.agents import office
from allowly_demos.agents.office import Office, open_office
from allowly_harness.adapters import ApprovingMCPToolset


async def scripted(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Call the tool once for each letter, in one turn; then say that it is done."""
    del info
    results = [
        part
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    ]
    for part in results:
        office.reads(part.content)
    if results:
        return ModelResponse([TextPart("Done.")])
    return ModelResponse([_call(letter) for letter in office.LETTERS])


def _call(letter: dict[str, str]) -> ToolCallPart:
    office.calls("send_email", letter)
    return ToolCallPart("send_email", dict(letter))


async def agent(at: Office) -> None:
    """Run the agent."""
    process = StdioTransport(at.command, at.args, env=at.env, keep_alive=False)
    mail = ApprovingMCPToolset(process, init_timeout=60, approver=at.approver, authority=at.authority)

    async with Agent(FunctionModel(scripted), toolsets=[mail]) as mailer:
        result = await mailer.run("Write to Ada and Bob.")

    print(f"model says    {result.output}")


async def main() -> None:
    """Open the office and run the agent in it."""
    async with open_office() as at:
        await agent(at)


if __name__ == "__main__":
    anyio.run(main)
