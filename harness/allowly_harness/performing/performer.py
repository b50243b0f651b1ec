"""Performs the effects of one call's conversation: asks through the desk, reports to the authority.

It knows neither MCP nor a screen: sending the call is a function that it is given. One object
serves one call.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import anyio
from anyio import get_cancelled_exc_class
from anyio.lowlevel import checkpoint_if_cancelled

from allowly_authority.errors import (
    AuthorityError,
    AuthorityUnavailable,
    Conflict,
    KeyRejected,
    LookupUnsupported,
    MalformedReply,
    PromptGone,
    PromptUnknown,
)
from allowly_harness.approvers.base import Desk
from allowly_harness.performing.answered import AnsweredQuestions
from allowly_harness.performing.asking import Asking, Clock, checked, in_time
from allowly_harness.performing.awaiting import Awaiting, listening_to
from allowly_harness.performing.danger import danger_of
from allowly_harness.performing.showing import show_call
from allowly_harness.performing.telling import Telling
from allowly_harness.performing.watching import until_answered, who_and_why
from allowly_harness.protocol.effects import (
    AnsweredElsewhere,
    Ask,
    AwaitResolution,
    Decided,
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
    resolution_of,
)
from allowly_harness.protocol.models import Answer, AnswerKind, ApprovalRequest, PromptRecord, ToolInfo
from allowly_harness.protocol.wire import CONFIRM_LIFE, ESCALATION_LIFE

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_authority.wire.replies import PromptDescription

DESCRIBE_SECONDS: Final = 5.0
"""How long a question may be held up by a server that is slow to say what its tool is."""

WITHDRAW_SECONDS: Final = 2.0
"""How long withdrawing a question may hold up a cancelled call."""

NO_AUTHORITY: Final = (
    "the server asks for an approval, but this session has no authority to report it to; "
    "name one with --authority URL or ALLOWLY_BASE_URL"
)

Send: TypeAlias = Callable[[Invoke], Awaitable["ToolReply | NoReply"]]
Describe: TypeAlias = Callable[[str], Awaitable[ToolInfo]]
Journal: TypeAlias = Callable[[Record], Awaitable[None]]

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
        dangerous: Patterns of calls that want a typed word; see `danger_of`.
        acting_as: The approver that the session was opened as, for the journal.
        show_calls: Whether the call behind an escalation is handed to the authority, for its approver to see.
    """

    send: Send
    describe: Describe
    desk: Desk
    authority: AuthorityClient | None
    journal: Journal | None = None
    now: Clock = utc_now
    answered: AnsweredQuestions = field(default_factory=AnsweredQuestions)
    dangerous: Collection[str] = ()
    acting_as: str | None = None
    show_calls: bool = True
    _telling: Telling = field(init=False)
    _asked: Record | None = field(default=None, repr=False)
    _on_record: bool = False
    _open: tuple[Literal["confirm", "escalate"], str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._telling = Telling(self.desk, self.acting_as)

    async def invoke(self, effect: Invoke) -> ToolReply | NoReply:
        """Send the call."""
        return await self.send(effect)

    async def record(self, effect: Record) -> None:
        """Write down a step."""
        match effect.step:
            case "dispatched":
                # Posting is shielded: a call cancelled meanwhile is neither sent nor written down as sent.
                await checkpoint_if_cancelled()
            case "asked":
                # Written in `ask`: what will be shown is known once the tool has been described.
                self._asked = effect
                return
            case "answered":
                effect = _with(effect, self._telling.answered())
            case _:
                pass
        await self._write(effect)

    async def _write(self, effect: Record) -> None:
        if self.journal is None:
            return
        try:
            await self.journal(effect)
        except Exception:
            # The question must not lie around answerable, when its call ends here.
            await self._withdraw()
            raise

    async def lookup(self, effect: Lookup) -> PromptRecord | NoRecord:
        """Read the authority's record; its expiry is corrected to this computer's clock."""
        self._open, self._on_record = (effect.kind, effect.prompt_id), False
        if self.authority is None:
            return NoRecord(LookupFailure.NO_AUTHORITY, NO_AUTHORITY)
        try:
            found = await self._read_record(effect.kind, effect.prompt_id, self.authority)
        except PromptUnknown:
            return NoRecord(LookupFailure.UNKNOWN_PROMPT)
        except LookupUnsupported:
            return NoRecord(LookupFailure.UNSUPPORTED)
        except AuthorityError as error:
            return NoRecord(LookupFailure.UNREACHABLE, _words(error))
        self._on_record = True
        # No clock of an authority's makes a question longer than the contract does.
        longest = CONFIRM_LIFE if effect.kind == "confirm" else ESCALATION_LIFE
        left = min(max(found.expires_at - found.now, timedelta()), longest)
        by, note = who_and_why(found)
        if found.status != "pending":
            self._telling.note_found(by)
        return PromptRecord(
            kind=found.kind,
            authorization_id=found.authorization_id,
            scope=found.scope,
            resource=found.resource,
            # An approval that nobody used in time opens nothing.
            status="expired" if found.status == "approved" and not left else found.status,
            expires_at=self.now() + left,
            escalation_to=found.escalation_to,
            resolved_by=by,
            note=note,
        )

    async def ask(self, effect: Ask) -> Answer | AnsweredElsewhere:
        """Ask the person. A cancelled or failed question is withdrawn, never taken for a yes."""
        try:
            request = await self._described(effect.request)
            if self.show_calls and self._on_record and self._open is not None:
                await show_call(self.authority, self._open[1], request)
            automatic = await self._automatic(request)
            if self._asked is not None:
                await self._write(_with(self._asked, self._telling.asked(request, automatic)))
                self._asked = None
            said: Answer | AnsweredElsewhere
            if automatic is not None:
                said = in_time(automatic, request, self.now())
            else:
                watch = partial(until_answered, self._read_open) if self._on_record else None
                asking = Asking(self.desk, request, self.now, watch)
                said = await asking.run()
                request = asking.request
            self._telling.note(request, said)
        except get_cancelled_exc_class():
            await self._withdraw()
            raise
        return said

    async def _automatic(self, request: ApprovalRequest) -> Answer | None:
        """Return the answer that is there without a person. Whatever fails there, a person is asked."""
        try:
            answer = await self.desk.automatic(request)
            return None if answer is None else checked(answer)
        except Exception:
            logger.exception("No answer without a person could be looked for; the question is put.")
            return None

    async def _described(self, request: ApprovalRequest) -> ApprovalRequest:
        """Add what the server says of the tool, as far as it says it in time."""
        tool = ToolInfo(request.call.tool)
        try:
            with anyio.move_on_after(DESCRIBE_SECONDS):
                tool = await self.describe(request.call.tool)
        except Exception:
            logger.info("The tool could not be described.", exc_info=True)
        return replace(request, tool=tool, danger=danger_of(request.call, tool, self.dangerous))

    async def _read_open(self) -> PromptDescription:
        if self._open is None or self.authority is None:
            raise PromptUnknown("no question is open")
        return await self._read_record(*self._open, self.authority)

    async def _read_record(
        self, kind: Literal["confirm", "escalate"], prompt_id: str, authority: AuthorityClient
    ) -> PromptDescription:
        if kind == "confirm":
            return await authority.lookup_prompt(nonce=prompt_id)
        return await authority.lookup_prompt(escalation_id=prompt_id)

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

    async def await_resolution(self, effect: AwaitResolution) -> Resolution | Decided:
        """Look at the escalation until it is decided, until it ends, or until the person gives up."""
        if self.authority is None:
            return Resolution.CANNOT_TELL
        request = await self._described(effect.request)
        awaiting = Awaiting(
            self.desk,
            request,
            self.now,
            read=partial(self.authority.escalation_status, effect.escalation_id),
            describe=self._read_open if self._on_record else None,
            listen=listening_to(self.authority, effect.escalation_id, request.authorization_id),
        )
        began = anyio.current_time()
        said = await awaiting.run(effect.until)
        self._telling.note_resolution(request, resolution_of(said), anyio.current_time() - began)
        return said


def _with(record: Record, facts: Mapping[str, Any]) -> Record:
    return replace(record, facts={**record.facts, **facts})


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
            posted = Posted(PostedAs.NOT_SENT, _words(error), hopeless=isinstance(error, KeyRejected))
        else:
            posted = Posted(PostedAs.ACCEPTED) if as_said else _ANSWERED_BEFORE
    return posted


_ANSWERED_BEFORE: Final = Posted(PostedAs.CONFLICT, "it was answered differently before")
