"""What holds for every adapter, in both eras, on a guarded server and a real authority."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import fastmcp
import pytest
from fastmcp.server import create_proxy
from mcp import Client, ClientSession

from allowly_harness import Answer
from allowly_harness.adapters import ApprovingClient, ApprovingTransport, approving, approving_client
from allowly_harness.protocol.models import APPROVAL_META

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize(
        "kind", ["session", "client", "mcp-client", "fastmcp-client", "fastmcp-transport", "proxy", "proxy-of-client"]
    ),
]

Call = Callable[..., Awaitable[Any]]


@asynccontextmanager
async def calls_of(kind: str, office: Any, mode: str, streams: Any, **options: Any) -> AsyncIterator[Call]:
    """Yield what calls a tool through the adapter, and returns the raw result."""
    options = {"authority": office.authority, **options}
    if kind == "session":
        async with streams(office.mcp_server()) as (read, write), ClientSession(read, write) as session:
            await (session.initialize() if mode == "legacy" else session.discover())
            with approving(session, **options):
                yield session.call_tool
    elif kind == "client":
        async with Client(office.mcp_server(), mode=mode) as client:
            with approving(client, **options):
                yield client.call_tool
    elif kind == "mcp-client":
        async with ApprovingClient(office.mcp_server(), mode=mode, **options) as client:
            yield client.call_tool
    else:
        async with _fastmcp_client(kind, office.fastmcp_server(), mode, options) as client:
            yield client.call_tool_mcp


def _fastmcp_client(kind: str, server: Any, mode: str, options: dict[str, Any]) -> fastmcp.Client[Any]:
    match kind:
        case "fastmcp-client":
            return approving_client(server, mode=mode, **options)
        case "fastmcp-transport":
            return fastmcp.Client(ApprovingTransport(server, **options), mode=mode)
        case "proxy":
            return fastmcp.Client(create_proxy(ApprovingTransport(server, **options)), mode=mode)
        case _:
            return fastmcp.Client(create_proxy(approving_client(server, mode=mode, **options)), mode=mode)


async def test_an_approved_call_runs_once(kind, mode, office, streams, person) -> None:
    """G1, G2, G4, G7."""
    ada = person(Answer.approve())

    with anyio.fail_after(20):
        async with calls_of(kind, office, mode, streams, approver=ada) as call:
            result = await call("send", {"to": "ada"})

    assert (result.is_error, result.content[0].text) == (False, "sent to ada")
    assert office.sent == ["ada"]
    assert [question.call.canonical for question in ada.questions] == ['{"to":"ada"}']
    assert result.meta[APPROVAL_META]["outcome"] == "approved"
    assert office.leaked(result) == []


async def test_a_denied_call_never_runs_and_says_so_to_the_model(kind, mode, office, streams, person) -> None:
    """G5, G7."""
    ada = person(Answer.deny("not today"))

    with anyio.fail_after(20):
        async with calls_of(kind, office, mode, streams, approver=ada) as call:
            result = await call("send", {"to": "ada"})

    assert result.is_error
    assert result.content[0].text.startswith("The tool did not run: ")
    assert "not today" in result.content[0].text
    assert office.sent == []
    assert len(ada.questions) == 1
    assert office.leaked(result) == []


async def test_parallel_calls_are_asked_about_one_by_one(kind, mode, office, streams, person) -> None:
    ada = person(*[lambda it: Answer.deny() if it.call.arguments["to"] == "bob" else Answer.approve()] * 4)
    results: dict[str, Any] = {}

    with anyio.fail_after(30):
        async with calls_of(kind, office, mode, streams, approver=ada) as call, anyio.create_task_group() as group:

            async def send(to: str) -> None:
                results[to] = await call("send", {"to": to})

            for to in ("ada", "bob", "cyd", "dan"):
                group.start_soon(send, to)

    assert ada.most_open == 1
    assert len(ada.questions) == 4
    assert sorted(office.sent) == ["ada", "cyd", "dan"]
    assert {to for to, result in results.items() if result.is_error} == {"bob"}
    assert not any(office.leaked(result) for result in results.values())


async def test_a_call_that_needs_no_approval_is_handed_on_as_it_came(kind, mode, office, streams, person) -> None:
    ada = person()

    with anyio.fail_after(20):
        async with calls_of(kind, office, mode, streams, approver=ada) as call:
            result = await call("look", {})

    assert not result.is_error
    assert APPROVAL_META not in (result.meta or {})
    assert ada.questions == []


async def test_without_an_approver_nothing_runs(kind, mode, office, streams) -> None:
    """G1."""
    with anyio.fail_after(20):
        async with calls_of(kind, office, mode, streams) as call:
            result = await call("send", {"to": "ada"})

    assert result.is_error
    assert office.sent == []
    assert office.leaked(result) == []


async def test_an_edited_call_is_asked_about_again_and_runs_as_edited(kind, mode, office, streams, person) -> None:
    """G2."""
    ada = person(Answer.edit({"to": "bob"}), Answer.approve())

    with anyio.fail_after(20):
        async with calls_of(kind, office, mode, streams, approver=ada) as call:
            result = await call("send", {"to": "ada"})

    assert office.sent == ["bob"]
    assert result.meta[APPROVAL_META]["outcome"] == "approved_edited"
    assert [question.call.arguments["to"] for question in ada.questions] == ["ada", "bob"]
