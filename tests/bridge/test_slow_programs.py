"""A program that is slow to start is reached through its pipes, which keep what it is sent meanwhile."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import mcp.client.session
import pytest
from mcp import Client

from allowly_harness.bridge import upstream
from allowly_harness.servers import parse_server
from allowly_harness.transport import ServerTransport

pytestmark = pytest.mark.anyio

PROGRAM = """
import sys

open(sys.argv[1]).read()

from mcp.server import MCPServer

server = MCPServer("program")

@server.tool()
def add(a: int, b: int) -> int:
    return a + b

server.run("stdio")
"""


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_program_that_is_downloaded_before_it_starts_is_reached_through_its_pipes(
    *, mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sent: Any, bridging: Any, transport_to: Any
) -> None:
    """All that it is sent before it reads its input is there when it does."""
    monkeypatch.setattr(mcp.client.session, "DISCOVER_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(upstream, "DISCOVER_SECONDS", 0.5)
    script, download = tmp_path / "program.py", tmp_path / "download"
    script.write_text(PROGRAM)
    os.mkfifo(download)
    spec = parse_server([sys.executable, str(script), str(download)])

    async def come_up() -> None:
        await sent.until("initialize")
        await anyio.Path(download).write_text("done")

    def reach() -> ServerTransport:
        return ServerTransport(spec, None, None, tmp_path / "server.log")

    with anyio.fail_after(60):
        async with bridging(None, reach=reach) as bridge, anyio.create_task_group() as group:
            group.start_soon(come_up)
            async with Client(sent.over(transport_to(bridge)), mode=mode) as client:
                result, version = await client.call_tool("add", {"a": 2, "b": 3}), client.protocol_version

    assert version == ("2026-07-28" if mode == "auto" else "2025-11-25")
    assert result.content[0].text == "5"
