"""What is FastMCP's own: classes of sessions, proxies, transports."""

from __future__ import annotations

from typing import Any

import fastmcp
import pytest
from fastmcp.client.transports import FastMCPTransport
from fastmcp.client.transports.base import TransportOptions
from fastmcp.server import create_proxy
from fastmcp.tools.base import ToolResult
from mcp import ClientSession

from allowly_harness import Answer, ApprovingClientSession
from allowly_harness.adapters import ApprovingTransport, approving_client
from allowly_harness.approvers.base import Desk
from allowly_harness.protocol.models import ServerInfo

pytestmark = pytest.mark.anyio


class Forwarding(ClientSession):
    """As proxies have it: checks no output schema."""

    async def validate_tool_result(self, name: str, result: Any) -> None:
        return None


async def test_the_session_stays_of_the_class_that_was_asked_for(office) -> None:
    transport = ApprovingTransport(office.fastmcp_server())

    async with transport.connect_session(transport_options=TransportOptions(session_class=Forwarding)) as session:
        assert isinstance(session, ApprovingClientSession)
        assert isinstance(session, Forwarding)
        assert type(session).validate_tool_result is Forwarding.validate_tool_result


@pytest.mark.parametrize("proxied", [True, False], ids=["proxy", "client"])
async def test_only_a_proxy_hands_on_what_does_not_fit_the_servers_own_schema(office, person, proxied: bool) -> None:
    """The check belongs to whoever uses the result, not to the proxy in between."""
    server = fastmcp.FastMCP("mail", middleware=[office.guard])

    @server.tool(output_schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    def send(to: str) -> Any:
        return ToolResult(structured_content={"n": "many"})

    transport = ApprovingTransport(server, approver=person(Answer.approve()), authority=office.authority)
    front = FastMCPTransport(create_proxy(transport)) if proxied else transport
    options = TransportOptions(session_class=Forwarding if proxied else ClientSession)
    async with front.connect_session(transport_options=options) as session:
        await session.initialize()
        result = await session.call_tool("send", {"to": "ada"})

    assert result.structured_content == ({"n": "many"} if proxied else None)
    assert result.is_error is not proxied


async def test_approvals_of_approvals_are_refused(office) -> None:
    transport = ApprovingTransport(office.fastmcp_server())

    with pytest.raises(ValueError, match="approved already"):
        ApprovingTransport(transport)
    with pytest.raises(ValueError, match="approved already"):
        approving_client(transport)


async def test_a_no_is_an_error_result_and_an_exception_only_where_the_caller_wants_one(office, person) -> None:
    client = approving_client(
        office.fastmcp_server(), approver=person(Answer.deny(), Answer.deny()), authority=office.authority
    )

    async with client:
        result = await client.call_tool("send", {"to": "ada"}, raise_on_error=False)
        with pytest.raises(fastmcp.exceptions.ToolError, match="The tool did not run"):
            await client.call_tool("send", {"to": "ada"})

    assert result.is_error
    assert office.sent == []


async def test_copies_of_a_client_ask_the_same_person(office, person) -> None:
    ada = person(Answer.approve(), Answer.approve())
    client = approving_client(
        office.fastmcp_server(), approver=ada, authority=office.authority, approvals={"requester": "bot"}
    )

    for to in ("ada", "bob"):
        async with client.new() as copy:
            await copy.call_tool("send", {"to": to})

    assert office.sent == ["ada", "bob"]
    assert {question.requester for question in ada.questions} == {"bot"}


def test_a_server_is_named_after_how_it_is_reached() -> None:
    by_url = ApprovingTransport("http://127.0.0.1:9/mcp")
    by_name = ApprovingTransport({"mcpServers": {"mail": {"url": "http://127.0.0.1:9/mcp"}}})

    assert by_url._approvals["server"].configured == "http://127.0.0.1:9/mcp"
    assert by_name._approvals["server"] == ServerInfo("mail", "http://127.0.0.1:9/mcp")


@pytest.mark.parametrize("make", [ApprovingTransport, approving_client])
def test_a_configuration_of_several_servers_is_refused(make) -> None:
    """G13: it renames their tools, and a question about a renamed tool is no question about the call."""
    several = {"mcpServers": {"a": {"url": "http://127.0.0.1:9"}, "b": {"url": "http://127.0.0.1:8"}}}

    with pytest.raises(ValueError, match="give each a transport of its own"):
        make(several)


async def test_several_servers_are_mounted_with_approvals_of_their_own(office, person) -> None:
    ada = Desk(person(Answer.approve(), Answer.deny()))
    router = fastmcp.FastMCP("router")
    for name in ("one", "two"):
        transport = ApprovingTransport(office.fastmcp_server(), approver=ada, authority=office.authority, server=name)
        router.mount(create_proxy(transport), namespace=name)

    async with fastmcp.Client(router) as client:
        await client.call_tool("one_send", {"to": "ada"})
        denied = await client.call_tool("two_send", {"to": "bob"}, raise_on_error=False)

    assert denied.is_error
    assert office.sent == ["ada"]
    asked = [(question.call.server, question.call.tool) for question in ada.approver.questions]
    assert asked == [("one", "send"), ("two", "send")]
