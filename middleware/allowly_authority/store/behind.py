"""The calls behind questions, kept with them and removed with them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from allowly_authority.store.port import Connection
from allowly_authority.store.statements import Statement, given, insertion
from allowly_authority.store.tables import prompt_calls, prompts

FIND_CALL: Final = Statement(
    sa.select(prompt_calls.c.tool, prompt_calls.c.arguments, prompt_calls.c.server).where(
        prompt_calls.c.prompt_id == given("prompt_id", sa.Text)
    )
)
INSERT_CALL: Final = insertion(prompt_calls, "prompt_id tool arguments server given_ms")
MARK_CALL: Final = Statement(
    sa.update(prompts)
    .values(has_call=sa.literal_column("1"), told_ms=given("now"))
    .where(prompts.c.prompt_id == given("prompt_id_", sa.Text), prompts.c.has_call == sa.literal_column("0"))
    .returning(prompts.c.prompt_id)
)


def keep_call(connection: Connection, prompt_id: str, *, tool: str, arguments: str, server: str, now_ms: int) -> None:
    """Keep the call behind a question; nothing is changed where one is kept already.

    Args:
        connection: Inside of a change.
        prompt_id: The question, whose resource the call was compared with.
        tool: The tool's name.
        arguments: Canonical JSON.
        server: The asker's name for the server.
        now_ms: When.
    """
    if connection.row(MARK_CALL, prompt_id_=prompt_id, now=now_ms) is not None:
        connection.run(INSERT_CALL, prompt_id=prompt_id, tool=tool, arguments=arguments, server=server, given_ms=now_ms)


def find_call(connection: Connection, prompt_id: str) -> tuple[str, str, str] | None:
    """Return tool, canonical arguments and the asker's name for the server; `None` where no call was handed in."""
    row = connection.row(FIND_CALL, prompt_id=prompt_id)
    return None if row is None else (row[0], row[1], row[2])
