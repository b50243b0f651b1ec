"""Google ADK, with its own agent, runner and toolset; only the model is scripted."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams, StreamableHTTPConnectionParams
from google.genai import types
from mcp import StdioServerParameters
from pydantic import PrivateAttr

from allowly_harness.adapters.google_adk import approving_mcp_toolset

pytestmark = pytest.mark.anyio


class Model(BaseLlm):
    """Makes the calls of one turn after the other, then stops."""

    model: str = "scripted"
    _turns: list[list[types.Part]] = PrivateAttr()
    _read: list[types.Content] = PrivateAttr(default_factory=list)

    def __init__(self, turns: Any) -> None:
        super().__init__()
        self._turns = [[types.Part.from_function_call(name=name, args=args) for name, args in turn] for turn in turns]

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        self._read = list(llm_request.contents)
        parts = self._turns.pop(0) if self._turns else [types.Part(text="done")]
        yield LlmResponse(content=types.Content(role="model", parts=parts))

    @property
    def read(self) -> str:
        return repr([content.model_dump() for content in self._read])

    @property
    def replies(self) -> list[str]:
        parts = [part for content in self._read for part in content.parts or []]
        return [str(part.function_response.response) for part in parts if part.function_response]


def mail_toolset(office: Any, **options: Any) -> McpToolset:
    if office.url is not None:
        return McpToolset(connection_params=StreamableHTTPConnectionParams(url=office.url), **options)
    command, *args = office.command
    process = StdioServerParameters(command=command, args=args, env=office.env)
    return McpToolset(connection_params=StdioConnectionParams(server_params=process, timeout=30), **options)


async def agent_run(toolset: Any, turns: Any) -> tuple[list[str], str]:
    model = Model(turns)
    runner = InMemoryRunner(LlmAgent(name="mailer", model=model, tools=[toolset]), app_name="mail")
    session = await runner.session_service.create_session(app_name="mail", user_id="usr")
    said = types.Content(role="user", parts=[types.Part(text="Go on.")])
    try:
        async for _ in runner.run_async(user_id="usr", session_id=session.id, new_message=said):
            pass
    finally:
        await runner.close()
    return model.replies, model.read


async def run(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    return await agent_run(approving_mcp_toolset(mail_toolset(office), **approvals), turns)


async def test_what_holds_for_every_framework(check, office) -> None:
    await check(office, run)
