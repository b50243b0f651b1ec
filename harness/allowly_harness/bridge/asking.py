"""Approval through the host: our card, as a form that the host shows (MCP, `elicitation/create`).

The host is trusted with the question: it draws it, and it says what the person answered. It gets neither the
nonce nor the key; an answer counts for the one question that it was asked with.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import anyio
from mcp import MCPError

from allowly_harness.approvers.base import Closure, Desk, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationRequest
from allowly_harness.bridge.form import answer_in, form_for, is_wrong_word
from allowly_harness.bridge.host import Flight
from allowly_harness.protocol.models import Answer, ApprovalRequest

PROGRESS_SECONDS: Final = 10.0
"""How often a host that wants to hear of progress is told that a person is still being waited for."""

MAX_ATTEMPTS: Final = 3
"""How often the typed word may be wrong."""

HOW_TO_ATTACH: Final = (
    "Whoever runs the host can be asked in a terminal instead: start the bridge with --ask terminal, and run "
    "`allowly-harness approve` in a terminal."
)
CANNOT_ASK: Final = f"The host cannot ask anybody: it offers no elicitation of forms. {HOW_TO_ATTACH}"
DID_NOT_ASK: Final = f"The host was asked to show the question, and did not. {HOW_TO_ATTACH}"
TOO_LONG: Final = f"The question is too long to be shown by a host. {HOW_TO_ATTACH}"


class HostApprover:
    """Asks whoever sits before the host.

    Args:
        flight: The call in whose course it is asked.
        turn: Held while a question is open, where one must come after the other.

    Attributes:
        unable: Why nobody could be asked, for the result of the call; empty if somebody was.
    """

    handles_many = True
    surface = "host"

    def __init__(self, flight: Flight, turn: anyio.Lock | None) -> None:
        self._flight = flight
        self._turn = turn
        self.unable = ""

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Ask; whatever is not clearly an answer approves nothing."""
        if not self._flight.announcement.can_elicit():
            return self._cannot(CANNOT_ASK)
        async with self._in_turn():
            note = ""
            for _ in range(MAX_ATTEMPTS):
                form = form_for(request, note)
                if form is None:
                    return self._cannot(TOO_LONG)
                try:
                    said = await self._flight.ask("elicitation/create", form)
                except MCPError:
                    return self._cannot(DID_NOT_ASK)
                if not is_wrong_word(said, request):
                    return answer_in(said, request)
                note = "What was typed is not the word. Nothing was approved."
        return Answer.cancel()

    def shown(self, request: ApprovalRequest) -> str:
        """Return the text that the host is given to show."""
        form = form_for(request)
        return "" if form is None else str(form["message"])

    def _cannot(self, why: str) -> Answer:
        self.unable = why
        return Answer.unattended()

    @asynccontextmanager
    async def _in_turn(self) -> AsyncGenerator[None]:
        if self._turn is None:
            yield
            return
        async with self._turn:
            yield


class Patience:
    """Asks where it is told to, and keeps a host that wants to hear of progress from giving up meanwhile."""

    handles_many = True

    def __init__(self, desk: Desk, flight: Flight) -> None:
        self._desk = desk
        self._flight = flight
        self._told = 0
        self.handles_expiry = desk.handles_expiry
        self.automatic = desk.automatic
        self.shown = desk.shown_text
        self.answered_on = partial(desk.surface, answered=True)
        self.surface = desk.named_surface

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Ask."""
        async with self._telling("waiting for a person's approval"):
            return await self._desk.ask(request)

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        """Show that an escalation is awaited."""
        async with self._telling("waiting for the approver's decision"):
            return await self._desk.watch(request, status)

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Say why a question is about to be closed."""
        self._desk.closing(request, closure)

    @asynccontextmanager
    async def _telling(self, message: str) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(self._tell, message)
            yield
            group.cancel_scope.cancel()

    async def _tell(self, message: str) -> None:
        while True:
            # Small steps, so that whatever the tool itself reports later is more.
            self._told += 1
            await self._flight.progress(self._told / 1000, message)
            await anyio.sleep(PROGRESS_SECONDS)
