"""Whole conversations as a person reads them, kept as text: look at `snapshots/` to see how the prompt reads."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pyte
import pytest
from mcp import types

pytestmark = pytest.mark.anyio

SNAPSHOTS = Path(__file__).parent / "snapshots"

UPDATE = "UPDATE_SNAPSHOTS"
"""Set to 1, this variable has the tests write their snapshots instead of comparing them."""


@pytest.fixture(autouse=True)
def at_greenwich(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def compared(terminal) -> Callable[[str], None]:
    """Compare what stands on the screen, and has scrolled away, with a kept text."""

    def compare(name: str) -> None:
        screen = pyte.Screen(100, 600)
        pyte.Stream(screen).feed(terminal.screen.replace("\x1b[?7l", "").replace("\x1b[?7h", ""))
        text = "\n".join(line.rstrip() for line in screen.display).rstrip() + "\n"
        text = re.sub(r"\b[0-9a-f]{4}(?: [0-9a-f]{4}){3}\b", "0123 4567 89ab cdef", text)
        path = SNAPSHOTS / f"{name}.txt"
        if os.environ.get(UPDATE) == "1":
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert text == path.read_text(), f"{name} reads otherwise than it did; {UPDATE}=1 keeps the new text"

    return compare


async def test_a_call_that_is_viewed_edited_and_approved(chat, mail, terminal, compared):
    async with chat(frozen=True, hints=["/call send_email to=ada@example.com"]):
        for shown, typed in (
            ("mail> ", "/tools mail"),
            ("mail> ", "/schema send_email"),
            ("mail> ", "/call send_email to=ada@example.com copies=two"),
            ("mail> ", "/call send_email to=ada@example.com"),
            ("left ", "yes"),
            ("left ", "view"),
            ("left ", "edit to=bob@example.com"),
            ("send |", "send"),
            ("left ", "approve k7"),
            ("mail> ", "/log"),
        ):
            await terminal.then(shown)
            terminal.type(f"{typed}\r")
        await terminal.then("#1")
        await terminal.then("mail> ")

    compared("approved")


async def test_a_form_of_the_server_and_a_dangerous_call(chat, mail, terminal, compared):
    schema = {
        "type": "object",
        "properties": {"folder": {"type": "string", "description": "Where to?"}, "copy": {"type": "boolean"}},
        "required": ["folder"],
    }
    params = types.ElicitRequestFormParams(message="Which folder?", requested_schema=schema)
    mail.needs = types.ElicitRequest(params=params)
    async with chat(frozen=True, dangerous=("delete_*",)):
        for shown, typed in (
            ("mail> ", "/call ask"),
            ("fill | decline", "fill"),
            ("folder* (text): ", "inbox"),
            ("copy (true or false): ", ""),
            ("mail> ", "/call delete_mailbox address=ada@example.com"),
            ("left ", "approve k7"),
            ("left ", "?"),
            ("left ", "deny not this one"),
        ):
            await terminal.then(shown)
            terminal.type(f"{typed}\r")
        await terminal.then("#2 delete_mailbox")
        await terminal.then("mail> ")

    compared("form_and_danger")


async def test_an_escalation_that_is_awaited_behind_the_prompt(chat, mail, terminal, compared, monkeypatch):
    monkeypatch.setattr("allowly_harness.performing.awaiting.FIRST_POLL_SECONDS", 60.0)
    async with chat(frozen=True):
        for shown, typed in (
            ("mail> ", "/call transfer amount=12.5"),
            ("wait | ", "wait"),
            ("| check", "later"),
            ("mail> ", "/pending"),
            ("mail> ", "/pending 2"),
            ("| check", "give up"),
        ):
            await terminal.then(shown)
            terminal.type(f"{typed}\r")
        await terminal.then("#1 transfer  closed")
        await terminal.then("mail> ")
        await anyio.wait_all_tasks_blocked()

    compared("escalation")
