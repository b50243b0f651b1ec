"""Microsoft Agent Framework, with its own agent and tools; only the model is scripted."""

from __future__ import annotations

from typing import Any

import anyio
import demo_agents
import pytest
from agent_framework import (
    Agent,
    AgentSession,
    BaseChatClient,
    ChatResponse,
    Content,
    FunctionInvocationLayer,
    MCPStdioTool,
    MCPStreamableHTTPTool,
    Message,
)
from mcp import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client

from allowly_demos import mail
from allowly_demos.settings import load
from allowly_harness import Answer, connect
from allowly_harness.adapters import ApprovingClient
from allowly_harness.adapters.agent_framework import approving_mcp_tool

pytestmark = pytest.mark.anyio


class Model(FunctionInvocationLayer, BaseChatClient):
    """Makes the calls of one turn after the other, then stops.

    Attributes:
        read: What it was given with its last turn.
    """

    def __init__(self, turns: Any) -> None:
        super().__init__()
        self._turns = [
            [
                Content.from_function_call(call_id=f"{number}.{at}", name=name, arguments=arguments)
                for at, (name, arguments) in enumerate(turn)
            ]
            for number, turn in enumerate(turns)
        ]
        self.read: list[Message] = []

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **rest: Any) -> Any:
        self.read = list(messages)
        contents = self._turns.pop(0) if self._turns else [Content.from_text("done")]

        async def answer() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", contents)])

        return answer()

    @property
    def replies(self) -> list[str]:
        contents = [content for message in self.read for content in message.contents]
        return [str(content.result) for content in contents if content.type == "function_result"]


def mail_tool(office: Any, **options: Any) -> MCPStdioTool | MCPStreamableHTTPTool:
    if office.url is not None:
        return MCPStreamableHTTPTool("mail", office.url, **options)
    command, *args = office.command
    return MCPStdioTool("mail", command, args=args, env=office.env, **options)


async def agent_run(tool: Any, turns: Any) -> tuple[list[str], str]:
    model = Model(turns)
    async with Agent(client=model, tools=[tool]) as agent:
        await agent.run("Go on.")
    return model.replies, repr([message.to_dict() for message in model.read])


