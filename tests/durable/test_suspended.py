"""A harness that is suspended over the end of its question: what was typed meanwhile approves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from allowly_authority import AuthorityClient, embedded_authority
from allowly_authority.service.authority import Authority
from allowly_demos.mailstore import MailStore
from allowly_demos.prepare import prepare

# It waits for the end of a real question, which is the point of it.
pytestmark = [pytest.mark.anyio, pytest.mark.terminal, pytest.mark.slow]

LEFT_SECONDS = 15.0
"""How much of the question is left when it is put."""

SEND = ("send_email", "--json", '{"to": "ada@example.com", "subject": "Hi", "body": "Hello"}')


def harness_of(shell: int, program: str) -> int:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    children = [pid for pid, parent in pairs if parent == shell]
    return next(pid for pid in children if f"{program}\0call" in Path(f"/proc/{pid}/cmdline").read_text())


def suspended_over_the_end(terminal: Any, program: str) -> None:
    code = terminal.wait_for(r"approve (\w\w)\b")[1]
    harness = harness_of(terminal.program(), program)
    os.kill(harness, signal.SIGSTOP)
    terminal.type(f"approve {code}")
    terminal.press("Enter")
    terminal.read(LEFT_SECONDS + 1)
    os.kill(harness, signal.SIGCONT)
    terminal.wait_for("EXPIRED")


async def test_an_approval_typed_while_the_harness_was_suspended_over_the_end_is_none(
    environ: dict[str, str], tmp_path: Path, terminal: Any, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G1."""
    ahead = 0.0
    look_up = Authority.look_up

    async def late(self: Authority, request: Any) -> dict[str, Any]:
        nonlocal ahead
        ahead = 300.0 - LEFT_SECONDS
        return await look_up(self, request)

    monkeypatch.setattr(Authority, "look_up", late)
    async with (
        embedded_authority(db=":memory:", clock=lambda: time.time() + ahead) as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as client,
    ):
        variables = await prepare(client, base_url=running.base_url, api_key=running.api_key, root=tmp_path / "mail")
        environ |= {"ALLOWLY_BASE_URL": running.base_url, "ALLOWLY_KEY": running.api_key}
        terminal._environ.update(environ)
        given = [f"--env={name}={value}" for name, value in variables.items()]
        terminal.start([program, "call", f"{sys.executable} -m allowly_demos.mail", *SEND, *given])

        await anyio.to_thread.run_sync(suspended_over_the_end, terminal, program)

        screen = terminal.screen()
        approved = [item for status in ("approved", "consumed") for item in (await client.pending(status=status)).items]
    assert approved == [], screen
    assert MailStore(tmp_path / "mail").addresses() == []
