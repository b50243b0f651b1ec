"""A server that is slow to start is reached all the same, whichever era it speaks."""

import sys
import textwrap
from pathlib import Path

import anyio
import mcp.client.session
import pytest

from allowly_harness import connect

pytestmark = pytest.mark.anyio

SECONDS = 60
SERVER = """
import time
time.sleep(1.5)
from mcp.server.mcpserver import MCPServer

server = MCPServer("slow")

@server.tool()
def add(a: int, b: int) -> int:
    return a + b

server.run()
"""


async def test_a_modern_server_that_starts_after_the_first_question_was_given_up_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads that question later, and with it becomes a server that refuses the handshake."""
    monkeypatch.setattr(mcp.client.session, "DISCOVER_TIMEOUT_SECONDS", 1.0)
    program = tmp_path / "slow.py"
    program.write_text(textwrap.dedent(SERVER))

    with anyio.fail_after(SECONDS):
        async with connect([sys.executable, str(program)], server_log=tmp_path / "slow.log") as session:
            result = await session.call_tool("add", {"a": 2, "b": 3})

    assert session.protocol_version == "2026-07-28"
    assert result.content[0].text == "5"
