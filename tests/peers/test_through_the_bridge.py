"""A server that others wrote, behind our guard, behind the bridge, driven by clients that know nothing of approvals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

YES = {"action": "accept", "content": {"decision": "approve", "word": "write"}}
NO = {"action": "accept", "content": {"decision": "deny"}}


@dataclass
class Files:
    """The filesystem server, in which reading is allowed and writing wants a yes.

    Attributes:
        server: What a plan needs of it: command and env.
        read: A call that looks.
        write: A call that changes something.
        new: What the latter makes.
    """

    server: dict[str, Any]
    read: tuple[str, dict[str, Any]]
    write: tuple[str, dict[str, Any]]
    new: Path


@pytest.fixture
async def files(peers, office, guarded, tmp_path: Path) -> Files:
    folder = tmp_path / "files"
    folder.mkdir()
    there, new = folder / "there.txt", folder / "new.txt"
    there.write_text("was there before")
    env = await office.grant(allow=["read_text_file"], confirm=["write_file"])
    return Files(
        {"command": guarded(*peers.npm("mcp-server-filesystem"), str(folder)), "env": env},
        ("read_text_file", {"path": str(there)}),
        ("write_file", {"path": str(new), "content": "new words"}),
        new,
    )


async def test_every_client_gets_approvals_by_answering_a_form(client, plan, bridged, files: Files) -> None:
    """G1, G4, G5, G7: what is on the disk afterwards is what the person said."""
    calls = [files.read, files.write, files.write]

    account = await client(plan(**bridged(files.server, "--ask", "host"), calls=calls, replies=[NO, YES]))

    assert "was there before" in account.text(0)
    assert "did not run" in account.text(1)
    assert account.results[2]["isError"] is False, account.text(2)
    assert files.new.read_text() == "new words"
    assert all("new words" in question["message"] for question in account.questions)
    assert len(account.questions) == 2
    assert "nonce" not in repr(account)


async def test_a_client_that_cannot_show_a_form_reads_why_the_call_did_not_run(
    mcp1, plan, bridged, files: Files
) -> None:
    """G1, G10."""
    account = await mcp1(plan(**bridged(files.server, "--ask", "host"), calls=[files.read, files.write]))

    assert "was there before" in account.text(0)
    assert "offers no elicitation of forms" in account.text(1)
    assert (files.new.exists(), account.questions) == (False, [])
