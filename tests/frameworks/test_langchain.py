"""LangChain and LangGraph: the model is scripted, everything else is the frameworks' own."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import Any

import anyio
import demo_agents
import mcp_types as types
import pytest
from fastmcp.client.transports import StdioTransport
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, ToolRetryMiddleware
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command, RetryPolicy, interrupt
from mcp import ClientSession

from allowly_demos import mail
from allowly_demos.settings import load
from allowly_harness import Answer, ApprovingClientSession, connect
from allowly_harness.adapters import approving_client, langchain_tools
from allowly_harness.adapters.langchain import ApprovedTool, _block
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.effects import Record

with warnings.catch_warnings():
    # The package says of itself that it is in beta, once, when it is imported.
    warnings.filterwarnings("ignore", message="`langchain.mcp` is in beta")
    from langchain.mcp import MCPAdapter

pytestmark = pytest.mark.anyio


class ScriptedModel(GenericFakeChatModel):
    """Makes the calls of each turn, then stops.

    Attributes:
        given: The messages that it was given with each request.
    """

    given: list[Any] = []  # noqa: RUF012 - pydantic copies it

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self

    def _generate(self, messages: Any, *args: Any, **options: Any) -> Any:
        self.given.append(messages)
        return super()._generate(messages, *args, **options)


def scripted(turns: Any) -> ScriptedModel:
    def messages() -> Any:
        for at, turn in enumerate(turns):
            calls = [{"name": name, "args": args, "id": f"call-{at}-{n}"} for n, (name, args) in enumerate(turn)]
            yield AIMessage("", tool_calls=calls)
        yield AIMessage("Done.")

    return ScriptedModel(messages=messages())


def read_by(model: ScriptedModel) -> tuple[list[str], str]:
    replies = [
        json.dumps(message.content, ensure_ascii=False)
        for message in model.given[-1]
        if isinstance(message, ToolMessage)
    ]
    seen = repr([[message.model_dump() for message in messages] for messages in model.given])
    return replies, seen


async def run_agent(tools: Any, turns: Any) -> tuple[list[str], str]:
    model = scripted(turns)
    retrying = ToolRetryMiddleware(max_retries=3, initial_delay=0.01)
    agent = create_agent(model, tools, middleware=[retrying])
    await agent.ainvoke({"messages": [("user", "Go.")]})
    return read_by(model)


def graph_of(model: Any, tools: Any) -> Any:
    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode(tools), retry_policy=RetryPolicy(max_attempts=3, initial_interval=0.01))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    return graph


async def with_create_agent(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    async with connect(office.url or office.command, env=office.env, **approvals) as session:
        return await run_agent(await langchain_tools(session), turns)


async def with_tool_node(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    async with connect(office.url or office.command, env=office.env, **approvals) as session:
        model = scripted(turns)
        await graph_of(model, await langchain_tools(session)).compile().ainvoke({"messages": [("user", "Go.")]})
        return read_by(model)


async def with_mcp_adapter(office: Any, turns: Any, **approvals: Any) -> tuple[list[str], str]:
    program, *args = office.command
    server = office.url or StdioTransport(program, args, env=office.env, keep_alive=False)
    async with MCPAdapter(approving_client(server, **approvals)) as adapter:
        return await run_agent(await adapter.list_tools(), turns)


@pytest.mark.parametrize("how", [with_create_agent, with_tool_node, with_mcp_adapter])
async def test_what_holds_for_every_framework(check, office, how) -> None:
    await check(office, how)


LETTER = ("send_email", {"to": "ada@example.com", "subject": "Hello", "body": "Dear Ada"})
ASK = ("ask_the_boss", {})
THREAD = {"configurable": {"thread_id": "1"}}


@tool
def ask_the_boss() -> str:
    """Stop the graph until somebody answers."""
    return str(interrupt("May we?"))


async def test_a_call_that_the_graph_has_done_is_not_asked_about_again_when_the_graph_goes_on(office, person) -> None:
    """`create_agent` gives every call a task of its own, and repeats none that is done."""
    ada = person(Answer.approve())
    model = scripted([[LETTER, ASK]])

    async with connect(office.url, **office.approvals(ada)) as session:
        tools = [*await langchain_tools(session), ask_the_boss]
        agent = create_agent(model, tools, checkpointer=InMemorySaver())
        await agent.ainvoke({"messages": [("user", "Go.")]}, THREAD)
        await agent.ainvoke(Command(resume="Yes."), THREAD)

    replies, _ = read_by(model)
    assert "delivered <" in replies[0]
    assert "Yes." in replies[1]
    assert (len(ada.questions), len(office.delivered)) == (1, 1)


async def test_a_node_that_the_graph_repeats_asks_anew_and_uses_no_old_yes(office, person) -> None:
    """LangGraph runs a node from its beginning after an interrupt in it; the call in it is a call like any other."""
    ada = person(Answer.approve(), Answer.deny("once is enough"))
    model = scripted([[LETTER, ASK]])
    sent = anyio.Event()

    async def journal(record: Record) -> None:
        if record.step == "finished":
            sent.set()

    @tool("ask_the_boss")
    async def ask_when_sent() -> str:
        """Stop the graph once the letter is on its way."""
        await sent.wait()
        return str(interrupt("May we?"))

    async with connect(office.url, journal=journal, **office.approvals(ada)) as session:
        graph = graph_of(model, [*await langchain_tools(session), ask_when_sent])
        compiled = graph.compile(checkpointer=InMemorySaver())
        await compiled.ainvoke({"messages": [("user", "Go.")]}, THREAD)
        await compiled.ainvoke(Command(resume="Yes."), THREAD)

    replies, _ = read_by(model)
    assert "once is enough" in replies[0]
    assert (len(ada.questions), len(office.delivered)) == (2, 1)


async def test_the_frameworks_own_approvals_come_before_ours(office, person) -> None:
    ada = person(Answer.approve())
    own = HumanInTheLoopMiddleware(interrupt_on={"send_email": True})

    async with connect(office.url, **office.approvals(ada)) as session:
        agent = create_agent(
            scripted([[LETTER]]), await langchain_tools(session), middleware=[own], checkpointer=InMemorySaver()
        )
        await agent.ainvoke({"messages": [("user", "Go.")]}, THREAD)
        asked_while_paused = list(ada.questions)
        await agent.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), THREAD)

    assert asked_while_paused == []
    assert (len(ada.questions), len(office.delivered)) == (1, 1)


@pytest.mark.parametrize("how", [with_create_agent, with_tool_node, with_mcp_adapter])
async def test_an_approved_call_whose_reply_is_lost_is_not_sent_again(office, person, served, losing, how) -> None:
    """G4: with the retries of the middleware, and of the node."""
    ada = person(*[Answer.approve()] * 5)
    app = losing(mail.build(load(office.env)).streamable_http_app(), at=1, reply="500")

    with anyio.fail_after(60):
        async with served(app) as url:
            replies, _ = await how(replace(office, url=url), [[LETTER]], **office.approvals(ada))

    assert "It is not known whether the tool ran" in replies[0]
    assert (len(ada.questions), len(office.delivered)) == (1, 1)


async def test_a_tool_tells_where_it_comes_from_and_how_its_approval_ended(office, person) -> None:
    async with connect(office.url, name="mail", **office.approvals(person(Answer.approve()))) as session:
        tools = {tool.name: tool for tool in await langchain_tools(session)}
        call = {"name": LETTER[0], "args": LETTER[1], "id": "1", "type": "tool_call"}
        message = await tools["send_email"].ainvoke(call)

    assert tools["delete_mailbox"].metadata["mcp"] == {
        "server": {"name": "mail"},
        "tool": {"annotations": {"destructive_hint": True}},
    }
    assert message.status == "success"
    assert message.artifact["meta"]["allowly-harness/approval"]["outcome"] == "approved"


async def test_pictures_and_links_are_read_as_such(office) -> None:
    office.store.deliver("ada@example.com", "Hello", "Dear Ada")

    async with connect(office.url, **office.approvals(None)) as session:
        show = next(tool for tool in await langchain_tools(session) if tool.name == "show_mailbox")
        content = await show.ainvoke({"address": "ada@example.com"})

    assert [block["type"] for block in content] == ["text", "image", "file"]


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (types.AudioContent(type="audio", data="AAAA", mime_type="audio/wav"), "audio"),
        (types.EmbeddedResource(type="resource", resource=types.TextResourceContents(uri="a:b", text="Hi")), "text"),
        (types.EmbeddedResource(type="resource", resource=types.BlobResourceContents(uri="a:b", blob="AAAA")), "file"),
    ],
)
def test_every_kind_of_content_becomes_a_block(block: Any, kind: str) -> None:
    assert _block(block)["type"] == kind


async def test_arguments_may_have_any_name() -> None:
    """LangChain hands arguments on by name, beside some of its own."""
    names = ["self", "config", "run_manager", "callbacks", "args", "tool_input", "input", "arguments"]
    described = types.Tool(name="echo", input_schema={"type": "object"})

    class Session(ApprovingClientSession):
        async def call_tool(self, name: str, arguments: Any = None, *args: Any, **options: Any) -> Any:
            return types.CallToolResult(content=[types.TextContent(type="text", text=json.dumps(arguments))])

    content = await ApprovedTool(Session(object(), object()), described).ainvoke(dict.fromkeys(names, 1))

    assert json.loads(content[0]["text"]) == dict.fromkeys(names, 1)


async def test_a_session_without_approvals_is_refused() -> None:
    with pytest.raises(TypeError, match="not of a ClientSession"):
        await langchain_tools(ClientSession(object(), object()))  # type: ignore[arg-type]


def test_a_tool_is_not_called_where_nobody_can_be_waited_for() -> None:
    session = ApprovingClientSession(object(), object())
    tool = ApprovedTool(session, types.Tool(name="echo", input_schema={"type": "object"}))

    with pytest.raises(NotImplementedError, match="ainvoke"):
        tool.invoke({})


SCHEDULE = ("schedule_mail", {"to": "ada@example.com", "subject": "Hello", "body": "Dear Ada"})
TOMORROW = {"date": "2030-01-01", "importance": "normal"}


async def test_a_form_that_stops_the_graph_makes_the_call_a_new_one_that_is_asked_about_again(office, person) -> None:
    """LangChain's adapter repeats the call from its first leg when the graph goes on; nothing has been done by then."""
    ada = person(Answer.approve(), Answer.approve())
    model = scripted([[SCHEDULE]])

    async with MCPAdapter(approving_client(office.url, **office.approvals(ada))) as adapter:
        agent = create_agent(model, await adapter.list_tools(), checkpointer=InMemorySaver())
        paused = await agent.ainvoke({"messages": [("user", "Go.")]}, THREAD)
        (request,) = paused["__interrupt__"][0].value["requests"]
        answers = {request["key"]: {"action": "accept", "content": TOMORROW}}
        await agent.ainvoke(Command(resume={"responses": answers}), THREAD)

    replies, seen = read_by(model)
    assert "scheduled for 2030-01-01" in replies[0]
    assert len(ada.questions) == 2
    assert office.leaked(seen) == []


async def test_a_form_is_filled_in_by_the_approver_in_the_same_call(office, person) -> None:
    class Ada(person):
        async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
            return ElicitationReply.accept(TOMORROW)

    ada = Ada(Answer.approve())

    replies, _ = await with_create_agent(office, [[SCHEDULE]], **office.approvals(ada))

    assert "scheduled for 2030-01-01" in replies[0]
    assert len(ada.questions) == 1


@pytest.mark.parametrize("name", ["langchain_loop", "langgraph_loop"])
def test_the_demo_agent_sends_what_was_approved(name: str) -> None:
    printed = demo_agents.play(name)

    assert printed.count("asked     send_email") == 2
    assert "we do not write to strangers" in printed
    assert printed.endswith("delivered     ada@example.com: Hello\n")


@pytest.mark.parametrize("page", ["langchain", "langgraph"])
def test_the_page_shows_the_demo_agent_and_at_most_two_changed_lines(page: str) -> None:
    demo_agents.assert_page_shows(page, f"{page}_loop")
