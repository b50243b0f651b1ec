"""Servers that flood, spoof and stall: the prompt stays the person's, and what is theirs is told from ours."""

import os
import signal
import sys

import anyio
import pytest
from mcp import types

from allowly_harness.approvers.chat.editor import edit_file_with
from allowly_harness.approvers.elicitation import ElicitationRequest
from allowly_harness.chat.run import MAX_UNASKED
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.workbench.feed import ServerFeed

pytestmark = pytest.mark.anyio

PROMPT = "mail> "


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "required": ["b"]},
        {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a", "b"]},
    ],
    ids=["without fields", "with fixed fields alone"],
)
async def test_a_form_that_asks_for_nothing_and_never_fits_is_asked_for_as_json(chat, terminal, schema):
    """Going round without reading a line would hold up the whole program (G6)."""
    approver = terminal.approver()
    replies = []
    request = ElicitationRequest(ServerInfo("mail"), "Fill in", schema=schema)

    async def ask() -> None:
        replies.append(await approver.elicit(request))

    async with chat(approver=approver), anyio.create_task_group() as group:
        await terminal.then(PROMPT)
        group.start_soon(ask)
        await terminal.then("fill | decline")
        terminal.type("fill\r")
        await terminal.then("does not fit")
        await terminal.then("all values, as one JSON object")
        terminal.type('{"a": 1, "b": 2}\r')
    assert [(reply.action, reply.content) for reply in replies] == [("accept", {"a": 1, "b": 2})]


async def test_a_storm_of_changes_and_warnings_leaves_the_prompt_usable(chat, mail, monkeypatch):
    feeds = []
    made = ServerFeed.__init__

    def init(feed, *args, **options) -> None:
        made(feed, *args, **options)
        feeds.append(feed)

    monkeypatch.setattr(ServerFeed, "__init__", init)
    async with chat() as terminal:
        await terminal.then(PROMPT)
        for number in range(3_000):
            await feeds[0].message_handler(types.ToolListChangedNotification())
            feeds[0].note("warning", f"a message could not be read: {number}")
        await terminal.then("/server lists what it said")
        terminal.type("/call echo\r")
        await terminal.then("#1 echo  ok")

    assert terminal.text.count("tools have changed") == 1
    assert terminal.text.count("could not be read") <= MAX_UNASKED


async def test_ctrl_c_stops_a_command_that_waits_for_the_server_and_nothing_else(chat, mail):
    reached = anyio.Event()

    async def stalled(ctx, params):
        reached.set()
        await anyio.sleep_forever()

    mail.server.add_request_handler("resources/read", types.ReadResourceRequestParams, stalled)
    async with chat() as terminal:
        await terminal.then(PROMPT)
        terminal.type("/call slow &\r")
        await terminal.then("runs in the background")
        await terminal.then(PROMPT)
        terminal.type("/read mail://inbox\r")
        with anyio.fail_after(20):
            await reached.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await terminal.then("stopped; the session goes on")
        mail.go_on.set()
        await terminal.then("#1 slow  ok")
        terminal.type("/call echo\r")
        await terminal.then("#2 echo  ok")


async def test_ctrl_c_still_cancels_a_call_after_an_editor_was_open(chat, terminal, mail, question):
    edit = edit_file_with((sys.executable, "-c", "pass"))
    approver = terminal.approver(edit_file=edit)
    answers = []

    async def ask() -> None:
        answers.append(await approver.ask(question()))

    async with chat(approver=approver, edit_file=edit), anyio.create_task_group() as group:
        await terminal.then(PROMPT)
        terminal.type("/call slow\r")
        await terminal.then("25%")
        group.start_soon(ask)
        await terminal.then("left ")
        terminal.type("edit\r")
        await terminal.then("as they were")
        terminal.type("back\r")
        await terminal.then("still open")
        terminal.type("deny\r")
        await anyio.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGINT)
        await terminal.then("#1 slow  cancelled")
