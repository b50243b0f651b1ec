"""A graph of LangGraph that writes two letters, with approvals under its tools.

Run it: `python demos/allowly_demos/agents/langgraph_loop.py`. Nothing leaves this computer.
"""

from __future__ import annotations

from typing import Any

import anyio
from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from allowly_demos.agents import office
from allowly_demos.agents.office import Office, open_office
from allowly_harness import connect
from allowly_harness.adapters import langchain_tools


def scripted(state: MessagesState) -> dict[str, Any]:
    """Call the tool once for each letter, in one turn; then say that it is done."""
    results = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    for message in results:
        office.reads(message.text)
    said = AIMessage("Done.") if results else AIMessage("", tool_calls=[_call(at) for at in office.LETTERS])
    return {"messages": [said]}


def _call(letter: dict[str, str]) -> ToolCall:
    office.calls("send_email", letter)
    return ToolCall(name="send_email", args=dict(letter), id=letter["to"])


def graph_of(tools: ToolNode) -> Any:
    """Let the model and its tools take turns until it calls none."""
    graph = StateGraph(MessagesState)
    graph.add_node("model", scripted)
    graph.add_node("tools", tools)
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile()


async def agent(at: Office) -> None:
    """Run the graph."""
    async with connect([at.command, *at.args], env=at.env, approver=at.approver, authority=at.authority) as session:
        mailer = graph_of(ToolNode(await langchain_tools(session)))
        result = await mailer.ainvoke({"messages": [{"role": "user", "content": "Write to Ada and Bob."}]})

    print(f"model says    {result['messages'][-1].text}")


async def main() -> None:
    """Open the office and run the agent in it."""
    async with open_office() as at:
        await agent(at)


if __name__ == "__main__":
    anyio.run(main)
