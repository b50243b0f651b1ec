"""The tool calls of one session, each behind the approval conversation. How a call is sent is somebody else's.

A call is frozen when it is made, sent, and, where the server blocks it, asked about, reported and sent again.
The functions that send it belong to a session of ours, or to one that somebody else built.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import anyio
import anyio.to_thread
import mcp_types as types
from mcp import MCPError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from allowly_harness.approvers.base import Desk
from allowly_harness.driver import run_flow
from allowly_harness.journal.keeping import Keeping
from allowly_harness.performing.answered import AnsweredQuestions
from allowly_harness.performing.asking import Clock
from allowly_harness.performing.performer import CallPerformer, Describe, utc_now
from allowly_harness.performing.rejections import rejection_of
from allowly_harness.protocol.effects import Invoke, NoReply, Record, ToolReply
from allowly_harness.protocol.errors import JournalError, PendingError
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS, Ended, approval_flow
from allowly_harness.protocol.models import ApprovalOutcome, ServerInfo, ToolCall, ToolInfo
from allowly_harness.protocol.sentences import left_open, sentence_for
from allowly_harness.session.carried import CarriedOutcomes
from allowly_harness.session.journalling import AnyJournal, CallJournal, is_open
from allowly_harness.session.legs import Fulfil, Legs, SendLeg
from allowly_harness.session.results import handed_on, refused, without_forged_outcome
from allowly_harness.session.taking_over import take_over

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

MAX_TOOL_PAGES: Final = 50
"""How many pages of a tool list are read to describe a tool; a server's paging may never end."""

SEVERAL_LEGS: Final = "it was stopped in the middle of what its server asked for"
"""Why a call is not kept whose earlier legs have been sent: they would be repeated."""

SendCall: TypeAlias = Callable[[dict[str, Any] | None, dict[str, Any]], Awaitable[Any]]
"""Sends one leg of a call: the arguments, and the options of `ClientSession.call_tool` that it goes with."""

SendNamed: TypeAlias = Callable[[str, dict[str, Any] | None, dict[str, Any]], Awaitable[Any]]
"""Sends one leg of a call to the tool of a name."""


