"""Performs the effects of one call's conversation: asks through the desk, reports to the authority.

It knows neither MCP nor a screen: sending the call is a function that it is given. One object
serves one call.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import anyio
from anyio import get_cancelled_exc_class
from anyio.lowlevel import checkpoint_if_cancelled

from allowly_authority.errors import (
    AuthorityError,
    AuthorityUnavailable,
    Conflict,
    LookupUnsupported,
    MalformedReply,
    PromptGone,
    PromptUnknown,
    RateLimited,
)
from allowly_harness.answered import AnsweredQuestions
from allowly_harness.approvers.base import Desk, WaitStatus
from allowly_harness.arguments import problem_with
from allowly_harness.protocol.effects import (
    Ask,
    AwaitResolution,
    Invoke,
    Lookup,
    LookupFailure,
    NoRecord,
    NoReply,
    Posted,
    PostedAs,
    Record,
    Resolution,
    Resolve,
    Settle,
    ToolReply,
)
from allowly_harness.protocol.models import Answer, AnswerKind, ApprovalRequest, PromptRecord, ToolInfo
from allowly_harness.protocol.wire import CONFIRM_LIFE, ESCALATION_LIFE

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

DESCRIBE_SECONDS: Final = 5.0
"""How long a question may be held up by a server that is slow to say what its tool is."""

EXPIRED_CARD_SECONDS: Final = 600.0
"""How long an approver that shows ended questions itself may go on showing one."""

WITHDRAW_SECONDS: Final = 2.0
"""How long withdrawing a question may hold up a cancelled call."""

MAX_INVALID_EDITS: Final = 3
"""How often edited arguments that the tool's schema refuses are handed back to the person."""

FIRST_POLL_SECONDS: Final = 0.5
"""The pause after the first look at an awaited escalation; it doubles from look to look."""

LONGEST_POLL_SECONDS: Final = 15.0
"""The longest pause between two looks, before jitter of up to a quarter."""

NO_AUTHORITY: Final = (
    "the server asks for an approval, but this session has no authority to report it to; "
    "name one with --authority URL or ALLOWLY_BASE_URL"
)

Send: TypeAlias = Callable[[Invoke], Awaitable["ToolReply | NoReply"]]
Describe: TypeAlias = Callable[[str], Awaitable[ToolInfo]]
Journal: TypeAlias = Callable[[Record], Awaitable[None]]
Clock: TypeAlias = Callable[[], datetime]

logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return this computer's time, aware."""
    return datetime.now(UTC)