async def run(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    return await agent_run(approving_mcp_tool(mail_tool(office), **approvals), turns)


LETTER = ("send_email", {"to": "ada@example.com", "subject": "Hello", "body": "Dear ada"})


async def test_what_holds_for_every_framework(check, office) -> None:
    await check(office, run)


async def test_a_connection_that_was_opened_again_has_approvals_too(office, person) -> None:
    """G7."""
    asked = person(Answer.approve(), Answer.deny("once is enough"))

    async with approving_mcp_tool(mail_tool(office), **office.approvals(asked)) as tool:
        first = await tool.call_tool(LETTER[0], **LETTER[1])
        await tool.connect(reset=True)
        second = await tool.call_tool(LETTER[0], **LETTER[1])

    assert "delivered <" in first[0].text
    assert "once is enough" in second[0].text
    assert len(office.delivered) == 1
    assert office.leaked(repr(second)) == []


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


async def test_a_client_that_was_given_to_the_tool_is_what_it_was_when_the_tool_closes(office, person) -> None:
    asked = person(Answer.approve())

    async with Client(office.url) as client:
        tool = approving_mcp_tool(MCPStreamableHTTPTool("mail", mcp_client=client), **office.approvals(asked))
        replies, _ = await agent_run(tool, [[LETTER]])
        bare = await client.call_tool(*LETTER)

    assert "delivered <" in replies[0]
    assert "confirm_nonce" in bare.content[0].text
    assert len(asked.questions) == 1


async def test_a_session_that_was_given_to_the_tool_has_approvals_unless_it_had_them(office, person) -> None:
    asked = person(Answer.deny("not today"))

    async with streamable_http_client(office.url) as streams, ClientSession(*streams) as session:
        tool = approving_mcp_tool(MCPStreamableHTTPTool("mail", session=session), **office.approvals(asked))
        replies, seen = await agent_run(tool, [[LETTER]])
    async with connect(office.url, **office.approvals(asked)) as ours:
        with pytest.raises(ValueError, match="approved already"):
            approving_mcp_tool(MCPStreamableHTTPTool("mail", session=ours))

    assert "not today" in replies[0]
    assert office.leaked(seen) == []


@pytest.mark.parametrize("mode", ["structured_first", "structured_only", "content_only", "both"])
async def test_the_model_is_told_of_an_edit_once_whatever_of_a_result_it_is_shown(office, person, mode) -> None:
    asked = person(Answer.edit({**LETTER[1], "to": "bob@example.com"}), Answer.approve())
    tool = approving_mcp_tool(mail_tool(office, tool_result_content=mode), **office.approvals(asked))

    replies, _ = await agent_run(tool, [[LETTER]])

    assert replies[0].count("A person changed the arguments") == 1
    assert "delivered <" in replies[0]


async def test_the_model_is_told_of_a_no_whatever_a_parser_of_the_agents_makes_of_it(office, person) -> None:
    def only_successes(result: Any) -> str:
        return result.structured_content["result"]

    asked = person(Answer.deny("not today"), Answer.edit({**LETTER[1], "to": "bob@example.com"}), Answer.approve())
    tool = approving_mcp_tool(mail_tool(office, parse_tool_results=only_successes), **office.approvals(asked))

    replies, _ = await agent_run(tool, [[LETTER], [LETTER]])

    assert "not today" in replies[0]
    assert "A person changed the arguments" in replies[1]


async def test_the_frameworks_own_approval_comes_first_and_does_not_stand_for_the_servers(office, person) -> None:
    """G1."""
    asked = person(Answer.deny("not this one"))
    model, session = Model([[LETTER]]), AgentSession()
    tool = approving_mcp_tool(mail_tool(office, approval_mode="always_require"), **office.approvals(asked))

    async with Agent(client=model, tools=[tool]) as agent:
        first = await agent.run("Go on.", session=session)
        before = len(asked.questions)
        yes = [request.to_function_approval_response(approved=True) for request in first.user_input_requests]
        await agent.run(Message("user", yes), session=session)

    assert (before, len(asked.questions)) == (0, 1)
    assert "not this one" in model.replies[0]
    assert office.delivered == []


async def test_errors_that_nobody_was_asked_about_are_told_as_the_framework_tells_them(office, person) -> None:
    asked = person()
    unknown = ("read_mail", {"address": "\n"})

    replies, _ = await run(office, [[unknown]], **office.approvals(asked))

    assert replies == ["Error: Function failed."]
    assert asked.questions == []


async def test_the_model_reads_the_tools_own_error_after_a_yes(office, person) -> None:
    nowhere = ("send_email", {**LETTER[1], "to": "\n"})

    replies, _ = await run(office, [[nowhere]], **office.approvals(person(Answer.approve())))

    assert "Error executing tool send_email" in replies[0]


async def test_the_question_names_the_server_as_the_tool_does_and_says_where_it_is(office, person) -> None:
    asked = person(Answer.deny(), Answer.deny())

    await run(office, [[LETTER]], **office.approvals(asked))
    await run(office, [[LETTER]], **office.approvals(asked), server="post")

    assert [question.server.name for question in asked.questions] == ["mail", "post"]
    assert office.url in asked.questions[0].server.configured


async def test_what_has_approvals_already_or_is_no_tool_is_refused(office, person) -> None:
    tool = approving_mcp_tool(mail_tool(office), **office.approvals(None))

    with pytest.raises(ValueError, match="approved already"):
        approving_mcp_tool(tool)
    with pytest.raises(ValueError, match="approved already"):
        approving_mcp_tool(MCPStreamableHTTPTool("mail", mcp_client=ApprovingClient(office.url)))
    with pytest.raises(TypeError, match="not under a dict"):
        approving_mcp_tool({})
    with pytest.raises(ValueError, match="max_rounds"):
        approving_mcp_tool(mail_tool(office), max_rounds=0)


def test_the_demo_agent_sends_what_was_approved() -> None:
    printed = demo_agents.play("agent_framework_loop")

    assert printed.count("asked     send_email") == 2
    assert "we do not write to strangers" in printed
    assert printed.endswith("delivered     ada@example.com: Hello\n")


def test_the_page_shows_the_demo_agent_and_at_most_two_changed_lines() -> None:
    demo_agents.assert_page_shows("agent-framework", "agent_framework_loop")
