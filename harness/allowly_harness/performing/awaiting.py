"""Waits while somebody else decides an escalation: looks at the record, and shows that it waits."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from anyio import get_cancelled_exc_class

from allowly_authority.errors import AuthorityError, AuthorityUnavailable, MalformedReply, RateLimited
from allowly_harness.approvers.base import Closure, Desk, WaitStatus
from allowly_harness.performing.asking import Clock, checked
from allowly_harness.protocol.effects import Resolution
from allowly_harness.protocol.models import Answer, AnswerKind, ApprovalRequest

if TYPE_CHECKING:
    from allowly_authority.wire.replies import PromptStatus

FIRST_POLL_SECONDS: Final = 0.5
"""The pause after the first look at an awaited escalation; it doubles from look to look."""

LONGEST_POLL_SECONDS: Final = 15.0
"""The longest pause between two looks, before jitter of up to a quarter."""

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
    """

    desk: Desk
    request: ApprovalRequest
    now: Clock
    read: ReadStatus
    _status: WaitStatus = field(default_factory=WaitStatus)
    _over: anyio.Event = field(default_factory=anyio.Event)
    _said: Resolution | None = None
    _found: Resolution | None = None

    async def run(self, until: datetime) -> Resolution:
        """Wait, at most `until` (aware). Cancelled, it tells the approver why before the screen closes."""
        screen = anyio.CancelScope(shield=True)
        resolution = Resolution.EXPIRED
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, screen)
            group.start_soon(self._poll)
            try:
                with anyio.move_on_after(max(0.0, (until - self.now()).total_seconds())):
                    await self._over.wait()
            except get_cancelled_exc_class():
                self.desk.closing(self.request, Closure("withdrawn"))
                screen.cancel()
                raise
            # The person's word may have come while the last look was on its way back; then it counts (G5).
            resolution = self._said or self._found or resolution
            if self._said is None and resolution in {Resolution.APPROVED, Resolution.REJECTED}:
                self.desk.closing(self.request, Closure("answered", approved=resolution is Resolution.APPROVED))
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
        return _RESOLUTIONS.get(found.status, Resolution.CANNOT_TELL)