@dataclass(kw_only=True, slots=True)
class Conversing:
    """Makes the calls of one session.

    Attributes:
        desk: Where the person is asked.
        authority: Where answers are reported; without one nobody is asked and nothing runs.
        server: The server, in our words.
        describe: Returns what the server says of a tool.
        fulfil: Gets what the server asks for while a call is on its way.
        begin: Told that something new is sent.
        acting_as: See `ApprovingClientSession`, as for all that follows.

    Raises:
        ValueError: `max_rounds` is less than 1.
    """

    desk: Desk
    authority: AuthorityClient | None
    server: ServerInfo
    describe: Describe
    fulfil: Fulfil
    begin: Callable[[], None] = lambda: None
    acting_as: str | None = None
    requester: str = ""
    dangerous: Collection[str] = ()
    max_rounds: int = DEFAULT_MAX_ROUNDS
    accept_bare: bool = False
    journal: AnyJournal | None = None
    reached: str | None = None
    show_calls: bool = True
    clock: Clock = utc_now
    answered: AnsweredQuestions = field(default_factory=AnsweredQuestions)
    _carried: CarriedOutcomes = field(default_factory=CarriedOutcomes)

    def __post_init__(self) -> None:
        if self.max_rounds < 1:
            raise ValueError(f"max_rounds must be 1 or more, not {self.max_rounds}")
        self.dangerous = (self.dangerous,) if isinstance(self.dangerous, str) else tuple(self.dangerous)

    async def call(
        self, name: str, arguments: Mapping[str, Any] | None, send: SendCall, options: Mapping[str, Any]
    ) -> types.CallToolResult:
        """Call a tool; ask, report and send again where the server demands it.

        Args:
            name: The tool's name.
            arguments: Its arguments; frozen here, at once.
            send: Sends one leg.
            options: What the caller gave besides. With `allow_input_required` it takes the legs itself and is
                handed what the server asks for, but for a call that a person has edited: the caller would go
                on with the arguments that it knows (design G2).

        Raises:
            mcp.MCPError: As the bare session, as long as nothing was approved.
        """
        try:
            call = self._freeze(name, arguments)
        except ValueError as error:
            return refused(f"The tool did not run: the arguments cannot be sent: {error}.")
        state: str | None = options.get("request_state")
        written = CallJournal(self.journal, Keeping(call, self.reached, bare=arguments is None))
        sending = _Sending(self, call, arguments is None, send, options, written)
        try:
            async with written.first_sending(call):
                first = await sending.deliver(call)
        except JournalError as error:
            return refused(f"The tool did not run: {error}")
        if not (self.accept_bare or (isinstance(first, types.CallToolResult) and first.is_error)):
            # By far the most calls end here: no successful result is ever a decision (design G9).
            await written.ended(call, ApprovalOutcome.ALLOWED)
            return cast("types.CallToolResult", self._carried.onto(without_forged_outcome(first), call, state))

        async def invoke(effect: Invoke) -> ToolReply | NoReply:
            return await sending.again(effect.call) if effect.retry else self.reply(first)

        ended = await self._converse(call, call, invoke, written)
        answer = ended if isinstance(ended, types.CallToolResult) else handed_on(ended, token=written.resumable)
        return cast("types.CallToolResult", self._carried.onto(answer, call, state))

    async def resume(self, token: str, send: SendNamed) -> types.CallToolResult:
        """Make a call again that waits, and go on as with a new one. See `ApprovingClientSession.resume_call`."""
        if not is_open(self.journal):
            raise PendingError("This session has no journal that keeps calls: give it an open one as journal=.")
        lease = await take_over(self.journal.pending, token)
        pending, call = lease.pending, lease.pending.call
        if call.server != self.server.name:
            await anyio.to_thread.run_sync(lease.release)
            raise PendingError(f"This call is for the server {call.server!r}, and not for {self.server.name!r}.")
        self.journal.follow(lease)
        written = CallJournal(self.journal, Keeping(pending.original, pending.reach, pending.bare), token)
        sending = _Sending(self, call, pending.bare, partial(send, call.tool), {}, written)

        async def invoke(effect: Invoke) -> ToolReply | NoReply:
            return await sending.again(effect.call)

        ended = await self._converse(call, pending.original, invoke, written, resumed=True)
        if isinstance(ended, types.CallToolResult):
            return ended
        if ended.outcome is ApprovalOutcome.DENIED_BY_POLICY and pending.kind == "escalate":
            # The server only says that it is denied; who did that, and why, stands at the authority.
            who = await rejection_of(self.authority, call)
            detail = f"{ended.detail}: {who}" if who else ended.detail
            ended = replace(ended, message=sentence_for(ended.outcome, detail))
        return handed_on(ended, token=written.resumable, resumed=True)

    def legs(self, options: Mapping[str, Any]) -> Legs:
        """Return the way of one request from the leg on that its options name."""
        return Legs(self.fulfil, options.get("input_responses"), options.get("request_state"))

    async def run(self, legs: Legs, leg: SendLeg, options: Mapping[str, Any]) -> Any:
        """Send a request's legs, or the current one alone where the caller takes them itself."""
        self.begin()
        return await (leg(legs.options()) if options.get("allow_input_required") else legs.run(leg))

    async def _converse(
        self,
        call: ToolCall,
        original: ToolCall,
        invoke: Callable[[Invoke], Awaitable[ToolReply | NoReply]],
        written: CallJournal,
        *,
        resumed: bool = False,
    ) -> Ended | types.CallToolResult:
        flow = approval_flow(
            call,
            server=self.server,
            acting_as=self.acting_as,
            requester=self.requester,
            max_rounds=self.max_rounds,
            accept_bare=self.accept_bare,
            original=original,
        )
        performer = CallPerformer(
            invoke,
            self.describe,
            self.desk,
            self.authority,
            written.record,
            self.clock,
            self.answered,
            self.dangerous,
            self.acting_as,
            self.show_calls,
        )
        try:
            if resumed:
                await written.record(Record("dispatched", call, {"round": 0, "resumed": True}))
            ended = await run_flow(flow, performer)
            if ended.rounds == 0 and ended.result is not None:
                await written.ended(ended.call, ended.outcome)
        except JournalError as error:
            # Every step but the end is written down before it is taken, so this one was not.
            return refused(f"The tool did not run: {error}")
        except BaseException:
            await written.left(call)
            raise
        finally:
            await written.let_go()
        if ended.outcome is ApprovalOutcome.DEFERRED and (written.resumable or written.why_not):
            return replace(ended, message=left_open(ended.detail, written.why_not))
        return ended

    def _freeze(self, name: str, arguments: Mapping[str, Any] | None) -> ToolCall:
        try:
            return ToolCall(self.server.name, name, arguments or {})
        except ValueError:
            # The bare session also takes dates, models and the like, and sends their JSON form.
            try:
                plain = to_jsonable_python(arguments)
            except PydanticSerializationError as error:
                raise ValueError(str(error)) from None
            return ToolCall(self.server.name, name, plain)

    def reply(self, result: Any) -> ToolReply:
        """Return a result as the conversation takes it."""
        if not isinstance(result, types.CallToolResult):
            return ToolReply(result, is_error=False, texts=(), structured=None, received_at=self.clock())
        texts: tuple[str, ...] = ()
        if result.is_error or self.accept_bare:
            texts = tuple(block.text for block in result.content if isinstance(block, types.TextContent))
        return ToolReply(result, result.is_error, texts, result.structured_content, self.clock())


