"""LlamaIndex, with its own agent, tools and client; only the model is scripted."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import demo_agents
import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

from allowly_demos import mail
from allowly_demos.settings import load
from allowly_harness import Answer, connect
from allowly_harness.adapters import llama_index
from allowly_harness.adapters.llama_index import approving_basic_client

pytestmark = [
    pytest.mark.anyio,
    # An agent that is made looks at all its own attributes, and pydantic has deprecated some (llama-index-workflows).
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
]


class Model:
    """Makes the calls of one turn after the other, then stops.

    Attributes:
        read: What it was given with its last turn.
    """

    def __init__(self, turns: Any) -> None:
        self._turns = [
            [
                ToolCallBlock(tool_call_id=f"{number}.{at}", tool_name=name, tool_kwargs=arguments)
                for at, (name, arguments) in enumerate(turn)
            ]
            for number, turn in enumerate(turns)
        ]
        self.read: list[ChatMessage] = []

    def __call__(self, messages: list[ChatMessage], **rest: Any) -> AsyncIterator[ChatMessage]:
        self.read = list(messages)

        async def answer() -> AsyncIterator[ChatMessage]:
            if self._turns:
                yield ChatMessage(role="assistant", blocks=self._turns.pop(0))
            else:
                yield ChatMessage(role="assistant", content="done")

        return answer()

    @property
    def replies(self) -> list[str]:
        # Results stand in the order in which the calls ended.
        found = {str(m.additional_kwargs["tool_call_id"]): str(m.content) for m in self.read if m.role == "tool"}
        return [found[its] for its in sorted(found)]


async def agent_run(client: Any, turns: Any) -> tuple[list[str], str]:
    model = Model(turns)
    tools = await McpToolSpec(client=client).to_tool_list_async()
    agent = FunctionAgent(tools=tools, llm=MockFunctionCallingLLM(response_generator=model))
    await agent.run("Go on.")
    return model.replies, repr(model.read)


def mail_client(office: Any, **options: Any) -> BasicMCPClient:
    if office.url is not None:
        return BasicMCPClient(office.url, **options)
    command, *args = office.command
    return BasicMCPClient(command, args=args, env=office.env, **options)


async def run(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    client = approving_basic_client(mail_client(office), **approvals)
    async with client.http_client:
        return await agent_run(client, turns)


LETTER = ("send_email", {"to": "ada@example.com", "subject": "Hello", "body": "Dear ada"})


async def test_what_holds_for_every_framework(check, office) -> None:
    await check(office, run)


async def test_the_model_reads_the_sentence_and_nothing_round_it(office, person) -> None:
    asked = person(Answer.deny("not today"))

    replies, _ = await run(office, [[LETTER]], **office.approvals(asked))

    assert replies[0].startswith("The tool did not run")
    assert replies[0].endswith("without being asked to.")


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


async def test_a_session_of_ours_goes_where_a_session_goes(office, person) -> None:
    asked = person(Answer.approve(), Answer.deny("once is enough"))

    async with connect(office.url, **office.approvals(asked)) as session:
        replies, seen = await agent_run(session, [[LETTER], [LETTER]])

    assert "delivered <" in replies[0]
    assert "once is enough" in replies[1]
    assert office.leaked(seen) == []


@contextmanager
def logging_unconfigured() -> Iterator[None]:
    """Have no handlers, as in a program that has not configured logging; the client adds its own then."""
    root, sdk, http = logging.getLogger(), logging.getLogger("mcp"), logging.getLogger("httpx")
    before, levels = root.handlers[:], [(logger, logger.level) for logger in (root, sdk, http)]
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:] = before
        for logger, level in levels:
            logger.setLevel(level)


async def test_the_logs_that_the_client_hands_on_hold_no_secret(office, person) -> None:
    """G7."""
    logged: list[str] = []

    async def keep(lines: list[str]) -> None:
        logged.extend(lines)

    client = mail_client(office, tool_call_logs_callback=keep)
    approving_basic_client(client, **office.approvals(person(Answer.approve())))
    with logging_unconfigured():
        async with client.http_client:
            await agent_run(client, [[LETTER]])

    assert any("confirm_nonce" in line for line in logged)
    assert office.leaked("\n".join(logged)) == []


@pytest.mark.parametrize("office", ["stdio"], indirect=True)
async def test_a_call_from_another_event_loop_is_not_made(office, person) -> None:
    """G10: `FunctionTool.call` starts a loop of its own, and the authority's client belongs to this one."""
    client = approving_basic_client(mail_client(office), **office.approvals(person(Answer.approve())))
    tools = {tool.metadata.name: tool for tool in await McpToolSpec(client=client).to_tool_list_async()}

    with pytest.raises(ExceptionGroup):
        await anyio.to_thread.run_sync(lambda: tools["send_email"].call(**LETTER[1]))

    assert office.delivered == []


async def test_the_question_says_where_the_server_is(office, person) -> None:
    asked = person(Answer.deny(), Answer.deny())

    await run(office, [[LETTER]], **office.approvals(asked))
    await run(office, [[LETTER]], **office.approvals(asked), server="post")

    assert asked.questions[1].server.name == "post"
    assert all(office.url in question.server.configured for question in asked.questions)


async def test_what_has_approvals_already_or_is_no_client_is_refused(office) -> None:
    client = approving_basic_client(mail_client(office))

    async with client.http_client:
        with pytest.raises(ValueError, match="approved already"):
            approving_basic_client(client)
        with pytest.raises(TypeError, match="not under a dict"):
            approving_basic_client({})
        other = BasicMCPClient(office.url, http_client=client.http_client)
        with pytest.raises(ValueError, match="max_rounds"):
            approving_basic_client(other, max_rounds=0)


def test_the_demo_agent_sends_what_was_approved() -> None:
    printed = demo_agents.play("llama_index_loop")

    assert printed.count("asked     send_email") == 2
    assert "we do not write to strangers" in printed
    assert printed.endswith("delivered     ada@example.com: Hello\n")


def test_the_page_shows_the_demo_agent_and_at_most_two_changed_lines() -> None:
    demo_agents.assert_page_shows("llama-index", "llama_index_loop")


def test_an_id_of_any_allowed_character_is_struck_out_of_logs_whole_g7() -> None:
    line = '{"confirm_nonce": "abc.DEF~ghi:jkl_mno-1"}'

    assert llama_index._BEARER.sub(r"\g<1>X", line) == '{"confirm_nonce": "X"}'
