"""`until_lost`: a session says when and why its server is gone."""

import sys
from pathlib import Path

import anyio
import pytest
from mcp.shared.memory import create_client_server_memory_streams

from allowly_harness import ApprovingClientSession, connect

pytestmark = pytest.mark.anyio

SERVER = '''
import sys
from mcp.server import MCPServer

mcp = MCPServer("mortal")


@mcp.tool()
def die(words: str) -> str:
    """End the process in the middle of a call."""
    import os

    print(words, file=sys.stderr, flush=True)
    os._exit(3)


mcp.run("stdio")
'''


async def test_a_session_whose_transport_ends_says_that_the_server_closed_it() -> None:
    async with (
        create_client_server_memory_streams() as (client, server),
        ApprovingClientSession(*client) as session,
    ):
        await server[1].aclose()
        with anyio.fail_after(20):
            assert await session.until_lost() == "the server closed the connection"


async def test_a_session_that_is_left_says_that_this_program_closed_it(open_session) -> None:
    async with open_session() as session:
        pass

    with anyio.fail_after(20):
        assert await session.until_lost() == "this program closed the connection"


async def test_an_open_session_is_not_lost(open_session) -> None:
    async with open_session() as session:
        with anyio.move_on_after(0.05) as limit:
            await session.until_lost()

        assert limit.cancelled_caught
        assert (await session.call_tool("look")).content[0].text == "look done"


async def test_a_started_server_that_dies_is_noticed_and_its_last_words_are_told(tmp_path: Path) -> None:
    program = tmp_path / "mortal.py"
    program.write_text(SERVER)
    log = tmp_path / "server.log"

    with anyio.fail_after(30):
        async with (
            connect([sys.executable, str(program)], server_log=log) as session,
            anyio.create_task_group() as group,
        ):

            async def die() -> None:
                with pytest.raises(Exception, match="Connection closed"):
                    await session.call_tool("die", {"words": "out of memory"})

            group.start_soon(die)
            why = await session.until_lost()

    assert why.startswith("the server closed the connection; its last line was 'out of memory'")