@dataclass(slots=True)
class _Sending:
    """How one call is sent: each time in the same way, unless a person has changed it.

    Attributes:
        conversing: Whose call it is.
        call: The call, frozen.
        bare: Whether it goes without any arguments, as its caller gave none.
        send: Sends one leg.
        options: What the caller gave besides.
        written: Told when the call has become one that cannot be made from its beginning.
    """

    conversing: Conversing
    call: ToolCall
    bare: bool
    send: SendCall
    options: Mapping[str, Any]
    written: CallJournal
    _sent: ToolCall = field(init=False)
    _legs: Legs = field(init=False)

    def __post_init__(self) -> None:
        self._sent = self.call
        self._legs = self.conversing.legs(self.options)

    async def deliver(self, call: ToolCall) -> Any:
        """Send the call, or what a person has made of it."""
        if call is not self._sent:
            # Other arguments are another call, and the server's state belongs to the old ones.
            self._legs, self._sent = Legs(self.conversing.fulfil), call
        payload = None if self.bare and call is self.call else call.payload()

        async def leg(its: dict[str, Any]) -> Any:
            return await self.send(payload, {**self.options, **its})

        result = await self.conversing.run(self._legs, leg, self.options if call is self.call else {})
        if self._legs.begun:
            self.written.cannot_be_kept(SEVERAL_LEGS)
        return result

    async def again(self, call: ToolCall) -> ToolReply | NoReply:
        """Send the call where it may have been let through; whatever fails, the tool may have run."""
        try:
            return self.conversing.reply(await self.deliver(call))
        except Exception as error:  # noqa: BLE001 - see above
            return _no_reply(error)


ListTools: TypeAlias = Callable[..., Awaitable[types.ListToolsResult]]


async def find_tool(name: str, list_tools: ListTools, known: dict[str, ToolInfo]) -> ToolInfo:
    """Return what the server says of a tool; a bare name where it says nothing.

    Args:
        name: The tool.
        list_tools: `ClientSession.list_tools`.
        known: What was listed before; what is listed now is added.
    """
    cursor: str | None = None
    for _ in range(MAX_TOOL_PAGES):
        if name in known:
            break
        try:
            listed = await list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
        except MCPError:
            break
        remember(listed, known)
        cursor = listed.next_cursor
        if cursor is None:
            break
    return known.get(name, ToolInfo(name))


def remember(listed: types.ListToolsResult, known: dict[str, ToolInfo]) -> None:
    """Add what a page of a tool list says to what is known."""
    for tool in listed.tools:
        known[tool.name] = _info(tool)


def _info(tool: types.Tool) -> ToolInfo:
    annotations = tool.annotations.model_dump(by_alias=True, exclude_none=True) if tool.annotations else {}
    return ToolInfo(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        annotations=MappingProxyType(annotations),
        input_schema=MappingProxyType(tool.input_schema),
        output_schema=None if tool.output_schema is None else MappingProxyType(tool.output_schema),
    )


def _no_reply(error: Exception) -> NoReply:
    if isinstance(error, MCPError):
        # No code proves that the tool was not entered: a tool that raises `MCPError`, or asks this client for
        # something it cannot do, brings any code back (mcp 2.3).
        return NoReply(f"{error.message[:200]!r}, code {error.code}")
    return NoReply(type(error).__name__)
