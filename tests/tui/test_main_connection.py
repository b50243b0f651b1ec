"""The full screen on a real server that dies and comes back."""

import asyncio
import sys

import anyio
import pytest

from allowly_harness import connect
from allowly_harness.tui.app import HarnessApp
from allowly_harness.tui.approver import TuiApprover
from allowly_harness.workbench.feed import ServerFeed
from allowly_harness.workbench.link import LinkState

pytestmark = pytest.mark.anyio

SERVER = """
import os, sys
from mcp.server.mcpserver import MCPServer

server = MCPServer("mortal")

@server.tool()
def die() -> str:
    print("last words", file=sys.stderr, flush=True)
    os._exit(3)

@server.tool()
def answer(to: str) -> str:
    return f"hello {to}"

server.run()
"""


async def test_a_server_that_dies_is_called_lost_and_connected_again(tmp_path):
    script = tmp_path / "mortal.py"
    script.write_text(SERVER)
    log = tmp_path / "server.log"
    approver, feed = TuiApprover(), ServerFeed(log)
    command = [sys.executable, str(script)]
    app = HarnessApp(
        lambda: connect(command, approver=approver, server_log=log, **feed.options), approver=approver, feed=feed
    )
    async with app.run_test(size=(120, 40)) as pilot:
        owner = asyncio.create_task(app.own_link())

        async def until(condition) -> None:
            with anyio.fail_after(30):
                while not condition():
                    await pilot.pause(0.02)

        await until(lambda: len(app.tools) == 2)
        assert app._main.tools.pick("answer")
        await pilot.press("e", "a", "d", "a")

        call = app.start_call("die", {})
        await until(lambda: app.link.state is LinkState.LOST)
        await until(lambda: not call.running)
        assert call.words in ("FAILED", "UNKNOWN, may have run")
        await until(lambda: any("last words" in line.text.text for line in feed.lines))
        await pilot.press("ctrl+o")
        await until(lambda: app.link.state is LinkState.CONNECTED)
        await pilot.press("ctrl+r")
        await until(lambda: len(app.calls.entries) == 2 and not app.calls.entries[-1].running)

        again = app.calls.entries[-1]
        assert again.problem is None, again.problem.text
        assert again.result.content[0].text == "hello ada"
        await app.calls.close()
    app.link.stop()
    with anyio.fail_after(20):
        await owner
