"""Looks once at what waits in all agents of this user, and answers nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from allowly_harness.approvers.attached import sockets
from allowly_harness.approvers.attached.agents import MAX_AGENTS, find
from allowly_harness.approvers.attached.attachment import Attachment, Event
from allowly_harness.approvers.attached.values import Asked
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import Answer, ApprovalRequest

LOOK_SECONDS: Final = 10.0
"""How long one agent may take to say what waits."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One agent as it was seen.

    Attributes:
        path: Where it listens.
        agent: What it is called.
        process: Where it runs, in its own words.
        waiting: What waits, soonest end first.
        problem: Why nothing could be seen, in a sentence; empty if all was.
    """

    path: Path
    agent: str
    process: str
    waiting: tuple[Asked, ...]
    problem: str = ""


class _Looker:
    """A person who says nothing."""

    async def ask(self, request: ApprovalRequest) -> Answer:  # noqa: ARG002 - the same for every question
        await asyncio.Event().wait()
        return Answer.cancel()

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:  # noqa: ARG002 - as above
        return await self.ask(request)

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:  # noqa: ARG002 - as above
        await asyncio.Event().wait()
        return ElicitationReply.cancel()

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        pass


async def look(path: Path | None = None) -> tuple[Seen, ...]:
    """Return what waits now: at one agent, or at all that listen in the user's own folder.

    Raises:
        SocketProblem: The folder is not the user's own.
    """
    seen = await asyncio.gather(*(_look_at(one) for one in find(path)[:MAX_AGENTS]))
    return tuple(one for one in seen if one is not None)


async def _look_at(path: Path) -> Seen | None:
    """Look at one agent; `None` where an agent that has gone left its socket."""
    listed = asyncio.Event()

    def told(event: Event) -> None:
        if event.kind == "listed":
            listed.set()

    attachment = Attachment(path, _Looker(), told, name="a look")
    serving = asyncio.create_task(attachment.run())
    waiting = asyncio.create_task(listed.wait())
    try:
        await asyncio.wait([serving, waiting], timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        problem = "" if listed.is_set() else f"it did not say what waits within {LOOK_SECONDS:.0f} s"
        if serving.done() and not listed.is_set():
            error = serving.exception()
            if isinstance(error, sockets.NobodyThere):
                return None
            problem = serving.result() if error is None else str(error)
        return Seen(path, attachment.agent, attachment.process, attachment.waiting, problem)
    finally:
        for task in (serving, waiting):
            task.cancel()
        await asyncio.gather(serving, waiting, return_exceptions=True)
