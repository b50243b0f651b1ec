"""Servers that flood, spoof and stall: the prompt stays the person's, and what is theirs is told from ours."""

import anyio
import pytest

from allowly_harness.approvers.elicitation import ElicitationRequest
from allowly_harness.protocol.models import ServerInfo

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
