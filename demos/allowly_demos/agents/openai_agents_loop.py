"""An agent of the OpenAI Agents SDK that writes two letters, with approvals under its MCP server.

Run it: `python demos/allowly_demos/agents/openai_agents_loop.py`. Nothing leaves this computer.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
from agents import Agent, Model, ModelResponse, Runner, TResponseInputItem, Usage, set_tracing_disabled
from agents.items import TResponseStreamEvent
from agents.mcp import MCPServerStdio
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from allowly_demos.agents import office
from allowly_demos.agents.office import Office, open_office
from allowly_harness.adapters import approving_server


class ScriptedModel(Model):
    """Calls the tool once for each letter, in one turn; then says that it is done."""

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],  # noqa: A002 - the framework's name
        *rest: Any,
        **options: Any,
    ) -> ModelResponse:
        """Answer one request."""
        del system_instructions, rest, options
        results = [item for item in input if isinstance(item, dict) and item.get("type") == "function_call_output"]
        for item in results:
            office.reads(item.get("output"))
        if not results:
            return ModelResponse([_call(letter) for letter in office.LETTERS], Usage(), None)
        text = ResponseOutputText(type="output_text", text="Done.", annotations=[])
        done = ResponseOutputMessage(id="1", type="message", role="assistant", status="completed", content=[text])
        return ModelResponse([done], Usage(), None)

    def stream_response(self, *rest: Any, **options: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Is not needed here."""
        raise NotImplementedError


def _call(letter: dict[str, str]) -> ResponseFunctionToolCall:
    office.calls("send_email", letter)
    return ResponseFunctionToolCall(
        type="function_call", call_id=letter["to"], name="send_email", arguments=json.dumps(letter)
    )


async def agent(at: Office) -> None:
    """Run the agent."""
    server = MCPServerStdio({"command": at.command, "args": at.args, "env": at.env}, client_session_timeout_seconds=60)
    server = approving_server(server, approver=at.approver, authority=at.authority)

    async with server:
        result = await Runner.run(Agent("mailer", model=ScriptedModel(), mcp_servers=[server]), "Write to Ada and Bob.")

    print(f"model says    {result.final_output}")


async def main() -> None:
    """Open the office and run the agent in it."""
    set_tracing_disabled(True)  # traces go to the maker of the SDK
    async with open_office() as at:
        await agent(at)


if __name__ == "__main__":
    anyio.run(main)