@dataclass(slots=True)
class CallPerformer:
    """Performs one call's effects. See `allowly_harness.driver.Performer`.

    Attributes:
        send: Sends the call to the server.
        describe: Returns what the server says of a tool.
        desk: Where the person is asked.
        authority: Where answers are reported; without one nobody is asked and nothing runs.
        journal: Told every step before the next one is taken; what it raises ends the call.
        now: The clock, aware.
        answered: Shared by all calls of a session, so that none answers another's question again.
    """

    send: Send
    describe: Describe
    desk: Desk
    authority: AuthorityClient | None
    journal: Journal | None = None
    now: Clock = utc_now
    answered: AnsweredQuestions = field(default_factory=AnsweredQuestions)
    _open: tuple[Literal["confirm", "escalate"], str] | None = field(default=None, repr=False)

    async def invoke(self, effect: Invoke) -> ToolReply | NoReply:
        """Send the call."""
        return await self.send(effect)

    async def record(self, effect: Record) -> None:
        """Write down a step."""
        if effect.step == "dispatched":
            # Posting is shielded: a call cancelled meanwhile is neither sent nor written down as sent.
            await checkpoint_if_cancelled()
        if self.journal is not None:
            await self.journal(effect)

    async def lookup(self, effect: Lookup) -> PromptRecord | NoRecord:
        """Read the authority's record; its expiry is corrected to this computer's clock."""
        self._open = (effect.kind, effect.prompt_id)
        if self.authority is None:
            return NoRecord(LookupFailure.NO_AUTHORITY, NO_AUTHORITY)
        try:
            if effect.kind == "confirm":
                found = await self.authority.lookup_prompt(nonce=effect.prompt_id)
            else:
                found = await self.authority.lookup_prompt(escalation_id=effect.prompt_id)
        except PromptUnknown:
            return NoRecord(LookupFailure.UNKNOWN_PROMPT)
        except LookupUnsupported:
            return NoRecord(LookupFailure.UNSUPPORTED)
        except AuthorityError as error:
            return NoRecord(LookupFailure.UNREACHABLE, _words(error))
        # No clock of an authority's makes a question longer than the contract does.
        longest = CONFIRM_LIFE if effect.kind == "confirm" else ESCALATION_LIFE
        left = min(max(found.expires_at - found.now, timedelta()), longest)
        return PromptRecord(
            kind=found.kind,
            authorization_id=found.authorization_id,
            scope=found.scope,
            resource=found.resource,
            status=found.status,
            expires_at=self.now() + left,
            escalation_to=found.escalation_to,
        )

    async def ask(self, effect: Ask) -> Answer:
        """Ask the person. A cancelled or failed question is withdrawn, never taken for a yes."""
        try:
            request = replace(effect.request, tool=await self._described(effect.request.call.tool))
            answer = await self._ask_until_usable(request)
        except get_cancelled_exc_class():
            await self._withdraw()
            raise
        except Exception:
            logger.exception("The approver failed; the question is closed without an answer.")
            return Answer.cancel()
        return answer

    async def _described(self, name: str) -> ToolInfo:
        try:
            with anyio.move_on_after(DESCRIBE_SECONDS):
                return await self.describe(name)
        except Exception:
            logger.info("The tool could not be described.", exc_info=True)
        return ToolInfo(name)

    async def _ask_until_usable(self, request: ApprovalRequest) -> Answer:
        for _ in range(MAX_INVALID_EDITS):
            answer = await self._ask_in_time(request)
            if answer.kind is not AnswerKind.EDIT:
                return answer
            problem = problem_with(answer.arguments or {}, request.tool.input_schema)
            if problem is None:
                return answer
            request = replace(request, note=f"The edited arguments do not fit the tool: {problem}")
        return Answer.cancel()

    async def _ask_in_time(self, request: ApprovalRequest) -> Answer:
        remaining = (request.expires_at - self.now()).total_seconds()
        grace = EXPIRED_CARD_SECONDS if self.desk.handles_expiry else 0.0
        answer = Answer.expired()
        with anyio.move_on_after(max(0.0, remaining) + grace):
            answer = _checked(await self.desk.ask(request))
        # Checked here, at the moment of answering: a stalled terminal stops every timer of a screen.
        late = self.now() >= request.expires_at
        return Answer.expired() if late and answer.kind is AnswerKind.APPROVE else answer

    async def _withdraw(self) -> None:
        """Answer an open confirmation with no, so that its nonce is dead rather than lying around."""
        if self._open is None or self.authority is None or self._open[0] != "confirm":
            return
        if not self.answered.claim(self._open[1]):
            return
        with anyio.CancelScope(shield=True), anyio.move_on_after(WITHDRAW_SECONDS):
            try:
                await self.authority.settle_confirmation(self._open[1], approved=False)
            except AuthorityError as error:
                logger.info("The withdrawn question could not be reported: %s", error)

    async def settle(self, effect: Settle) -> Posted:
        """Post the answer to a confirmation, once."""
        approved = effect.answer.kind is AnswerKind.APPROVE
        authority = self.authority
        if authority is None:
            return Posted(PostedAs.NOT_SENT, NO_AUTHORITY)

        async def post() -> bool:
            reply = await authority.settle_confirmation(
                effect.nonce, approved=approved, ttl_seconds=effect.answer.ttl_seconds
            )
            return (reply.decision == "approved") is approved

        return await self._post_once(effect.nonce, post)

    async def resolve(self, effect: Resolve) -> Posted:
        """Post the named approver's answer to an escalation, once."""
        resolution: Literal["approved", "rejected"] = (
            "approved" if effect.answer.kind is AnswerKind.APPROVE else "rejected"
        )
        authority = self.authority
        if authority is None or effect.answer.resolved_by is None:
            return Posted(PostedAs.NOT_SENT, NO_AUTHORITY)
        resolved_by = effect.answer.resolved_by

        async def post() -> bool:
            reply = await authority.resolve_escalation(
                effect.escalation_id,
                resolution=resolution,
                resolved_by=resolved_by,
                note=effect.answer.note or effect.answer.reason,
            )
            return reply.status == resolution

        return await self._post_once(effect.escalation_id, post)

    async def _post_once(self, prompt_id: str, post: Callable[[], Awaitable[bool]]) -> Posted:
        if not self.answered.claim(prompt_id):
            return Posted(PostedAs.GONE, "another call of this session has answered the question")
        posted = await _post(post)
        if posted.status is PostedAs.NOT_SENT:
            self.answered.release(prompt_id)
        return posted

    async def await_resolution(self, effect: AwaitResolution) -> Resolution:
        """Look at the escalation until it is decided, until it ends, or until the person gives up."""
        status = WaitStatus()
        found = Resolution.EXPIRED
        limit = max(0.0, (effect.until - self.now()).total_seconds())

        async def watch(scope: anyio.CancelScope) -> None:
            nonlocal found
            try:
                answer = _checked(await self.desk.watch(effect.request, status))
            except Exception:
                logger.exception("The approver failed; the escalation is left open.")
                answer = Answer.defer()
            found = Resolution.LEFT_OPEN if answer.kind is AnswerKind.DEFER else Resolution.GIVEN_UP
            scope.cancel()

        with anyio.move_on_after(limit):
            async with anyio.create_task_group() as group:
                group.start_soon(watch, group.cancel_scope)
                polled = await self._poll(effect.escalation_id, status)
                # The person's word may have come while the last poll was on its way back; then it counts.
                if not group.cancel_scope.cancel_called:
                    found = polled
                group.cancel_scope.cancel()
        return found

    async def _poll(self, escalation_id: str, status: WaitStatus) -> Resolution:
        pause = FIRST_POLL_SECONDS
        while True:
            wait = pause + random.uniform(0, pause / 4)  # noqa: S311 - jitter, not a secret
            try:
                resolution = await self._look(escalation_id)
                status.problem = ""
                status.last_checked = self.now()
            except (AuthorityUnavailable, MalformedReply) as error:
                resolution = None
                status.problem = str(error)
            except RateLimited as error:
                resolution = None
                wait = max(wait, error.retry_after_seconds or 0.0)
                status.problem = str(error)
            if resolution is not None:
                return resolution
            status.polls += 1
            status.next_check = self.now() + timedelta(seconds=wait)
            await status.pause(wait)
            pause = min(pause * 2, LONGEST_POLL_SECONDS)

    async def _look(self, escalation_id: str) -> Resolution | None:
        if self.authority is None:
            return Resolution.CANNOT_TELL
        try:
            found = await self.authority.escalation_status(escalation_id)
        except (AuthorityUnavailable, MalformedReply, RateLimited):
            raise
        except AuthorityError:
            return Resolution.CANNOT_TELL
        return _RESOLUTIONS.get(found.status, Resolution.CANNOT_TELL)


