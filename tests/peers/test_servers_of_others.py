"""Servers that others wrote, behind our guard on a library's proxy: what they do is done for real, or not at all."""

import sqlite3
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from allowly_harness import Answer, ApprovalRequest, connect

pytestmark = pytest.mark.anyio

SECONDS = 60


@dataclass
class Case:
    """A server, one tool that looks and one that changes something.

    Attributes:
        done: What the change has left behind, read without the server; empty before.
    """

    command: list[str]
    looks: tuple[str, dict[str, Any]]
    changes: tuple[str, dict[str, Any]]
    done: Callable[[], list[str]]


def filesystem(peers: Any, tmp_path: Path) -> Case:
    """The reference filesystem server, in Node."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "there.txt").write_text("was there before")
    new = folder / "new.txt"
    return Case(
        [*peers.npm("mcp-server-filesystem"), str(folder)],
        ("read_text_file", {"path": str(folder / "there.txt")}),
        ("write_file", {"path": str(new), "content": "written"}),
        lambda: [new.read_text()] if new.exists() else [],
    )


def sqlite(peers: Any, tmp_path: Path) -> Case:
    """The reference SQLite server, on the SDK before 2.0."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE fruit (name TEXT)")
    database.close()

    def rows() -> list[str]:
        with sqlite3.connect(path) as database:
            found = [name for (name,) in database.execute("SELECT name FROM fruit")]
        database.close()
        return found

    return Case(
        [peers.python("mcp1", "mcp-server-sqlite"), "--db-path", str(path)],
        ("read_query", {"query": "SELECT count(*) AS n FROM fruit"}),
        ("write_query", {"query": "INSERT INTO fruit VALUES ('pear')"}),
        rows,
    )


def git(peers: Any, tmp_path: Path) -> Case:
    """The reference Git server, on the present SDK."""
    repository = tmp_path / "repository"

    def run(*words: str) -> str:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        done = subprocess.run(
            ["git", *identity, "-C", str(repository), *words], check=True, capture_output=True, text=True
        )
        return done.stdout

    repository.mkdir()
    run("init", "--quiet", "--initial-branch=main")
    run("commit", "--quiet", "--allow-empty", "--message=begin")
    where = {"repo_path": str(repository)}
    return Case(
        [peers.python("servers", "mcp-server-git"), "--repository", str(repository)],
        ("git_log", where),
        ("git_create_branch", where | {"branch_name": "topic"}),
        lambda: run("branch", "--list", "topic", "--format=%(refname:short)").split(),
    )


@pytest.fixture(params=[filesystem, sqlite, git], ids=lambda made: made.__name__)
def case(request: pytest.FixtureRequest, peers, tmp_path: Path) -> Case:
    return request.param(peers, tmp_path)


async def test_looking_needs_nobody_and_a_change_is_made_once_when_a_person_says_yes(
    case: Case, office, guarded
) -> None:
    """G1, G2, G4, in both eras: the servers speak theirs, whatever the client speaks."""
    env = await office.grant(allow=[case.looks[0]], confirm=[case.changes[0]])
    questions: list[ApprovalRequest] = []
    answers = [Answer.deny("not now"), Answer.approve()]

    async def ask(request: ApprovalRequest) -> Answer:
        questions.append(request)
        return answers.pop(0)

    before = case.done()
    with anyio.fail_after(SECONDS):
        async with connect(
            guarded(*case.command), approver=ask, authority=office.authority, name="theirs", env=env
        ) as session:
            looked = await session.call_tool(*case.looks)
            asked_to_look = list(questions)
            refused = await session.call_tool(*case.changes)
            after_no = case.done()
            made = await session.call_tool(*case.changes)

    assert (before, looked.is_error, asked_to_look) == ([], False, [])
    assert (refused.is_error, after_no) == (True, [])
    assert "not now" in refused.content[0].text
    assert (made.is_error, len(case.done())) == (False, 1), made.content
    assert [question.call.payload() for question in questions] == [case.changes[1]] * 2
    assert all(question.call.tool == case.changes[0] for question in questions)
