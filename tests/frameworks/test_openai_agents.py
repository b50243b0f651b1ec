"""OpenAI Agents SDK: the model is scripted, everything else is the SDK's own."""

from __future__ import annotations

import json
from typing import Any

import anyio
import demo_agents
import pytest
from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, set_tracing_disabled
from agents.mcp import MCPServer, MCPServerStdio, MCPServerStreamableHttp
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from allowly_demos import mail
from allowly_demos.settings import load
from allowly_harness import Answer
from allowly_harness.adapters import approving_server
from allowly_harness.adapters.openai_agents import _named
from allowly_harness.approvers.base import Desk
from allowly_harness.protocol.models import ServerInfo

pytestmark = pytest.mark.anyio

set_tracing_disabled(True)

QUICKLY = {"max_retry_attempts": 2, "retry_backoff_seconds_base": 0.01, "client_session_timeout_seconds": 30}


class ScriptedModel(Model):
    """Makes the calls of each turn, then stops.

    Attributes:
        given: What it was given with each request.
    """

    def __init__(self, turns: Any) -> None:
        self._turns = list(turns)
        self._calls = 0
        self.given: list[Any] = []

    async def get_response(self, system_instructions: Any, input: Any, *args: Any, **options: Any) -> ModelResponse:  # noqa: A002 - the SDK's name
        self.given.append(input)
        if not self._turns:
            text = ResponseOutputText(type="output_text", text="Done.", annotations=[])
            done = ResponseOutputMessage(id="m", type="message", role="assistant", status="completed", content=[text])
            return ModelResponse(output=[done], usage=Usage(), response_id=None)
        return ModelResponse(output=[self._call(*call) for call in self._turns.pop(0)], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError

    def _call(self, name: str, arguments: dict[str, Any]) -> ResponseFunctionToolCall:
        self._calls += 1
        return ResponseFunctionToolCall(
            type="function_call", call_id=f"call-{self._calls}", name=name, arguments=json.dumps(arguments)
        )


def server_of(office: Any, **options: Any) -> MCPServer:
    if office.url is not None:
        return MCPServerStreamableHttp(params={"url": office.url}, **QUICKLY | options)
    program, *args = office.command
    return MCPServerStdio(params={"command": program, "args": args, "env": office.env}, **QUICKLY | options)


async def run_on(server: MCPServer, turns: Any) -> tuple[list[str], str]:
    model = ScriptedModel(turns)
    await Runner.run(
        Agent(name="clerk", model=model, mcp_servers=[server]), "Go.", run_config=RunConfig(tracing_disabled=True)
    )
    last = model.given[-1]
    replies = [json.dumps(item["output"]) for item in last if item.get("type") == "function_call_output"]
    return replies, repr(model.given)


async def run(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    async with approving_server(server_of(office), **approvals) as server:
        return await run_on(server, turns)


async def run_structured(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    async with approving_server(server_of(office, use_structured_content=True), **approvals) as server:
        return await run_on(server, turns)


@pytest.mark.parametrize("how", [run, run_structured], ids=["text", "structured"])
async def test_what_holds_for_every_framework(check, office, how) -> None:
    await check(office, how)


def letter(to: str) -> tuple[str, dict[str, str]]:
    return "send_email", {"to": f"{to}@example.com", "subject": "Hello", "body": f"Dear {to}"}


LETTER = letter("ada")


async def test_a_call_that_was_sent_again_aside_is_asked_about_there(office, person, served, losing) -> None:
    """G7: after a call that nobody answered, the SDK opens a second session for the next try."""
    ada = person(Answer.approve())
    app = losing(mail.build(load(office.env)).streamable_http_app(), at=0, reply="silence")

    with anyio.fail_after(60):
        async with served(app) as url:
            target = MCPServerStreamableHttp(params={"url": url}, **QUICKLY | {"client_session_timeout_seconds": 5})
            async with approving_server(target, **office.approvals(ada)) as server:
                replies, seen = await run_on(server, [[LETTER]])

    assert "delivered <" in replies[0]
    assert len(office.delivered) == 1
    assert len(ada.questions) == 1
    assert office.leaked(seen) == []


async def test_an_approved_call_whose_reply_is_lost_is_not_sent_again_by_the_sdk(
    office, person, served, losing
) -> None:
    """G4."""
    ada = person(*[Answer.approve()] * 5)
    app = losing(mail.build(load(office.env)).streamable_http_app(), at=1, reply="500")

    with anyio.fail_after(60):
        async with served(app) as url:
            target = MCPServerStreamableHttp(params={"url": url}, **QUICKLY)
            async with approving_server(target, **office.approvals(ada)) as server:
                replies, _ = await run_on(server, [[LETTER]])

    assert "It is not known whether the tool ran" in replies[0]
    assert len(office.delivered) == 1
    assert len(ada.questions) == 1


async def test_approvals_stay_after_a_reconnect(office, person) -> None:
    ada = person(Answer.deny("no"), Answer.deny("no"))
    server = approving_server(server_of(office), **office.approvals(ada))

    for _ in range(2):
        async with server:
            await run_on(server, [[LETTER]])

    assert len(ada.questions) == 2
    assert office.delivered == []


async def test_the_sdks_own_approvals_come_before_ours_and_stay_what_they_are(office, person) -> None:
    ada = person(Answer.approve())
    model = ScriptedModel([[LETTER]])

    async with approving_server(server_of(office, require_approval="always"), **office.approvals(ada)) as server:
        agent = Agent(name="clerk", model=model, mcp_servers=[server])
        paused = await Runner.run(agent, "Go.", run_config=RunConfig(tracing_disabled=True))
        asked_while_paused = list(ada.questions)
        state = paused.to_state()
        state.approve(paused.interruptions[0])
        await Runner.run(agent, state, run_config=RunConfig(tracing_disabled=True))

    assert asked_while_paused == []
    assert len(ada.questions) == 1
    assert len(office.delivered) == 1


async def test_two_agents_with_servers_of_their_own_ask_one_person_in_turn(office, person) -> None:
    ada = person(*[Answer.approve()] * 6)
    desk = Desk(ada)

    async def agent(name: str) -> None:
        approvals = {"approver": desk, "authority": office.authority, "requester": name}
        async with approving_server(server_of(office), **approvals) as server:
            await run_on(server, [[letter(f"{name}-{at}") for at in range(3)]])

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(agent, "one")
            group.start_soon(agent, "two")

    assert ada.most_open == 1
    assert sorted(question.requester for question in ada.questions) == ["one"] * 3 + ["two"] * 3
    assert len(office.delivered) == 6


async def test_a_server_gets_approvals_once_and_before_it_connects(office) -> None:
    server = approving_server(server_of(office))
    with pytest.raises(ValueError, match="approved already"):
        approving_server(server)
    with pytest.raises(ValueError, match="max_rounds"):
        approving_server(server_of(office), max_rounds=0)

    async with server_of(office) as connected:
        with pytest.raises(RuntimeError, match="connected already"):
            approving_server(connected)


def test_what_opens_no_session_of_the_mcp_sdk_is_refused() -> None:
    with pytest.raises(TypeError, match="that opens MCP sessions, not object"):
        approving_server(object())  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("server", "configured"),
    [
        (
            MCPServerStreamableHttp(params={"url": "http://me:secret@127.0.0.1:9/mcp?key=secret"}),
            "http://127.0.0.1:9/mcp",
        ),
        (MCPServerStdio(params={"command": "python", "args": ["-m", "mail"]}), "python -m mail"),
    ],
)
async def test_a_person_is_told_how_the_server_is_reached(server, configured: str) -> None:
    assert _named(server, "mail") == ServerInfo("mail", configured)


def test_the_demo_agent_sends_what_was_approved() -> None:
    printed = demo_agents.play("openai_agents_loop")

    assert printed.count("asked     send_email") == 2
    assert "we do not write to strangers" in printed
    assert printed.endswith("delivered     ada@example.com: Hello\n")


def test_the_page_shows_the_demo_agent_and_at_most_two_changed_lines() -> None:
    demo_agents.assert_page_shows("openai-agents", "openai_agents_loop")
