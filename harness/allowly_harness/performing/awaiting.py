"""Waits while somebody else decides an escalation: looks at the record, and shows that it waits.

Only a look at the record decides. An authority that tells what happens is listened to, so that the look comes at
once; it is looked at all the same, more and more seldom, because a stream may be lost unseen.
"""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import anyio
from anyio import get_cancelled_exc_class

from allowly_authority.errors import AuthorityError, AuthorityUnavailable, MalformedReply, RateLimited
from allowly_harness.approvers.base import Closure, Desk, WaitStatus
from allowly_harness.performing.asking import Clock, checked
from allowly_harness.performing.watching import ReadRecord, who_and_why
from allowly_harness.protocol.effects import Decided, Resolution
from allowly_harness.protocol.models import Answer, AnswerKind, ApprovalRequest

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_authority.wire.replies import PromptStatus

FIRST_POLL_SECONDS: Final = 0.5
"""The pause after the first look at an awaited escalation; it doubles from look to look."""

LONGEST_POLL_SECONDS: Final = 15.0
"""The longest pause between two looks, before jitter of up to a quarter."""

DESCRIBE_SECONDS: Final = 2.0
"""How long a decision may be held up by asking who made it, and why."""

REMIND_AT: Final = (0.5, 0.1)
"""Which parts of the time are left when the person is reminded."""

Listen: TypeAlias = Callable[[], AsyncGenerator[object]]
"""Opens a stream that yields something whenever a look at the record is worth while."""

ReadStatus: TypeAlias = "Callable[[], Awaitable[PromptStatus]]"

