"""The MCP Inspector's command line sees through the bridge what it sees of the bare server."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from terminals import Terminal

pytestmark = pytest.mark.anyio

REQUESTS = {
    "tools/list": "",
    "tools/call": "--tool-name get-structured-content --tool-arg location=Chicago",
    "tools/call, wrong arguments": "--tool-name get-sum --tool-arg a=many",
    "resources/list": "",
    "resources/templates/list": "",
    "resources/read": "--uri demo://resource/static/document/features.md",
    "resources/read, nothing there": "--uri demo://nothing",
    "prompts/list": "",
    "prompts/get": "--prompt-name args-prompt --prompt-args city=Paris",
}
OVER_BOTH = {"tools/list", "tools/call", "resources/list", "resources/read", "prompts/list", "prompts/get"}
"""What is looked at over stdio as well; each needs a bridge of its own."""

SUM = ("--method", "tools/call", "--tool-name", "get-sum", "--tool-arg", "a=2", "b=3")
ECHO = ("--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello")


@pytest.fixture(scope="module")
def bridge_over_http(peers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the bare server through the bridge, over HTTP, and yield where."""
    home = tmp_path_factory.mktemp("home")
    program = Path(sys.executable).with_name("allowly-harness")
    command = [str(program), "bridge", "--ask", "host", "--http", "0", "--", *peers.npm("mcp-server-everything")]
    with subprocess.Popen(
        command, env={"PATH": os.environ["PATH"], "HOME": str(home)}, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        yield re.findall(r"http://\S+/mcp", process.stderr.readline())[0]
        process.terminate()
        process.stderr.read()


@pytest.mark.parametrize("request_", REQUESTS)
async def test_the_bridge_gives_what_the_bare_server_gives(
    inspect, peers, bridged, bridge_over_http: str, request_: str
) -> None:
    options = ["--method", request_.partition(",")[0], *REQUESTS[request_].split()]
    bare = peers.npm("mcp-server-everything")
    through = bridged({"command": bare, "env": {}}, "--ask", "host")
    seen: dict[str, Any] = {}

    async def look(name: str, server: Any, **environ: Any) -> None:
        seen[name] = await inspect(server, *options, **environ)

    async with anyio.create_task_group() as group:
        group.start_soon(look, "bare", bare)
        group.start_soon(look, "http", bridge_over_http)
        if request_ in OVER_BOTH:
            group.start_soon(partial(look, "stdio", through["command"], env=through["env"]))

    assert seen["bare"].said
    assert all(printed == seen["bare"] for printed in seen.values()), seen


async def test_a_server_of_the_handshakes_era_is_offered_in_the_era_of_2026(inspect, bridge_over_http: str) -> None:
    printed = await inspect(bridge_over_http, "--protocol-era", "modern", *SUM)

    assert printed.code == 0
    assert printed.said["result"]["content"][0]["text"] == "The sum of 2 and 3 is 5."


@pytest.fixture
async def guarded_everything(peers, office, guarded) -> dict[str, Any]:
    """The same server behind a guard that lets one tool through and wants a yes for another."""
    env = await office.grant(allow=["echo"], confirm=["get-sum"])
    return {"command": guarded(*peers.npm("mcp-server-everything")), "env": env}


async def test_what_the_guard_blocks_is_refused_where_nobody_can_be_asked(inspect, guarded_everything, bridged) -> None:
    """G1, G10: the Inspector's command line shows no forms."""
    through = bridged(guarded_everything, "--ask", "host")

    echoed = await inspect(through["command"], *ECHO, env=through["env"])
    refused = await inspect(through["command"], *SUM, env=through["env"])

    assert "hello" in repr(echoed.said)
    assert refused.code == 5
    assert "offers no elicitation of forms" in repr(refused.said)
    assert "The sum" not in repr(refused.said)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of ours alone whose name is short enough for a socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def terminal(home: Path) -> Iterator[Terminal]:
    """A real terminal of 100 by 34."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    opened = Terminal(home, kept | {"HOME": str(home), "TERM": "xterm-256color", "XDG_RUNTIME_DIR": str(home)})
    yield opened
    opened.close()


@pytest.mark.terminal
async def test_a_person_in_another_terminal_answers_for_the_inspector(
    inspect, guarded_everything, bridged, terminal: Terminal, home: Path
) -> None:
    """G1, G4."""
    through = bridged(guarded_everything)
    seen = []

    async def look() -> None:
        environ = through["env"] | {"XDG_RUNTIME_DIR": str(home)}
        seen.append(await inspect(through["command"], *SUM, env=environ))

    def answer() -> None:
        terminal.start([through["command"][0], "approve", "--chat"])
        code = terminal.wait_for(r"approve (\w\w)\b")[1]
        terminal.type(f"approve {code}")
        terminal.press("Enter")

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        await anyio.to_thread.run_sync(answer)

    assert (seen[0].code, seen[0].said["result"]["content"][0]["text"]) == (0, "The sum of 2 and 3 is 5.")
