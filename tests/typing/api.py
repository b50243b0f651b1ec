"""Never run, only type-checked: what users write against the public names must pass a strict checker."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import assert_type

from mcp import Client, ClientSession
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult

from allowly_authority import AuthorityClient
from allowly_harness import (
    Answer,
    ApprovalOutcome,
    ApprovalRequest,
    Approver,
    ApprovingClientSession,
    ToolCall,
    connect,
)
from allowly_harness.adapters import ApprovingClient, PermissionApprover, approving, can_use_tool
from allowly_harness.adapters.permission import Allow, Deny, PermissionContext
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.effects import AnsweredElsewhere, Ask, Effect, Invoke, NoReply, Posted, Settle, ToolReply
from allowly_middleware import AllowlyMCPMiddleware


class Person:
    async def ask(self, request: ApprovalRequest) -> Answer:
        assert_type(request.call, ToolCall)
        return Answer.approve(ttl_seconds=10)


async def ask(request: ApprovalRequest) -> Answer:
    return Answer.deny(request.reason)


def a_plain_class_is_an_approver() -> Approver:
    return Person()


class Everything(Person):
    handles_expiry = True
    handles_many = True

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        return Answer.defer()

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        return ElicitationReply.decline()

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        assert_type(closure.by, str | None)


def an_approver_with_all_extras_is_an_approver() -> Approver:
    return Everything()


async def a_function_goes_wherever_an_approver_goes(authority: AuthorityClient) -> None:
    connection = connect("python server.py", approver=ask, authority=authority)
    assert_type(connection, AbstractAsyncContextManager[ApprovingClientSession])
    async with connection as session:
        result = await session.call_tool("send_email", {"to": "ada@example.com"})
        assert_type(result, CallToolResult)


def a_session_is_a_client_session(session: ApprovingClientSession) -> ClientSession:
    return session


def outcomes_are_text(outcome: ApprovalOutcome) -> str:
    return outcome


def each_effect_has_a_reply_of_its_own(ask: Ask, invoke: Invoke, settle: Settle) -> object:
    async_free: Effect[Answer | AnsweredElsewhere] = ask
    sent: Effect[ToolReply | NoReply] = invoke
    posted: Effect[Posted] = settle
    return async_free, sent, posted


def one_object_guards_a_server(key: str) -> MCPServer:
    def authorization_of(user_id: str) -> str | None:
        return {"ada": "auth_1"}.get(user_id)

    guard = AllowlyMCPMiddleware(key, authorization_of, base_url="http://127.0.0.1:8787")
    return MCPServer("mail", middleware=[guard])


async def adapters_keep_the_type_of_what_they_go_round(client: Client, bare: ClientSession) -> None:
    with approving(client, approver=ask, requester="bot", dangerous=["send"]) as same:
        assert_type(same, Client)
    with approving(bare, approver=ask) as session:
        assert_type(session, ClientSession)
    async with ApprovingClient("http://127.0.0.1:1/mcp", approver=ask, mode="legacy") as made:
        assert_type(await made.call_tool("send", {}), CallToolResult)


async def permit(tool_name: str, given: dict[str, object], context: PermissionContext) -> Allow | Deny:
    return Allow() if not context.default_to_no else Deny(context.title)


def a_callback_is_made_into_an_approver_and_back() -> Approver:
    approver = PermissionApprover(permit, ttl_seconds=10, escalations="wait")
    can_use_tool(approver, server="coder")
    return approver
