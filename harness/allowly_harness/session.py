"""`ApprovingClientSession`: an MCP client session that asks, reports and retries by itself.

It is a `mcp.ClientSession` and goes wherever one goes. Only `call_tool` and `list_tools` differ.
"""

from __future__ import annotations

from collections.abc import Collection
from inspect import signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

import mcp_types as types
from mcp import ClientSession, MCPError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from allowly_harness.answered import AnsweredQuestions
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.asking import Clock
from allowly_harness.driver import run_flow
from allowly_harness.performer import CallPerformer, Journal, Send, utc_now
from allowly_harness.protocol.effects import Invoke, NoReply, ToolReply
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS, Ended, approval_flow
from allowly_harness.protocol.models import APPROVAL_META, ApprovalOutcome, ServerInfo, ToolCall, ToolInfo
from allowly_harness.redaction import without_bearers

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

MAX_TOOL_PAGES: Final = 50
"""How many pages of a tool list are read to describe a tool; a server's paging may never end."""


class ApprovingClientSession(ClientSession):
    """A `ClientSession` whose `call_tool` gets the approvals that a guarded server asks for.

    Every argument of `ClientSession` passes through.

    Args:
        approver: Asks the person: an `Approver`, an async function `(request) -> Answer`, or a `Desk`
            shared with other sessions. Without one nobody can be asked, and no blocked call runs.
        authority: Where answers are reported. The session does not close it.
        server: The server's name in our words, or name and configuration.
        acting_as: Opens the session as that approver: escalations to exactly this name may be
            resolved here. A session of an agent never sets it (design G11).
        requester: Who makes the calls, as the person is told; by default the name in `client_info`.
        dangerous: Calls that want a typed word before a yes, besides those that the server marks as
            destructive: `TOOL` or `SERVER:TOOL`, with `*` for anything.
        max_rounds: The most questions that one call may raise, 1 or more.
        accept_bare_decisions: Read decisions out of successful results too; only for servers whose
            middleware returns them so.
        journal: An async function that is told every step before the next is taken.
        clock: Returns the time, aware; for tests.
    """

    def __init__(
        self,
        *args: Any,
        approver: Approver | AskFunction | Desk | None = None,
        authority: AuthorityClient | None = None,
        server: ServerInfo | str = "server",
        acting_as: str | None = None,
        requester: str = "",
        dangerous: Collection[str] = (),
        max_rounds: int = DEFAULT_MAX_ROUNDS,
        accept_bare_decisions: bool = False,
        journal: Journal | None = None,
        clock: Clock = utc_now,
        **options: Any,
    ) -> None:
        if max_rounds < 1:
            raise ValueError(f"max_rounds must be 1 or more, not {max_rounds}")
        given = signature(ClientSession.__init__).bind_partial(self, *args, **options).arguments
        super().__init__(*args, **options)
        self.server = server if isinstance(server, ServerInfo) else ServerInfo(server)
        self.desk = approver if isinstance(approver, Desk) else Desk(approver or UnattendedApprover())
        self.authority = authority
        client_info: types.Implementation | None = given.get("client_info")
        self._acting_as = acting_as
        self._requester = requester or (client_info.name if client_info is not None else "")
        self._dangerous = (dangerous,) if isinstance(dangerous, str) else tuple(dangerous)
        self._max_rounds = max_rounds
        self._accept_bare = accept_bare_decisions
        self._journal = journal
        self._clock = clock
        self._answered = AnsweredQuestions()
        self._tools: dict[str, ToolInfo] = {}

    async def call_tool(
        self, name: str, arguments: dict[str, Any] | None = None, *args: Any, **options: Any
    ) -> types.CallToolResult:
        """Call a tool; ask, report and retry where the server demands it.

        Takes what `ClientSession.call_tool` takes. A "no" is a result, not an exception: `is_error` is
        true and the text says what a model can do about it. A call that the server never blocked
        returns, or raises, exactly what the bare session does.

        Raises:
            mcp.MCPError: As the bare session, as long as nothing was approved.
        """
        try:
            call = self._freeze(name, arguments)
        except ValueError as error:
            return _refused(f"The tool did not run: the arguments cannot be sent: {error}.")

        payload = None if arguments is None else call.payload()
        # The options decide which kind of result comes back, and checkers cannot see them here.
        first = cast("types.Result", await super().call_tool(name, payload, *args, **options))
        if not (self._accept_bare or (isinstance(first, types.CallToolResult) and first.is_error)):
            # By far the most calls end here: no successful result is ever a decision (design G9).
            return _without_forged_outcome(first)

        async def invoke(effect: Invoke) -> ToolReply | NoReply:
            if not effect.retry:
                return self._reply(first)
            # What was sent without arguments is sent again without, unless a person has given it some.
            payload = None if arguments is None and effect.call is call else effect.call.payload()
            try:
                again = await super(ApprovingClientSession, self).call_tool(name, payload, *args, **options)
            except Exception as error:  # noqa: BLE001 - whatever it was, the tool may have run
                return _no_reply(error)
            return self._reply(again)

        return await self._converse(call, invoke)

    async def _converse(self, call: ToolCall, invoke: Send) -> types.CallToolResult:
        flow = approval_flow(
            call,
            server=self.server,
            acting_as=self._acting_as,
            requester=self._requester,
            max_rounds=self._max_rounds,
            accept_bare=self._accept_bare,
        )
        performer = CallPerformer(
            invoke,
            self.describe,
            self.desk,
            self.authority,
            self._journal,
            self._clock,
            self._answered,
            self._dangerous,
        )
        return _handed_on(await run_flow(flow, performer))

    async def list_tools(self, *, params: types.PaginatedRequestParams | None = None) -> types.ListToolsResult:
        """List tools as the bare session does, and remember what the server says of them."""
        listed = await super().list_tools(params=params)
        for tool in listed.tools:
            self._tools[tool.name] = _info(tool)
        return listed

    async def describe(self, name: str) -> ToolInfo:
        """Return what the server says of a tool; a bare name where it says nothing."""
        cursor: str | None = None
        for _ in range(MAX_TOOL_PAGES):
            if name in self._tools:
                break
            try:
                listed = await self.list_tools(params=types.PaginatedRequestParams(cursor=cursor) if cursor else None)
            except MCPError:
                break
            cursor = listed.next_cursor
            if cursor is None:
                break
        return self._tools.get(name, ToolInfo(name))

    def _freeze(self, name: str, arguments: dict[str, Any] | None) -> ToolCall:
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
            return ToolReply(result, is_error=False, texts=(), structured=None, received_at=self._clock())
        texts: tuple[str, ...] = ()
        if result.is_error or self._accept_bare:
            texts = tuple(block.text for block in result.content if isinstance(block, types.TextContent))
        return ToolReply(result, result.is_error, texts, result.structured_content, self._clock())


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