_RESOLUTIONS: Final[Mapping[str, Resolution | None]] = {
    "pending": None,
    "approved": Resolution.APPROVED,
    "rejected": Resolution.REJECTED,
    "expired": Resolution.EXPIRED,
}

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Awaiting:
    """One escalation that is awaited, until it is decided, until it ends, or until the person gives up.

    Attributes:
        desk: Where the person is.
        request: The question, as it was shown.
        now: The clock, aware.
        read: Reads how the escalation stands, once.
        describe: Reads who decided it and why; `None` where nobody can tell.
        listen: Tells when to look; `None` where the authority tells nothing.
    """

    desk: Desk
    request: ApprovalRequest
    now: Clock
    read: ReadStatus
    describe: ReadRecord | None = None
    listen: Listen | None = None
    _status: WaitStatus = field(default_factory=WaitStatus)
    _over: anyio.Event = field(default_factory=anyio.Event)
    _said: Resolution | None = None
    _found: Resolution | None = None

    async def run(self, until: datetime) -> Resolution | Decided:
        """Wait, at most `until` (aware). Cancelled, it tells the approver why before the screen closes."""
        screen = anyio.CancelScope(shield=True)
        resolution: Resolution | Decided = Resolution.EXPIRED
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, screen)
            group.start_soon(self._poll)
            group.start_soon(self._remind, until)
            if self.listen is not None:
                group.start_soon(self._hear, self.listen)
            try:
                with anyio.move_on_after(max(0.0, (until - self.now()).total_seconds())):
                    await self._over.wait()
                # The person's word may have come while the last look was on its way back; then it counts (G5).
                resolution = self._said or self._found or resolution
                if resolution is Resolution.APPROVED or resolution is Resolution.REJECTED:
                    decided = await self._described(resolution)
                    # It still counts against a yes, as long as nothing was sent.
                    approved = resolution is Resolution.APPROVED
                    resolution = (self._said if approved else None) or decided
            except get_cancelled_exc_class():
                self.desk.closing(self.request, Closure("withdrawn"))
                screen.cancel()
                raise
            if isinstance(resolution, Decided):
                self.desk.closing(self.request, _closure(resolution))
            screen.cancel()
            group.cancel_scope.cancel()
        return resolution

    async def _watch(self, screen: anyio.CancelScope) -> None:
        with screen:
            try:
                answer = checked(await self.desk.watch(self.request, self._status))
            except Exception:
                logger.exception("The approver failed; the escalation is left open.")
                answer = Answer.defer()
            self._said = Resolution.LEFT_OPEN if answer.kind is AnswerKind.DEFER else Resolution.GIVEN_UP
            self._over.set()

    async def _described(self, resolution: Literal[Resolution.APPROVED, Resolution.REJECTED]) -> Decided:
        """Add who decided, and what they said with it, as far as the record says it in time."""
        if self.describe is not None:
            with anyio.move_on_after(DESCRIBE_SECONDS):
                try:
                    return Decided(resolution, *who_and_why(await self.describe()))
                except Exception as error:  # noqa: BLE001 - a decision stands, whoever made it
                    logger.info("Who decided an escalation could not be read: %s", type(error).__name__)
        return Decided(resolution)

    async def _hear(self, listen: Listen) -> None:
        try:
            async with aclosing(listen()) as told:
                async for _ in told:
                    self._status.check_now()
        except Exception as error:  # noqa: BLE001 - without a stream, looking goes on
            logger.info("The authority does not tell what happens: %s", type(error).__name__)

    async def _remind(self, until: datetime) -> None:
        """Say twice how much time is left. What begins late is reminded of the rest alone."""
        whole = (until - self.now()).total_seconds()
        for part in REMIND_AT:
            left = (until - self.now()).total_seconds()
            await anyio.sleep(max(0.0, left - whole * part))
            self._status.reminder = _reminder(self.request, until - self.now())

    async def _poll(self) -> None:
        pause, status = FIRST_POLL_SECONDS, self._status
        while self._found is None:
            wait = pause + random.uniform(0, pause / 4)  # noqa: S311 - jitter, not a secret
            try:
                self._found = await self._look()
                status.problem = ""
                status.last_checked = self.now()
            except (AuthorityUnavailable, MalformedReply) as error:
                status.problem = str(error)
            except RateLimited as error:
                wait = max(wait, error.retry_after_seconds or 0.0)
                status.problem = str(error)
            if self._found is None:
                status.polls += 1
                status.next_check = self.now() + timedelta(seconds=wait)
                await status.pause(wait)
                pause = min(pause * 2, LONGEST_POLL_SECONDS)
        self._over.set()

    async def _look(self) -> Resolution | None:
        try:
            found = await self.read()
        except (AuthorityUnavailable, MalformedReply, RateLimited):
            raise
        except AuthorityError:
            return Resolution.CANNOT_TELL
        self._status.approvals, self._status.approvals_needed = found.approvals, found.approvals_needed
        return _RESOLUTIONS.get(found.status, Resolution.CANNOT_TELL)


def listening_to(authority: AuthorityClient, escalation_id: str, authorization_id: str | None) -> Listen:
    """Return how to hear what becomes of one escalation; it raises where the authority has no stream.

    Args:
        authority: Where it is.
        escalation_id: Which.
        authorization_id: Whose, so that nothing else is told; `None` where that is not known.
    """

    async def listen() -> AsyncGenerator[object]:
        watching = authority.watch_prompts(kind="escalate", authorization_id=authorization_id)
        async with aclosing(watching) as events:
            async for event in events:
                if any(item.escalation_id == escalation_id for item in event.items) and event.name != "snapshot":
                    yield event

    return listen


def _closure(decided: Decided) -> Closure:
    approved = decided.resolution is Resolution.APPROVED
    told = ""
    if decided.note:
        who = decided.by or "The approver"
        told = f"{who} {'approved' if approved else 'rejected'} it, and said: {decided.note}"
    return Closure("answered", approved=approved, by=decided.by, told=told)


def _reminder(request: ApprovalRequest, left: timedelta) -> str:
    minutes = max(0, round(left.total_seconds() / 60))
    time = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004 - minutes
    who = request.escalation_to or "the approver"
    return f"{who} has not decided yet: {request.call.tool} runs out in {time}"
