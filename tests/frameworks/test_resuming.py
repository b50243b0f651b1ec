"""A call that an agent has left open is resumed by another program, by whichever framework either was built with."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from allowly_harness import Answer, connect
from allowly_harness.adapters import resume_call
from allowly_harness.journal import Journal
from allowly_harness.protocol.errors import PendingError, PendingUnknown

pytestmark = [
    pytest.mark.anyio,
    # ADK asks a tool for the name of mcp 1 first; FastMCP, if it is loaded, answers to that with a warning.
    pytest.mark.filterwarnings("ignore:Accessing `Tool.(input|output)Schema` is deprecated"),
]

ADA = "ada@example.com"
RESUME = Path(__file__).with_name("resume_elsewhere.py")

Call = Callable[[str, dict[str, Any]], Any]


@asynccontextmanager
async def langchain(url: str, **approvals: Any) -> AsyncIterator[tuple[Any, Call]]:
    from allowly_harness.adapters import langchain_tools

    async with connect(url, **approvals) as session:
        tools = {tool.name: tool for tool in await langchain_tools(session)}

        async def call(name: str, arguments: dict[str, Any]) -> None:
            await tools[name].ainvoke({"type": "tool_call", "id": "1", "name": name, "args": arguments})

        yield session, call


@asynccontextmanager
async def openai_agents(url: str, **approvals: Any) -> AsyncIterator[tuple[Any, Call]]:
    from agents.mcp import MCPServerStreamableHttp

    from allowly_harness.adapters import approving_server

    async with approving_server(MCPServerStreamableHttp(params={"url": url}), **approvals) as server:
        yield server, server.call_tool


@asynccontextmanager
async def pydantic_ai(url: str, **approvals: Any) -> AsyncIterator[tuple[Any, Call]]:
    from pydantic_ai import Agent, ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    from allowly_harness.adapters import ApprovingMCPToolset

    toolset = ApprovingMCPToolset[None](url, init_timeout=30, **approvals)

    async def call(name: str, arguments: dict[str, Any]) -> None:
        parts: list[Any] = [ToolCallPart(name, arguments), TextPart("Done.")]
        model = FunctionModel(lambda messages, info: ModelResponse(parts=[parts.pop(0)]))
        async with Agent(model, toolsets=[toolset]) as agent:
            await agent.run("Go.")

    yield toolset, call


@asynccontextmanager
async def agent_framework(url: str, **approvals: Any) -> AsyncIterator[tuple[Any, Call]]:
    from agent_framework import MCPStreamableHTTPTool

    from allowly_harness.adapters import approving_mcp_tool

    async with approving_mcp_tool(MCPStreamableHTTPTool("mail", url), **approvals) as tool:
        yield tool, lambda name, arguments: tool.call_tool(name, **arguments)


@asynccontextmanager
async def google_adk(url: str, **approvals: Any) -> AsyncIterator[tuple[Any, Call]]:
    from google.adk.tools.mcp_tool import McpToolset, StreamableHTTPConnectionParams

    from allowly_harness.adapters import approving_mcp_toolset

    toolset = approving_mcp_toolset(McpToolset(connection_params=StreamableHTTPConnectionParams(url=url)), **approvals)

    async def call(name: str, arguments: dict[str, Any]) -> None:
        session = await toolset._mcp_session_manager.create_session()
        await session.call_tool(name, arguments)

    yield toolset, call
    await toolset.close()


@asynccontextmanager
async def llama_index(url: str, **approvals: Any) -> AsyncIterator[tuple[Any, Call]]:
    from llama_index.tools.mcp import BasicMCPClient

    from allowly_harness.adapters import approving_basic_client

    client = approving_basic_client(BasicMCPClient(url), **approvals)
    yield client, client.call_tool
    await client.http_client.aclose()


@asynccontextmanager
async def fastmcp(url: str, **approvals: Any) -> AsyncIterator[tuple[Any, Call]]:
    from allowly_harness.adapters import approving_client

    journal = approvals.pop("journal")
    async with approving_client(url, approvals={"journal": journal}, **approvals) as client:
        yield client, client.call_tool_mcp


@asynccontextmanager
async def mcp_client(url: str, **approvals: Any) -> AsyncIterator[tuple[Any, Call]]:
    from allowly_harness.adapters import ApprovingClient

    async with ApprovingClient(url, **approvals) as client:
        yield client, client.call_tool


@asynccontextmanager
async def wrapped_client(url: str, **approvals: Any) -> AsyncIterator[tuple[Any, Call]]:
    from mcp import Client

    from allowly_harness.adapters import approving

    async with Client(url) as client:
        with approving(client, server="mail", **approvals):
            yield client, client.call_tool


DOORS = [langchain, openai_agents, pydantic_ai, agent_framework, google_adk, llama_index]
DOORS += [fastmcp, mcp_client, wrapped_client]

Door = Callable[..., AbstractAsyncContextManager[tuple[Any, Call]]]


async def left_open(door: Door, office: Any, person: Any, path: Path) -> str:
    """Have a program make a call that its person leaves open, and end; return the token."""
    office.store.deliver(ADA, "Kept", "Nobody deleted it yet.")
    async with Journal.open(path) as journal:
        async with door(office.url, journal=journal, **office.approvals(person(Answer.defer()))) as (_, call):
            await call("delete_mailbox", {"address": ADA})
        (waiting,) = journal.pending.list()
    assert office.recipients == [ADA]
    return str(waiting.token)


async def approve(office: Any) -> None:
    (escalation,) = office.authority.escalations
    await office.authority.resolve_escalation(escalation, resolution="approved", resolved_by="compliance")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_a_call_that_was_left_open_is_resumed_by_the_same_door_once(office, person, tmp_path, door) -> None:
    """G3, G4, G7."""
    with anyio.fail_after(30):
        token = await left_open(door, office, person, tmp_path / "journal.db")
        await approve(office)

        async with (
            Journal.open(tmp_path / "journal.db") as journal,
            door(office.url, journal=journal, **office.approvals(person())) as (target, _),
        ):
            result = await resume_call(target, token)
            with pytest.raises(PendingUnknown):
                await resume_call(target, token)

    assert not result.is_error
    assert office.recipients == []
    assert office.leaked(repr(result)) == []


@pytest.mark.parametrize("door", [openai_agents, llama_index], ids=lambda door: door.__name__)
async def test_what_is_still_open_is_asked_about_again_and_waits_on_under_its_token(
    office, person, tmp_path, door
) -> None:
    ada = person(Answer.defer())

    with anyio.fail_after(30):
        token = await left_open(door, office, person, tmp_path / "journal.db")
        async with (
            Journal.open(tmp_path / "journal.db") as journal,
            door(office.url, journal=journal, **office.approvals(ada)) as (target, _),
        ):
            result = await resume_call(target, token)
            kept = journal.pending.list()

    assert len(ada.questions) == 1
    assert "The tool has not run yet" in result.content[0].text
    assert [call.token for call in kept] == [token]


@pytest.mark.parametrize("door", [openai_agents, google_adk], ids=lambda door: door.__name__)
async def test_without_a_journal_nothing_is_resumed(office, person, door) -> None:
    with anyio.fail_after(30):
        async with door(office.url, **office.approvals(person())) as (target, _):
            with pytest.raises(PendingError, match="journal="):
                await resume_call(target, "0" * 32)


async def test_another_process_resumes_it_with_another_framework(office, person, tmp_path) -> None:
    """G4: the result is there, and the program that had made the call is gone."""
    path = tmp_path / "journal.db"

    with anyio.fail_after(60):
        token = await left_open(langchain, office, person, path)
        await approve(office)
        words = [office.url, str(path), token, office.env["ALLOWLY_BASE_URL"], office.api_key]
        done = await anyio.run_process([sys.executable, str(RESUME), *words], check=False)

    assert done.returncode == 0, done.stderr.decode()
    assert "allowed" in done.stdout.decode()
    assert office.recipients == []
