"""An agent of Google ADK that writes two letters, with approvals under its MCP toolset.

Run it: `python demos/allowly_demos/agents/google_adk_loop.py`. Nothing leaves this computer.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams
from google.genai.types import Content, Part
from mcp import StdioServerParameters

from allowly_demos.agents import office
from allowly_demos.agents.office import Office, open_office
from allowly_harness.adapters import approving_mcp_toolset


class ScriptedModel(BaseLlm):
    """Calls the tool once for each letter, in one turn; then says that it is done."""

    async def generate_content_async(
        self,
        llm_request: LlmRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - the framework's signature
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answer one request."""
        del stream
        given = [part.function_response for part in llm_request.contents[-1].parts or [] if part.function_response]
        for result in given:
            office.reads(result.response)
        parts = [Part(text="Done.")] if given else [_call(letter) for letter in office.LETTERS]
        yield LlmResponse(content=Content(role="model", parts=parts))


def _call(letter: dict[str, str]) -> Part:
    office.calls("send_email", letter)
    return Part.from_function_call(name="send_email", args=dict(letter))


async def agent(at: Office) -> None:
    """Run the agent."""
    process = StdioServerParameters(command=at.command, args=at.args, env=at.env)
    mail = McpToolset(connection_params=StdioConnectionParams(server_params=process, timeout=30))
    mail = approving_mcp_toolset(mail, approver=at.approver, authority=at.authority)

    async with InMemoryRunner(LlmAgent(name="mailer", model=ScriptedModel(model="scripted"), tools=[mail])) as runner:
        await runner.session_service.create_session(app_name=runner.app_name, user_id="you", session_id="1")
        said = Content(role="user", parts=[Part(text="Write to Ada and Bob.")])
        async for event in runner.run_async(user_id="you", session_id="1", new_message=said):
            if event.is_final_response() and event.content and event.content.parts:
                print(f"model says    {event.content.parts[0].text}")


async def main() -> None:
    """Open the office and run the agent in it."""
    async with open_office() as at:
        await agent(at)


if __name__ == "__main__":
    anyio.run(main)
