"""Pydantic AI: the model is its own `FunctionModel`, scripted; everything else is the framework's own."""

from __future__ import annotations

from typing import Any

import anyio
import demo_agents
import fastmcp
import pytest
from fastmcp.client.transports import StdioTransport
from pydantic_ai import (
    Agent,
    DeferredToolRequests,
    DeferredToolResults,
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
)
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelRequest, RetryPromptPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from allowly_harness import Answer
from allowly_harness.adapters import ApprovingMCPToolset

pytestmark = pytest.mark.anyio


def scripted(turns: Any, given: list[Any]) -> FunctionModel:
    """Return a model that makes the calls of each turn, then stops; what it was given is added to `given`."""
    left = list(turns)

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        given[:] = messages
        if not left:
            return ModelResponse(parts=[TextPart("Done.")])
        return ModelResponse(parts=[ToolCallPart(name, arguments) for name, arguments in left.pop(0)])

    return FunctionModel(answer)


def server_of(office: Any) -> Any:
    if office.url is not None:
        return office.url
    program, *args = office.command
    return StdioTransport(program, args, env=office.env, keep_alive=False)


async def run_with(toolset: Any, turns: Any) -> tuple[list[str], str]:
    given: list[ModelMessage] = []
    agent = Agent(scripted(turns, given), toolsets=[toolset], retries=3)
    async with agent:
        await agent.run("Go.")
    replies = [
        str(part.content)
        for message in given
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, ToolReturnPart | RetryPromptPart)
    ]
    return replies, ModelMessagesTypeAdapter.dump_json(given).decode()


async def run(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    return await run_with(ApprovingMCPToolset(server_of(office), init_timeout=60, **approvals), turns)


async def test_what_holds_for_every_framework(check, office) -> None:
    await check(office, run)


LETTER = ("send_email", {"to": "ada@example.com", "subject": "Hello", "body": "Dear Ada"})
NOT_AN_ADDRESS = ("send_email", {"to": "ada", "subject": "Hello", "body": "Dear Ada"})


async def test_many_denials_do_not_use_up_the_tools_retries(office, person) -> None:
    ada = person(*[Answer.deny("no")] * 6)
    toolset = ApprovingMCPToolset(office.url, max_retries=1, **office.approvals(ada))

    replies, seen = await run_with(toolset, [[LETTER]] * 6)

    assert len(replies) == 6
    assert len(ada.questions) == 6
    assert seen.count('"outcome":"failed"') == 6
    assert '"outcome":"retried"' not in seen


async def test_an_error_of_the_tools_own_is_still_the_models_to_mend(office, person) -> None:
    ada = person(Answer.approve(), Answer.approve())
    toolset = ApprovingMCPToolset(office.url, **office.approvals(ada))

    replies, seen = await run_with(toolset, [[NOT_AN_ADDRESS], [LETTER]])

    assert "delivered <" in replies[1]
    assert '"outcome":"retried"' in seen
    assert len(office.delivered) == 1


@pytest.mark.parametrize("behavior", ["retry", "error", "failed"])
async def test_a_no_ends_the_call_and_not_the_run_however_errors_are_handled(office, person, behavior: str) -> None:
    toolset = ApprovingMCPToolset(
        office.url, tool_error_behavior=behavior, **office.approvals(person(Answer.deny("not today")))
    )

    replies, _ = await run_with(toolset, [[LETTER]])

    assert "not today" in replies[0]
    assert office.delivered == []


async def test_a_client_of_the_callers_is_copied(office, person) -> None:
    client = fastmcp.Client(office.url)
    transport = client.transport

    replies, _ = await run_with(ApprovingMCPToolset(client, **office.approvals(person(Answer.approve()))), [[LETTER]])

    assert "delivered <" in replies[0]
    assert client.transport is transport


async def test_a_run_with_headers_of_its_own_has_approvals_too(office, person) -> None:
    ada = person(Answer.approve(), Answer.deny("no"))
    toolset = ApprovingMCPToolset(office.url, headers=lambda _: {"x-run": "1"}, **office.approvals(ada))

    replies, _ = await run_with(toolset, [[LETTER], [LETTER]])

    assert "delivered <" in replies[0]
    assert "The tool did not run" in replies[1]
    assert len(office.delivered) == 1


async def test_runs_at_the_same_time_ask_one_person_in_turn(office, person) -> None:
    ada = person(*[Answer.approve()] * 6)
    toolset = ApprovingMCPToolset(office.url, **office.approvals(ada))

    def letters(name: str) -> list[Any]:
        return [("send_email", {"to": f"{name}-{at}@example.com", "subject": "", "body": ""}) for at in range(3)]

    with anyio.fail_after(60):
        async with toolset, anyio.create_task_group() as group:
            group.start_soon(run_with, toolset, [letters("ada")])
            group.start_soon(run_with, toolset, [letters("bob")])

    assert (ada.most_open, len(ada.questions)) == (1, 6)
    assert len(office.delivered) == 6


async def test_the_frameworks_own_approvals_come_before_ours(office, person) -> None:
    ada = person(Answer.approve())
    toolset = ApprovingMCPToolset(office.url, **office.approvals(ada)).approval_required()
    agent = Agent(scripted([[LETTER]], []), toolsets=[toolset], output_type=[str, DeferredToolRequests])

    paused = await agent.run("Go.")
    asked_while_paused = list(ada.questions)
    assert isinstance(paused.output, DeferredToolRequests)
    approvals = {call.tool_call_id: True for call in paused.output.approvals}
    await agent.run(
        message_history=paused.all_messages(), deferred_tool_results=DeferredToolResults(approvals=approvals)
    )

    assert asked_while_paused == []
    assert len(ada.questions) == 1
    assert len(office.delivered) == 1


async def test_a_page_reads_a_no_as_an_error_result(office, person) -> None:
    toolset = ApprovingMCPToolset(office.url, **office.approvals(person(Answer.deny("not today"))))

    result = await toolset.call_tool_for_app(*LETTER)

    assert result["isError"]
    assert "not today" in result["content"][0]["text"]


async def test_a_call_as_a_task_is_refused_before_it_is_sent(office) -> None:
    with pytest.raises(NotImplementedError, match="past the approvals"):
        await ApprovingMCPToolset(office.url).direct_call_tool(*LETTER, use_task=True)


def test_options_out_of_range_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="max_rounds"):
        ApprovingMCPToolset("http://127.0.0.1:9/mcp", max_rounds=0)


def test_the_demo_agent_sends_what_was_approved() -> None:
    printed = demo_agents.play("pydantic_ai_loop")

    assert printed.count("asked     send_email") == 2
    assert "we do not write to strangers" in printed
    assert printed.endswith("delivered     ada@example.com: Hello\n")


def test_the_page_shows_the_demo_agent_and_at_most_two_changed_lines() -> None:
    demo_agents.assert_page_shows("pydantic-ai", "pydantic_ai_loop")
