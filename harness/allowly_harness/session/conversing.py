"""The tool calls of one session, each behind the approval conversation. How a call is sent is somebody else's.

A call is frozen when it is made, sent, and, where the server blocks it, asked about, reported and sent again.
The functions that send it belong to a session of ours, or to one that somebody else built.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import mcp_types as types
from mcp import MCPError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from allowly_harness.approvers.base import Desk
from allowly_harness.driver import run_flow
from allowly_harness.performing.answered import AnsweredQuestions
from allowly_harness.performing.asking import Clock
from allowly_harness.performing.performer import CallPerformer, Describe, Journal, utc_now
from allowly_harness.protocol.effects import Invoke, NoReply, ToolReply
from allowly_harness.protocol.errors import JournalError
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS, approval_flow
from allowly_harness.protocol.models import ApprovalOutcome, ServerInfo, ToolCall, ToolInfo
from allowly_harness.session.carried import CarriedOutcomes
from allowly_harness.session.journalling import CallJournal
from allowly_harness.session.legs import Fulfil, Legs, SendLeg
from allowly_harness.session.results import handed_on, refused, without_forged_outcome

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

MAX_TOOL_PAGES: Final = 50
"""How many pages of a tool list are read to describe a tool; a server's paging may never end."""

SendCall: TypeAlias = Callable[[dict[str, Any] | None, dict[str, Any]], Awaitable[Any]]
"""Sends one leg of a call: the arguments, and the options of `ClientSession.call_tool` that it goes with."""


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
    journal: Journal | None = None
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
        legs, sent = self.legs(options), call
        state: str | None = options.get("request_state")

        async def deliver(payload: dict[str, Any] | None) -> Any:
            async def leg(its: dict[str, Any]) -> Any:
                return await send(payload, {**options, **its})

            return await self.run(legs, leg, options if sent is call else {})

        written = CallJournal(self.journal)
        try:
            async with written.first_sending(call):
                first = await deliver(None if arguments is None else call.payload())
        except JournalError as error:
            return refused(f"The tool did not run: {error}")
        if not (self.accept_bare or (isinstance(first, types.CallToolResult) and first.is_error)):
            # By far the most calls end here: no successful result is ever a decision (design G9).
            await written.ended(call, ApprovalOutcome.ALLOWED)
            return cast("types.CallToolResult", self._carried.onto(without_forged_outcome(first), call, state))

        async def invoke(effect: Invoke) -> ToolReply | NoReply:
            nonlocal legs, sent
            if not effect.retry:
                return self._reply(first)
            if effect.call is not sent:
                # Other arguments are another call, and the server's state belongs to the old ones.
                legs, sent = Legs(self.fulfil), effect.call
            # What was sent without arguments is sent again without, unless a person has given it some.
            payload = None if arguments is None and effect.call is call else effect.call.payload()
            try:
                return self._reply(await deliver(payload))
            except Exception as error:  # noqa: BLE001 - whatever it was, the tool may have run
                return _no_reply(error)

        answer = await self._converse(call, invoke, written)
        return cast("types.CallToolResult", self._carried.onto(answer, call, state))

    def legs(self, options: Mapping[str, Any]) -> Legs:
        """Return the way of one request from the leg on that its options name."""
        return Legs(self.fulfil, options.get("input_responses"), options.get("request_state"))

    async def run(self, legs: Legs, leg: SendLeg, options: Mapping[str, Any]) -> Any:
        """Send a request's legs, or the current one alone where the caller takes them itself."""
        self.begin()
        return await (leg(legs.options()) if options.get("allow_input_required") else legs.run(leg))

    async def _converse(
        self, call: ToolCall, invoke: Callable[[Invoke], Awaitable[ToolReply | NoReply]], written: CallJournal
    ) -> types.CallToolResult:
        flow = approval_flow(
            call,
            server=self.server,
            acting_as=self.acting_as,
            requester=self.requester,
            max_rounds=self.max_rounds,
            accept_bare=self.accept_bare,
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
        )
        try:
            ended = await run_flow(flow, performer)
        except JournalError as error:
            # Every step but the end is written down before it is taken, so this one was not.
            return refused(f"The tool did not run: {error}")
        if ended.rounds == 0 and ended.result is not None:
            await written.ended(call, ended.outcome)
        return handed_on(ended)

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

    def _reply(self, result: Any) -> ToolReply:
        if not isinstance(result, types.CallToolResult):
            return ToolReply(result, is_error=False, texts=(), structured=None, received_at=self.clock())
        texts: tuple[str, ...] = ()
        if result.is_error or self.accept_bare:
            texts = tuple(block.text for block in result.content if isinstance(block, types.TextContent))
        return ToolReply(result, result.is_error, texts, result.structured_content, self.clock())


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
    )


def _no_reply(error: Exception) -> NoReply:
    if isinstance(error, MCPError):
        # No code proves that the tool was not entered: a tool that raises `MCPError`, or asks this client for
        # something it cannot do, brings any code back (mcp 2.3).
        return NoReply(f"{error.message[:200]!r}, code {error.code}")
    return NoReply(type(error).__name__)
