"""Approvals round a session or client that somebody else built, and a client made with them."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp import Client, ClientSession, MCPError
from mcp_types import ElicitResult

from allowly_harness import Answer, ApprovalRequest, ApprovingClientSession
from allowly_harness.adapters import ApprovingClient, approving
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import APPROVAL_META

pytestmark = pytest.mark.anyio

TO_ADA = {"to": "ada"}


async def choose_a_seat(*_: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={"seat": "7A"})


@pytest.fixture
async def client(office):
    async with Client(office.mcp_server(), elicitation_callback=choose_a_seat) as client:
        yield client


async def test_the_session_is_what_it_was_when_the_block_ends(office, client, person) -> None:
    with approving(client, approver=person(Answer.approve()), authority=office.authority) as same:
        assert same is client
        await client.call_tool("send", TO_ADA)
    after = await client.call_tool("send", {"to": "bob"})

    assert "call_tool" not in vars(client.session)
    assert after.structured_content["decision"] == "confirm"
    assert office.sent == ["ada"]


async def test_the_block_undoes_itself_after_an_error(office, client) -> None:
    with pytest.raises(KeyError), approving(client.session):
        raise KeyError

    assert "call_tool" not in vars(client.session)


async def test_nothing_but_the_calls_is_touched(office, client) -> None:
    before = dict(vars(client.session))

    with approving(client):
        changed = {name for name, value in vars(client.session).items() if before.get(name) is not value}

    assert changed == {"call_tool"}


async def test_a_method_that_somebody_put_there_before_comes_back(office, client, person) -> None:
    bare, seen = client.session.call_tool, []

    async def noting(name: str, *args: Any, **options: Any) -> Any:
        seen.append(name)
        return await bare(name, *args, **options)

    client.session.call_tool = noting
    with approving(client, approver=person(Answer.approve()), authority=office.authority):
        await client.call_tool("send", TO_ADA)

    assert client.session.call_tool is noting
    assert seen == ["send", "send"]


async def test_a_wrapper_put_over_it_stays_and_leads_to_the_bare_session_afterwards(office, client, person) -> None:
    ada = person(Answer.approve())
    with approving(client, approver=ada, authority=office.authority):
        approved = client.session.call_tool

        async def over(*args: Any, **options: Any) -> Any:
            return await approved(*args, **options)

        client.session.call_tool = over
        await client.call_tool("send", TO_ADA)
    after = await client.call_tool("send", {"to": "bob"})

    assert office.sent == ["ada"]
    assert after.structured_content["decision"] == "confirm"
    assert len(ada.questions) == 1


@pytest.mark.parametrize("second", ["client", "session"])
async def test_a_session_is_never_approved_twice(office, client, second) -> None:
    with approving(client):
        with (
            pytest.raises(ValueError, match="approved already"),
            approving(client if second == "client" else client.session),
        ):
            pass
        assert "call_tool" in vars(client.session)
    with approving(client):
        pass


async def test_a_session_or_client_with_approvals_of_its_own_is_refused(office, streams) -> None:
    async with streams(office.mcp_server()) as (read, write):
        session = ApprovingClientSession(read, write)
        with pytest.raises(ValueError, match="approved already"), approving(session):
            pass
    async with ApprovingClient(office.mcp_server()) as made:
        with pytest.raises(ValueError, match="approved already"), approving(made):
            pass


async def test_anything_else_is_refused(office) -> None:
    with pytest.raises(TypeError, match="not round a str"), approving("http://127.0.0.1"):  # type: ignore[type-var]
        pass
    with pytest.raises(RuntimeError), approving(Client(office.mcp_server())):
        pass


@pytest.mark.parametrize("make", [approving, lambda client, **options: ApprovingClient(client.server, **options)])
async def test_fewer_than_one_round_is_refused(client, make) -> None:
    with pytest.raises(ValueError, match="max_rounds"):
        make(client, max_rounds=0).__enter__()


async def test_what_the_caller_does_to_its_arguments_meanwhile_changes_nothing(office, client) -> None:
    """G2."""
    arguments = {"to": "ada"}

    async def ask(request: ApprovalRequest) -> Answer:
        arguments["to"] = "mallory"
        return Answer.approve()

    with approving(client, approver=ask, authority=office.authority):
        await client.call_tool("send", arguments)

    assert office.sent == ["ada"]


async def test_a_lost_reply_to_the_retry_is_unknown_and_not_sent_again(office, client, person) -> None:
    """G4."""
    bare, sendings = client.session.call_tool, []

    async def losing(*args: Any, **options: Any) -> Any:
        sendings.append(args)
        result = await bare(*args, **options)
        if len(sendings) == 2:
            raise MCPError(-32000, "Connection closed")
        return result

    client.session.call_tool = losing
    with approving(client, approver=person(Answer.approve()), authority=office.authority):
        result = await client.call_tool("send", TO_ADA)

    assert result.is_error
    assert "It is not known whether the tool ran" in result.content[0].text
    assert office.sent == ["ada"]
    assert len(sendings) == 2


async def test_a_cancelled_call_withdraws_its_question(office, client) -> None:
    asked = anyio.Event()

    async def ask(request: ApprovalRequest) -> Answer:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.fail_after(10), approving(client, approver=ask, authority=office.authority):
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "send", TO_ADA)
            await asked.wait()
            group.cancel_scope.cancel()

    assert len(office.authority.nonces) == 1
    assert office.sent == []


async def test_a_client_takes_an_approved_call_through_its_legs(office, client, person) -> None:
    ada = person(Answer.approve())

    with approving(client, approver=ada, authority=office.authority):
        result = await client.call_tool("book", {"flight": "LH1"})

    assert result.content[0].text == "booked"
    assert office.booked == [("LH1", "7A")]
    assert len(ada.questions) == 1
    assert result.meta[APPROVAL_META]["outcome"] == "approved"


async def test_a_client_never_goes_on_with_the_old_arguments_of_an_edited_call(office, client, person) -> None:
    """G2: the client itself would send the next leg with what it was called with."""
    ada = person(Answer.edit({"flight": "LH2"}), Answer.approve())

    with approving(client, approver=ada, authority=office.authority):
        result = await client.call_tool("book", {"flight": "LH1"})

    assert "LH2" in result.content[-1].text
    assert office.booked == [("LH2", "7A")]


async def test_a_bare_session_is_taken_through_the_legs_with_its_own_callbacks(office, streams, person) -> None:
    async with (
        streams(office.mcp_server()) as (read, write),
        ClientSession(read, write, elicitation_callback=choose_a_seat) as session,
    ):
        await session.discover()
        with approving(session, approver=person(Answer.approve()), authority=office.authority):
            await session.call_tool("book", {"flight": "LH1"})

    assert office.booked == [("LH1", "7A")]


class Guest:
    """Approves, and answers what servers ask for."""

    def __init__(self) -> None:
        self.asked: list[ElicitationRequest] = []

    async def ask(self, request: ApprovalRequest) -> Answer:
        return Answer.approve()

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        self.asked.append(request)
        return ElicitationReply.accept({"seat": "1C"})


async def test_a_client_made_with_approvals_asks_its_approver_what_servers_ask_for(office) -> None:
    guest = Guest()

    async with ApprovingClient(office.mcp_server(), approver=guest, authority=office.authority, name="air") as client:
        await client.call_tool("book", {"flight": "LH1"})

    assert office.booked == [("LH1", "1C")]
    assert [request.server.name for request in guest.asked] == ["air"]


async def test_a_callback_of_the_callers_own_wins_over_the_approver(office) -> None:
    guest = Guest()

    async with ApprovingClient(
        office.mcp_server(), approver=guest, authority=office.authority, elicitation_callback=choose_a_seat
    ) as client:
        await client.call_tool("book", {"flight": "LH1"})

    assert office.booked == [("LH1", "7A")]
    assert guest.asked == []


async def test_the_question_names_server_tool_and_requester(office, person) -> None:
    ada = person(Answer.approve())

    async with ApprovingClient(
        office.mcp_server(), approver=ada, authority=office.authority, name="post", requester="bot", dangerous="send"
    ) as client:
        await client.call_tool("send", TO_ADA)

    (question,) = ada.questions
    assert (question.server.name, question.requester, question.tool.description) == ("post", "bot", "Send a letter.")
    assert question.danger
