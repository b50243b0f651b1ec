"""Approvals that come later: a call is refused as pending, somebody decides, and the same call made again runs once.

A ticket stands for one digest: operation, server, target, arguments and subject. The first answer is
the only one, and an approval is used up by the call that it lets through.
"""

from __future__ import annotations

import inspect
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Protocol

from allowly_middleware.pipeline.approval import ApprovalAnswer, ApprovalRequest, Approve, Deny, Pending

logger = logging.getLogger(__name__)

TICKET_SECONDS: Final = 900.0
"""How long a ticket can be decided, and an approval be used, by default, in seconds."""

MAX_TICKETS: Final = 1024
"""Most tickets at a time. A call that would need one more is denied."""

State = Literal["pending", "approved", "denied"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """One question that waits for its answer, or for the call that it was about.

    Attributes:
        id: Names it for whoever decides; not to be guessed.
        digest: The call it is about.
        state: How it stands.
        expires_at: When it ends.
        by: Who decided.
        reason: What they said.
        is_new: Whether it was made by the very call of `reserve` that returned it.
    """

    id: str = field(repr=False)
    digest: str
    state: State
    expires_at: datetime
    by: str | None = None
    reason: str | None = None
    is_new: bool = False


class ApprovalStore(Protocol):
    """Keeps tickets. Each method is one atomic step, whoever else calls at the same time."""

    async def reserve(self, digest: str) -> Ticket | None:
        """Return the ticket of a call, made if there is none; a decided one is taken, so that it is returned once.

        Returns:
            `None` where there is no room for one more.
        """
        ...

    async def decide(self, ticket_id: str, *, approved: bool, by: str | None = None, reason: str | None = None) -> bool:
        """Answer a ticket. False where there is none, it has ended, or it has an answer already."""
        ...


class MemoryApprovals:
    """Tickets in this process.

    Args:
        ttl_seconds: How long a ticket lives, answered or not; above 0.
        clock: The time now, aware of its zone.
    """

    def __init__(
        self, *, ttl_seconds: float = TICKET_SECONDS, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        if not ttl_seconds > 0:
            raise ValueError("ttl_seconds must be above 0")
        self.ttl_seconds = ttl_seconds
        self._clock = clock
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self._ids: dict[str, str] = {}

    async def reserve(self, digest: str) -> Ticket | None:
        """Return the ticket of a call; as `ApprovalStore.reserve`. Nothing in here waits, so it is one step."""
        self._drop_ended()
        ticket = self._tickets.get(digest)
        if ticket is not None and ticket.state != "pending":
            self._drop(ticket)
            return ticket
        if ticket is not None:
            return ticket
        if len(self._tickets) >= MAX_TICKETS:
            return None
        ticket = Ticket(
            secrets.token_urlsafe(16), digest, "pending", self._clock() + timedelta(seconds=self.ttl_seconds)
        )
        self._tickets[digest] = ticket
        self._ids[ticket.id] = digest
        return replace(ticket, is_new=True)

    async def decide(self, ticket_id: str, *, approved: bool, by: str | None = None, reason: str | None = None) -> bool:
        """Answer a ticket; as `ApprovalStore.decide`."""
        self._drop_ended()
        ticket = self._tickets.get(self._ids.get(ticket_id, ""))
        if ticket is None or ticket.state != "pending":
            return False
        state: State = "approved" if approved else "denied"
        self._tickets[ticket.digest] = replace(ticket, state=state, by=by, reason=reason)
        return True

    def _drop_ended(self) -> None:
        now = self._clock()
        while self._tickets:
            oldest = next(iter(self._tickets.values()))
            if now < oldest.expires_at:
                return
            self._drop(oldest)

    def _drop(self, ticket: Ticket) -> None:
        del self._tickets[ticket.digest]
        del self._ids[ticket.id]


NotifyFn = Callable[[ApprovalRequest, Ticket], Awaitable[None] | None]
"""Tells somebody that a ticket waits for them. It is called once for each ticket."""


class ApproveLater:
    """An `approve=` callback for approvers who answer outside of the request.

    Args:
        store: Keeps the tickets.
        notify: Tells somebody. Where it fails the call is denied, and told of again at the next call.
        url: Returns where a ticket is decided, for the caller.
    """

    def __init__(self, store: ApprovalStore, notify: NotifyFn, *, url: Callable[[Ticket], str] | None = None) -> None:
        self._store = store
        self._notify = notify
        self._url = url

    async def __call__(self, request: ApprovalRequest) -> ApprovalAnswer:
        """Answer for one call."""
        ticket = await self._store.reserve(request.digest)
        if ticket is None:
            return Deny("Too many approvals are waiting. The call was not run.")
        if ticket.state == "approved":
            return Approve(ticket.by)
        if ticket.state == "denied":
            return Deny(ticket.reason or Deny().reason, ticket.by)
        if ticket.is_new and not await self._told(request, ticket):
            return Deny("Nobody could be told of the call. It was not run.")
        return Pending(ticket.id, None if self._url is None else self._url(ticket), expires_at=ticket.expires_at)

    async def _told(self, request: ApprovalRequest, ticket: Ticket) -> bool:
        try:
            told = self._notify(request, ticket)
            if inspect.isawaitable(told):
                await told
        except Exception as error:  # noqa: BLE001 - whoever was not told cannot approve
            logger.error("telling of an approval ended in %s", type(error).__name__)  # noqa: TRY400 - its text may hold secrets
            # Taken away again, so that the next call makes a ticket that somebody is told of.
            await self._store.decide(ticket.id, approved=False)
            await self._store.reserve(request.digest)
            return False
        return True