_RESOLUTIONS: Final[Mapping[str, Resolution | None]] = {
    "pending": None,
    "approved": Resolution.APPROVED,
    "rejected": Resolution.REJECTED,
    "expired": Resolution.EXPIRED,
}


def _checked(answer: object) -> Answer:
    if not (isinstance(answer, Answer) and type(answer.kind) is AnswerKind):
        raise TypeError(f"an approver returned a {type(answer).__name__} that is no answer")
    return answer


def _words(error: AuthorityError) -> str:
    """An error's sentence as a part of another one."""
    return str(error).rstrip(".")


async def _post(post: Callable[[], Awaitable[bool]]) -> Posted:
    """Send an answer, and say what became of it.

    Shielded: cut short, an answer would be neither certainly posted nor certainly not. The
    client's own deadline bounds it.
    """
    posted = Posted(PostedAs.LOST, "posting was cut short")
    with anyio.CancelScope(shield=True):
        try:
            as_said = await post()
        except PromptGone:
            posted = Posted(PostedAs.GONE, "the question is no longer valid")
        except Conflict:
            posted = _ANSWERED_BEFORE
        except (AuthorityUnavailable, MalformedReply) as error:
            posted = Posted(PostedAs.LOST if error.sent else PostedAs.NOT_SENT, _words(error))
        except AuthorityError as error:
            posted = Posted(PostedAs.NOT_SENT, _words(error))
        else:
            posted = Posted(PostedAs.ACCEPTED) if as_said else _ANSWERED_BEFORE
    return posted


_ANSWERED_BEFORE: Final = Posted(PostedAs.CONFLICT, "it was answered differently before")