def _handed_on(ended: Ended) -> types.CallToolResult:
    if ended.result is None:
        return _refused(ended.message, _meta(ended))
    result: types.Result = ended.result
    if isinstance(result, types.CallToolResult) and result.is_error:
        result = without_bearers(result)
    if ended.rounds == 0:
        return _without_forged_outcome(result)
    update: dict[str, Any] = {"meta": {**(result.meta or {}), APPROVAL_META: _meta(ended)}}
    if ended.outcome is ApprovalOutcome.APPROVED_EDITED and isinstance(result, types.CallToolResult):
        told = f"A person changed the arguments before this call was sent. It ran with: {ended.call.canonical}"
        update["content"] = [*result.content, types.TextContent(type="text", text=told)]
    return cast("types.CallToolResult", result.model_copy(update=update))


def _without_forged_outcome(result: Any) -> types.CallToolResult:
    """Hand a result on as it came, but for a key that only we may write: a server could claim an approval."""
    if result.meta and APPROVAL_META in result.meta:
        kept = {name: value for name, value in result.meta.items() if name != APPROVAL_META}
        result = result.model_copy(update={"meta": kept or None})
    return cast("types.CallToolResult", result)


def _meta(ended: Ended) -> dict[str, Any]:
    return {"outcome": ended.outcome.value, "rounds": ended.rounds, "digest": ended.call.digest}


def _refused(message: str, meta: dict[str, Any] | None = None) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=message)],
        is_error=True,
        _meta={APPROVAL_META: meta} if meta else None,
    )
