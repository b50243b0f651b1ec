"""Answers questions in processes that are killed at a step: `killed_inbox.py FOLDER BASE_URL KEY PROMPT,STEP,WHEN ...`.

STEP is one of the journal, or a request between two; WHEN is "before" or "after" it. One child is forked for each
question, with a journal of its own, `FOLDER/PROMPT.db`; all of them are killed, or this fails.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from allowly_authority import AuthorityClient
from allowly_harness import Answer
from allowly_harness.inbox import AuthorityInbox
from allowly_harness.journal import Journal
from allowly_harness.protocol.effects import Record


def die() -> None:
    """End as by a loss of power."""
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(name: str, work: Callable[..., Awaitable[Any]], killed_at: str, when: str) -> Callable[..., Awaitable[Any]]:
    """Return what is killed before or after its work, where it is the one."""

    async def done(*given: Any, **named: Any) -> Any:
        if (name, "before") == (killed_at, when):
            die()
        result = await work(*given, **named)
        if (name, "after") == (killed_at, when):
            die()
        return result

    return done


async def answer(folder: Path, base_url: str, key: str, case: str) -> None:
    """Answer one question."""
    prompt_id, killed_at, when = case.split(",")
    async with (
        Journal.open(folder / f"{prompt_id}.db") as book,
        AuthorityClient(base_url=base_url, api_key=key) as authority,
    ):

        async def journal(record: Record) -> None:
            await deadly(record.step, book.record, killed_at, when)(record)

        async with AuthorityInbox.open(authority, journal=journal) as inbox:
            await inbox.until(lambda one: one.get(prompt_id) is not None)
            question = await inbox.question(prompt_id)
            for name in ("lookup_prompt", "resolve_escalation"):
                setattr(authority, name, deadly(name, getattr(authority, name), killed_at, when))
            await inbox.answer(question, Answer.approve())


def main(folder: str, base_url: str, key: str, *cases: str) -> None:
    """Fork a child for each question; each is killed, so none leaves in order."""
    children: list[int] = []
    for case in cases:
        child = os.fork()
        if not child:
            anyio.run(answer, Path(folder), base_url, key, case)
            os._exit(0)
        children.append(child)
    for child in children:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), status


if __name__ == "__main__":
    main(*sys.argv[1:])
