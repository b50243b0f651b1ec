"""Google ADK, with its own agent, runner and toolset; only the model is scripted."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import demo_agents
import pytest
from google.adk.agents import LlmAgent
from google.adk.apps import App
from google.adk.models import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.plugins import ReflectAndRetryToolPlugin
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams, StreamableHTTPConnectionParams
from google.genai import types
from mcp import StdioServerParameters
from pydantic import PrivateAttr

from allowly_demos import mail
from allowly_demos.settings import load
from allowly_harness import Answer
from allowly_harness.adapters.google_adk import approving_mcp_toolset

pytestmark = [
    pytest.mark.anyio,
    # ADK asks a tool for the name of mcp 1 first and takes the new one where there is none; FastMCP, if some test has
    # loaded it, answers to the old name with a warning.
    pytest.mark.filterwarnings("ignore:Accessing `Tool.(input|output)Schema` is deprecated"),
]


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
    retries = ReflectAndRetryToolPlugin(max_retries=3)
    app = App(name="mail", root_agent=LlmAgent(name="mailer", model=model, tools=[toolset]), plugins=[retries])
    runner = InMemoryRunner(app=app)
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


LETTER = ("send_email", {"to": "ada@example.com", "subject": "Hello", "body": "Dear ada"})


async def test_what_holds_for_every_framework(check, office) -> None:
    await check(office, run)


async def test_both_eras_and_both_ways_of_handling_errors_have_approvals(office, person, monkeypatch) -> None:
    """G4, G7."""
    monkeypatch.setenv("ADK_ENABLE_MCP_MODERN_PROTOCOL", "1")
    monkeypatch.setenv("ADK_ENABLE_MCP_GRACEFUL_ERROR_HANDLING", "1")
    asked = person(Answer.approve(), Answer.deny("once is enough"))

    replies, seen = await run(office, [[LETTER], [LETTER]], **office.approvals(asked))

    assert "delivered <" in replies[0]
    assert "once is enough" in replies[1]
    assert office.leaked(seen) == []


async def test_an_approved_call_whose_reply_is_lost_is_not_sent_again_and_the_model_is_told(
    office, person, served, losing
) -> None:
    """G4."""
    asked = person(*[Answer.approve()] * 3)
    app = losing(mail.build(load(office.env)).streamable_http_app(), at=1, reply="500")

    with anyio.fail_after(60):
        async with served(app) as office.url:
            replies, _ = await run(office, [[LETTER]], **office.approvals(asked))

    assert "It is not known whether the tool ran" in replies[0]
    assert len(office.delivered) == 1
    assert len(asked.questions) == 1


async def test_a_session_that_was_opened_again_has_approvals_too(office, person) -> None:
    """G7."""
    asked = person(Answer.approve(), Answer.deny("once is enough"))
    toolset = approving_mcp_toolset(mail_toolset(office), **office.approvals(asked))

    first, _ = await agent_run(toolset, [[LETTER]])
    second, seen = await agent_run(toolset, [[LETTER]])

    assert "delivered <" in first[0]
    assert "once is enough" in second[0]
    assert office.leaked(seen) == []


async def test_a_session_that_the_pool_has_dropped_is_not_kept(office, person) -> None:
    toolset = approving_mcp_toolset(mail_toolset(office), **office.approvals(person(Answer.deny())))
    opened: list[weakref.ref[Any]] = []
    create = toolset._mcp_session_manager.create_session

    async def noting(**options: Any) -> Any:
        session = await create(**options)
        opened.append(weakref.ref(session))
        return session

    toolset._mcp_session_manager.create_session = noting
    await agent_run(toolset, [[LETTER]])
    gc.collect()

    assert opened
    assert [found() for found in opened] == [None] * len(opened)


async def test_a_prefix_is_for_the_model_and_the_question_names_the_servers_own_tool(office, person) -> None:
    """G13: the authority's record names the tool as its own server does."""
    asked = person(Answer.approve())
    toolset = approving_mcp_toolset(mail_toolset(office, tool_name_prefix="post"), **office.approvals(asked))

    replies, _ = await agent_run(toolset, [[("post_send_email", LETTER[1])]])

    assert "delivered <" in replies[0]
    assert asked.questions[0].call.tool == "send_email"


async def test_the_frameworks_own_confirmation_comes_first_and_does_not_stand_for_the_servers(office, person) -> None:
    """G1."""
    asked = person(Answer.deny("not this one"))
    toolset = approving_mcp_toolset(mail_toolset(office, require_confirmation=True), **office.approvals(asked))
    model = Model([[LETTER]])
    runner = InMemoryRunner(LlmAgent(name="mailer", model=model, tools=[toolset]), app_name="mail")
    session = await runner.session_service.create_session(app_name="mail", user_id="usr")

    async def say(part: types.Part) -> list[types.Part]:
        message = types.Content(role="user", parts=[part])
        events = runner.run_async(user_id="usr", session_id=session.id, new_message=message)
        return [part async for event in events if event.content for part in event.content.parts or []]

    said = await say(types.Part(text="Go on."))
    before = len(asked.questions)
    wish = next(part.function_call for part in said if part.function_call and "confirmation" in part.function_call.name)
    yes = types.FunctionResponse(id=wish.id, name=wish.name, response={"confirmed": True})
    await say(types.Part(function_response=yes))
    await runner.close()

    assert (before, len(asked.questions)) == (0, 1)
    assert "not this one" in model.replies[-1]
    assert office.delivered == []


async def test_the_question_says_where_the_server_is(office, person) -> None:
    asked = person(Answer.deny(), Answer.deny())

    await run(office, [[LETTER]], **office.approvals(asked))
    await run(office, [[LETTER]], **office.approvals(asked), server="post")

    assert asked.questions[1].server.name == "post"
    assert all(office.url in question.server.configured for question in asked.questions)


async def test_what_has_approvals_already_or_is_no_toolset_is_refused(office) -> None:
    toolset = approving_mcp_toolset(mail_toolset(office))

    with pytest.raises(ValueError, match="approved already"):
        approving_mcp_toolset(toolset)
    with pytest.raises(TypeError, match="not under a dict"):
        approving_mcp_toolset({})
    with pytest.raises(ValueError, match="max_rounds"):
        approving_mcp_toolset(mail_toolset(office), max_rounds=0)


def test_a_toolset_with_approvals_is_not_pickled_without_them() -> None:
    process = StdioServerParameters(command="mail-server")
    toolset = McpToolset(connection_params=StdioConnectionParams(server_params=process))
    pickle.dumps(toolset)

    approving_mcp_toolset(toolset)

    with pytest.raises((AttributeError, pickle.PicklingError), match="local object"):
        pickle.dumps(toolset)


def test_the_demo_agent_sends_what_was_approved() -> None:
    printed = demo_agents.play("google_adk_loop")

    assert printed.count("asked     send_email") == 2
    assert "we do not write to strangers" in printed
    assert printed.endswith("delivered     ada@example.com: Hello\n")


def test_the_page_shows_the_demo_agent_and_at_most_two_changed_lines() -> None:
    demo_agents.assert_page_shows("google-adk", "google_adk_loop")
