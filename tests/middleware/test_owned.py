"""The middleware's own authority client: opened when needed, closed with the server."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import Any

import anyio
import pytest

from allowly_middleware import AllowlyMCPMiddleware

pytestmark = pytest.mark.anyio

ONE_CALL = """
import sys
import anyio, mcp
from mcp.server import MCPServer
from allowly_middleware import AllowlyMCPMiddleware

async def main():
    mw = AllowlyMCPMiddleware(sys.argv[1], lambda user_id: user_id, base_url=sys.argv[2])
    server = MCPServer("s", middleware=[mw], log_level="ERROR")
    server.tool()(send)
    async with mcp.Client(server) as client:
        print((await client.call_tool("send", {"user_id": sys.argv[3]})).is_error)

def send(user_id: str) -> str:
    return "sent"

anyio.run(main)
"""


async def test_a_program_that_just_ends_leaves_no_connection_open(authority, running):
    """`-X dev` reports every socket, session and task that was left open."""
    user = await authority.grant("send")
    argv = [sys.executable, "-X", "dev", "-c", ONE_CALL, running.api_key, running.base_url, user]

    ended = await anyio.run_process(argv, check=False)

    assert ended.stdout.decode().strip() == "False"
    assert "Unclosed" not in ended.stderr.decode()
    assert "never" not in ended.stderr.decode()
    assert ended.returncode == 0


def test_one_middleware_serves_in_several_event_loops(options, servers):
    calls: list[Any] = []
    mw = AllowlyMCPMiddleware(**{**options, "authorization_id_fn": lambda user_id: "auth_of_nobody"})

    async def one_call() -> None:
        import mcp

        async with mcp.Client(servers.build("mcpserver", lambda *run: None, mw)) as client:
            calls.append((await client.call_tool("send", {"user_id": "ada", "text": "5"})).structured_content["reason"])

    anyio.run(one_call)
    anyio.run(one_call)

    assert calls == ["authorization_not_found"] * 2


async def test_a_closed_middleware_opens_again_for_the_next_call(bench):
    user = await bench.authority.grant()
    async with bench.guard() as mw, bench.client(bench.build("mcpserver", mw)) as client:
        first = await bench.call(client, "send", user_id=user, text="5")
        await mw.aclose()
        await mw.aclose()
        second = await bench.call(client, "send", user_id=user, text="6")

    assert (first.is_error, second.is_error) == (False, False)


async def test_a_middleware_that_is_forgotten_closes_its_connections(bench):
    user = await bench.authority.grant()

    async def one_call() -> None:
        async with bench.client(bench.build("mcpserver", bench.guard())) as client:
            await bench.call(client, "send", user_id=user, text="5")

    await one_call()
    gc.collect()
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    gc.collect()  # an open connection would be reported as an error here

    assert bench.texts() == ["5"]


async def test_a_given_client_stays_open(bench):
    user = await bench.authority.grant()
    async with (
        bench.guard(authority=bench.authority.client) as mw,
        bench.client(bench.build("mcpserver", mw)) as client,
    ):
        await bench.call(client, "send", user_id=user, text="5")
        transport = bench.authority.client._transport

    assert bench.authority.client._transport is transport


@pytest.mark.parametrize("setting", [{"base_url": "http://example.com"}, {"base_url": "ftp://x"}, {"api_key": ""}])
def test_a_setting_that_cannot_work_fails_before_the_first_call(setting, options):
    with pytest.raises(ValueError, match=r"."):
        AllowlyMCPMiddleware(**{**options, **setting})


def test_the_key_shows_in_no_repr(options):
    mw = AllowlyMCPMiddleware(**options)

    assert options["api_key"] not in repr(mw) + repr(vars(mw))


def test_importing_the_package_loads_neither_a_server_nor_an_http_library():
    loaded = "sorted({'mcp', 'fastmcp', 'httpx', 'aiohttp', 'pydantic'} & set(sys.modules))"
    code = f"import sys, allowly_middleware; print({loaded})"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"


def test_a_guarded_mcp_server_never_loads_fastmcp_or_a_screen():
    code = (
        "import sys; from allowly_middleware import AllowlyMCPMiddleware;"
        "print(sorted({'fastmcp','textual','prompt_toolkit','rich','allowly_harness'} & set(sys.modules)))"
    )

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"
