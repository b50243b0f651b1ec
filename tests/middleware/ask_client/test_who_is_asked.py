"""Who is asked through the client, about what, and what all others get."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import fastmcp
import mcp
import pytest
from fastmcp.server.context import Context as FastMCPContext
from mcp.client import advertise
from mcp.shared.memory import create_client_server_memory_streams

from allowly_harness import Answer, connect
from allowly_harness.adapters import ApprovingClient
from allowly_harness.approvers.elicitation import ElicitationReply
from allowly_harness.protocol.models import RUNTIME_EXTENSION

pytestmark = pytest.mark.anyio
kinds = pytest.mark.parametrize("kind", ["fastmcp", "mcpserver", "lowlevel"])
YES = {"decision": "approve"}
KEY = "allowly-approval"


def decision(result: Any) -> str:
    return result.structured_content["decision"] if result.is_error else "ran"


@kinds
async def test_an_escalation_is_never_asked_through_the_client(kind, bench, asking, person):
    """G11: the person at the client is the requester."""
    user, host = await bench.authority.grant(escalate=("send",)), person(YES)
    async with host.client(bench.build(kind, asking())) as client:
        result = await bench.call(client, "send", user_id=user, text="5")

    assert list(result.structured_content)[:3] == ["decision", "reason", "escalation_id"]
    assert host.forms == []


@kinds
async def test_a_deny_is_never_asked_about(kind, bench, asking, person):
    user, host = await bench.authority.grant("other"), person(YES)
    async with host.client(bench.build(kind, asking())) as client:
        result = await bench.call(client, "send", user_id=user, text="5")

    assert result.structured_content == {"decision": "deny", "reason": "scope_not_authorized"}
    assert host.forms == []


@kinds
@pytest.mark.parametrize("asked_by", ["nobody", "a legacy host", "our runtime"])
async def test_whoever_is_not_asked_gets_the_blocked_result_to_the_byte(kind, asked_by, bench, asking, person):
    user, host = await bench.authority.grant(confirm=("send",)), person(YES)
    library = fastmcp if kind == "fastmcp" else mcp
    how = {
        "nobody": {},
        "a legacy host": {"era": "legacy", **host.options(library)},
        "our runtime": {**host.options(library), "extensions": [advertise(RUNTIME_EXTENSION)]},
    }[asked_by]
    results = []
    for mw in (bench.guard(authority=Fixed()), asking(authority=Fixed())):
        async with bench.client(bench.build(kind, mw), **how) as client:
            results.append(await bench.call(client, "send", user_id=user, text="5"))

    assert results[0].model_dump_json() == results[1].model_dump_json()
    assert results[1].structured_content["confirm_nonce"] == "cnf_nonce"
    assert host.forms == []


@kinds
async def test_without_the_option_a_host_that_shows_forms_is_not_asked(kind, bench, person):
    user, host = await bench.authority.grant(confirm=("send",)), person(YES)
    async with host.client(bench.build(kind, bench.guard())) as client:
        result = await bench.call(client, "send", user_id=user, text="5")

    assert decision(result) == "confirm"
    assert host.forms == []


async def test_a_call_that_a_tool_makes_inside_of_the_server_is_not_asked_about(bench, asking, person):
    """The form would be handed to the calling tool, which would take it for an empty success."""
    user, host = await bench.authority.grant("outer", "send", confirm=("send",)), person(YES)
    server = bench.build("fastmcp", asking())

    @server.tool
    async def outer(user_id: str, ctx: FastMCPContext) -> str:
        inner = await ctx.fastmcp.call_tool("send", {"user_id": user_id, "text": "5"})
        return inner.structured_content["decision"]

    async with host.client(server) as client:
        result = await bench.call(client, "outer", user_id=user)

    assert result.content[0].text == "confirm"
    assert host.forms == []
    assert bench.runs == []


async def test_a_gate_on_a_mounted_server_does_not_ask(bench, asking, person):
    """It cannot tell the client's call from one that a tool of the parent makes."""
    user, host = await bench.authority.grant(confirm=("send",)), person(YES)
    parent = fastmcp.FastMCP("parent")
    parent.mount(bench.build("fastmcp", asking()), namespace="mail")
    async with host.client(parent) as client:
        result = await bench.call(client, "mail_send", user_id=user, text="5")

    assert decision(result) == "confirm"
    assert host.forms == []


async def test_a_gate_on_the_parent_asks_about_a_tool_of_a_mounted_server(bench, asking, person):
    user, host = await bench.authority.grant("mail_send", confirm=("mail_send",)), person(YES)
    parent = fastmcp.FastMCP("parent", middleware=[asking()])
    parent.mount(bench.build("fastmcp"), namespace="mail")
    async with host.client(parent) as client:
        result = await bench.call(client, "mail_send", user_id=user, text="5")

    assert decision(result) == "ran"
    assert "    tool: mail_send" in host.forms[0].message.splitlines()


@kinds
async def test_a_call_that_is_too_large_to_be_read_is_not_asked_about(kind, bench, asking, person):
    user, host = await bench.authority.grant(confirm=("send",)), person(YES)
    async with host.client(bench.build(kind, asking())) as client:
        result = await bench.call(client, "send", user_id=user, text="5" * 4000)

    assert decision(result) == "confirm"
    assert host.forms == []


class Person:
    """A person at a program of ours: has forms and cards, and says yes to both."""

    def __init__(self) -> None:
        self.cards: list[Any] = []
        self.forms: list[Any] = []

    async def ask(self, request: Any) -> Answer:
        self.cards.append(request)
        return Answer.approve()

    async def elicit(self, request: Any) -> ElicitationReply:
        self.forms.append(request)
        return ElicitationReply.accept(YES)


@pytest.mark.parametrize("kind", ["session", "client"])
async def test_our_own_clients_ask_their_person_once_and_with_a_card(kind, bench, asking):
    user, person = await bench.authority.grant(confirm=("send",)), Person()
    server = bench.build("lowlevel", asking())
    with anyio.fail_after(10):
        async with _ours(kind, server, bench, person) as ours:
            result = await ours.call_tool("send", {"user_id": user, "text": "5"})

    assert result.content[0].text == "sent"
    assert (len(person.cards), person.forms) == (1, [])
    assert bench.texts() == ["5"]


def _ours(kind: str, server: Any, bench: Any, person: Person) -> Any:
    options = {"approver": person, "authority": bench.authority.client, "name": "guarded"}
    if kind == "client":
        return ApprovingClient(server, **options)
    return connect(_transport(server), era="modern", **options)


@asynccontextmanager
async def _transport(server: Any) -> AsyncIterator[Any]:
    async with create_client_server_memory_streams() as (ours, theirs), anyio.create_task_group() as group:
        group.start_soon(server.run, *theirs, server.create_initialization_options())
        yield ours
        group.cancel_scope.cancel()


class Fixed:
    """An authority with one answer, so that two results can be compared."""

    async def check(self, *, authorization_id: str, scopes: list[str], **_: Any) -> Any:
        from datetime import UTC, datetime

        from allowly_authority.wire.replies import CheckReply

        result = {
            "decision": "confirm",
            "reason": "scope_requires_user_confirmation",
            "confirm_nonce": "cnf_nonce",
            "confirm_prompt_hint": "send",
            "confirm_expires_at": datetime(2030, 1, 1, tzinfo=UTC).isoformat(),
        }
        return CheckReply.model_validate({"authorization_id": authorization_id, "results": {scopes[0]: result}})
