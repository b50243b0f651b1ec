"""`allowly-harness guard` in front of servers that nobody here wrote, and the MCP Inspector before it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import StdioServerParameters, stdio_client
from raw_ends import raw_host

from allowly_harness import Answer, ApprovalRequest, connect
from allowly_harness.protocol.models import APPROVAL_META

pytestmark = pytest.mark.anyio

PROGRAM = str(Path(sys.executable).with_name("allowly-harness"))
SECONDS = 120

REQUESTS = {
    "tools/list": "",
    "tools/call": "--tool-name get-structured-content --tool-arg location=Chicago",
    "resources/list": "",
    "resources/templates/list": "",
    "resources/read": "--uri demo://resource/static/document/features.md",
    "prompts/list": "",
    "prompts/get": "--prompt-name args-prompt --prompt-args city=Paris",
}


def files_server(peers: Any, folder: Path) -> list[str]:
    """The reference filesystem server, from npm."""
    (folder / "files").mkdir()
    (folder / "files" / "there.txt").write_text("was there before")
    return [*peers.npm("mcp-server-filesystem"), str(folder / "files")]


def git_server(peers: Any, folder: Path) -> list[str]:
    """The reference Git server, from PyPI."""
    repository = folder / "files"
    subprocess.run(["git", "init", "-q", "-b", "main", str(repository)], check=True)
    (repository / "there.txt").write_text("was there before")
    return [peers.python("servers", "mcp-server-git"), "--repository", str(repository)]


CASES: dict[str, Any] = {
    "npm": (
        files_server,
        ("read_text_file", {"path": "there.txt"}),
        ("write_file", {"path": "new.txt", "content": "x"}),
    ),
    "python": (git_server, ("git_status", {"repo_path": ""}), ("git_add", {"repo_path": "", "files": ["there.txt"]})),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, peers: Any, tmp_path: Path) -> Any:
    """A server: its command, a call that looks, and one that changes something."""
    make, looks, changes = CASES[request.param]
    command = make(peers, tmp_path)
    files = tmp_path / "files"

    def placed(call: Any) -> Any:
        name, arguments = call
        paths = {key: str(files / arguments[key]) for key in ("path", "repo_path") if key in arguments}
        return name, arguments | paths

    return command, placed(looks), placed(changes)


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | more


def changed(tmp_path: Path) -> bool:
    """Tell whether the call that changes something has run."""
    staged = tmp_path / "files" / ".git" / "index"
    return staged.exists() or (tmp_path / "files" / "new.txt").exists()


@asynccontextmanager
async def reached(command: list[str], env: dict[str, str], *, modern: bool) -> AsyncGenerator[Any]:
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=env)
    async with raw_host(stdio_client(parameters), modern=modern) as host:
        yield host


def initialised(tmp_path: Path, command: list[str]) -> Path:
    """Write the policy that the server suggests, and check what every line of it says."""
    policy = tmp_path / "policy.toml"
    subprocess.run(
        [PROGRAM, "guard", "--init", "-o", str(policy), "--", *command],
        env=environment(tmp_path),
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    return policy


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_lists_and_allowed_calls_are_those_of_the_bare_server_byte_for_byte(
    case: Any, tmp_path: Path, era: str
) -> None:
    command, (tool, arguments), _ = case
    (tmp_path / "policy.toml").write_text(f'default = "confirm"\n[tools]\n"it.{tool}" = "allow"\n')
    guarded = [PROGRAM, "guard", "--name", "it", "--policy", str(tmp_path / "policy.toml"), "--", *command]
    # The server from npm knows the handshake alone; what a modern host is told beside its words is the guard's.
    crosses = era == "modern" and "mcp-server-git" not in command[0]
    seen: dict[str, list[str]] = {}

    async def look(which: str, words: list[str]) -> None:
        modern = era == "modern" and (which == "guarded" or not crosses)
        async with reached(words, environment(tmp_path), modern=modern) as host:
            answers = [
                await host.request("tools/list"),
                await host.request("tools/call", {"name": tool, "arguments": arguments}),
            ]
        added = ("resultType", "ttlMs", "cacheScope") if which == "guarded" and crosses else ()
        seen[which] = [
            json.dumps({name: value for name, value in answer.items() if name not in added}) for answer in answers
        ]

    with anyio.fail_after(SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(look, "bare", command)
            group.start_soon(look, "guarded", guarded)

    assert seen["guarded"] == seen["bare"]


async def test_what_init_writes_lets_it_look_and_asks_before_it_changes_anything(
    case: Any, office: Any, tmp_path: Path
) -> None:
    """G1, G4: what is on the disk afterwards is what the person said."""
    command, looks, changes = case
    policy = initialised(tmp_path, command)
    answers = [Answer.deny(), Answer.approve()]
    questions: list[ApprovalRequest] = []

    async def person(request: ApprovalRequest) -> Answer:
        questions.append(request)
        return answers.pop(0)

    with anyio.fail_after(SECONDS):
        async with connect(
            [PROGRAM, "guard", "--policy", str(policy), "--", *command],
            approver=person,
            authority=office.authority,
            env=environment(tmp_path, **office.environment),
            connect_seconds=SECONDS,
        ) as session:
            looked = await session.call_tool(*looks)
            refused = await session.call_tool(*changes)
            between = changed(tmp_path)
            approved = await session.call_tool(*changes)

    assert not looked.is_error
    assert (refused.meta[APPROVAL_META]["outcome"], between) == ("denied_by_person", False)
    assert approved.meta[APPROVAL_META]["outcome"] == "approved"
    assert changed(tmp_path)
    assert [request.verification for request in questions] == ["matched", "matched"]


async def test_a_tool_that_is_denied_is_neither_there_nor_callable(case: Any, tmp_path: Path) -> None:
    command, _, (tool, arguments) = case
    (tmp_path / "policy.toml").write_text(f'[tools]\n"it.{tool}" = "deny"\n"it.*" = "allow"\n')
    guarded = [PROGRAM, "guard", "--name", "it", "--policy", str(tmp_path / "policy.toml"), "--", *command]

    with anyio.fail_after(SECONDS):
        async with reached(guarded, environment(tmp_path), modern=False) as host:
            listed = await host.request("tools/list")
            result = await host.request("tools/call", {"name": tool, "arguments": arguments})

    assert tool not in [one["name"] for one in listed["tools"]]
    assert len(listed["tools"]) > 3
    assert result["structuredContent"]["decision"] == "deny"
    assert not changed(tmp_path)


@pytest.fixture(scope="module")
def guard_over_http(peers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the reference server of everything through a guard, over HTTP, and yield where."""
    home = tmp_path_factory.mktemp("home")
    (home / "policy.toml").write_text(
        '[tools]\n"all.*" = "allow"\n"all.echo" = "confirm"\n'
        '[resources]\n"all.*" = "allow"\n[prompts]\n"all.*" = "allow"\n'
    )
    options = ["--name", "all", "--policy", str(home / "policy.toml"), "--http", "0"]
    with subprocess.Popen(
        [PROGRAM, "guard", *options, "--", *peers.npm("mcp-server-everything")],
        env=environment(home),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        yield next(found[0] for line in process.stderr if (found := re.findall(r"http://\S+/mcp", line)))
        process.terminate()
        process.stderr.read()


@pytest.mark.parametrize("request_", REQUESTS)
async def test_the_inspector_sees_through_the_guard_what_it_sees_of_the_bare_server(
    inspect: Any, peers: Any, guard_over_http: str, request_: str
) -> None:
    options = ["--method", request_, *REQUESTS[request_].split()]
    seen: dict[str, Any] = {}

    async def look(name: str, server: Any) -> None:
        seen[name] = await inspect(server, *options)

    async with anyio.create_task_group() as group:
        group.start_soon(partial(look, "bare", peers.npm("mcp-server-everything")))
        group.start_soon(partial(look, "guarded", guard_over_http))

    assert seen["bare"].said
    assert seen["guarded"] == seen["bare"]


async def test_the_inspector_is_told_of_the_question_and_the_tool_does_not_run(
    inspect: Any, guard_over_http: str
) -> None:
    """G1."""
    printed = await inspect(
        guard_over_http, "--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello"
    )

    assert printed.code == 5
    assert "confirm_nonce" in repr(printed.said)
    assert "Echo: hello" not in repr(printed.said)
