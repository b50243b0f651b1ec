"""The page about the guard: its commands, its policy and its entry for hosts, as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "guard.md").read_text()
SECONDS = 120


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(DOCS / "examples" / "guard_notes_server.py", tmp_path)
    return tmp_path


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_the_commands_lead_from_a_policy_to_a_question(folder: Path, environment: dict[str, str]) -> None:
    initialise, explain, calls, _ = blocks("sh")
    waiting = calls.replace(" add_note ", " add_note --unattended defer ")

    done = subprocess.run(
        ["sh", "-c", f"set -e\n{initialise}{explain}{waiting}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 5, done.stderr
    assert "guard_notes_server.add_note: confirm" in done.stdout
    assert "the request for approval was left open" in done.stderr
    assert blocks("toml")[0] in (folder / "policy.toml").read_text()


@pytest.mark.anyio
async def test_the_entry_for_a_host_starts_a_server_that_asks(folder: Path, environment: dict[str, str]) -> None:
    entry = json.loads(blocks("json")[0].replace("/home/ada", str(folder)))["mcpServers"]["notes"]
    policy = anyio.Path(folder / "policy.toml")
    await policy.write_text(blocks("toml")[0])
    (folder / "run").mkdir(mode=0o700)
    parameters = StdioServerParameters(
        command=str(Path(sys.executable).with_name(entry["command"])),
        args=["bridge", "--ask", "host", *entry["args"][1:]],
        env=environment | {"XDG_RUNTIME_DIR": str(folder / "run")},
        cwd=str(folder),
    )

    with anyio.fail_after(SECONDS):
        async with Client(stdio_client(parameters), mode="legacy") as client:
            listed = await client.list_tools()
            read = await client.call_tool("read_notes", {})
            blocked = await client.call_tool("add_note", {"text": "Hello"})

    assert [tool.name for tool in listed.tools] == ["read_notes", "add_note", "delete_notes"]
    assert not read.is_error
    assert blocked.is_error
    assert "nonce" not in repr(blocked)
    assert list((folder / "notes").iterdir()) == []
