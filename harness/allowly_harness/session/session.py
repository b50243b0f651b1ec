"""`ApprovingClientSession`: an MCP client session that asks, reports and retries by itself.

It is a `mcp.ClientSession` and goes wherever one goes. What a server asks for while it works goes to the
same approver, in both eras of the protocol.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from inspect import signature
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, cast

import mcp_types as types
from mcp import ClientSession, MCPError
from mcp.client.session import ClientRequestContext, LoggingFnT
from pydantic_core import PydanticSerializationError, to_jsonable_python

from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.driver import run_flow
from allowly_harness.performing.answered import AnsweredQuestions
from allowly_harness.performing.asking import Clock
from allowly_harness.performing.performer import CallPerformer, Journal, Send, utc_now
from allowly_harness.protocol.effects import Invoke, NoReply, ToolReply
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS, approval_flow
from allowly_harness.protocol.models import ServerInfo, ToolCall, ToolInfo
from allowly_harness.session.inputs import ServerInputs
from allowly_harness.session.legs import Legs, SendLeg
from allowly_harness.session.losing import CLOSED_HERE, Loss, WatchedStream
from allowly_harness.session.results import handed_on, refused, without_forged_outcome

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

MAX_TOOL_PAGES: Final = 50
"""How many pages of a tool list are read to describe a tool; a server's paging may never end."""

OWN_LOGGER: Final = "allowlyharness"
"""Letters of the name under which this program logs; a server that uses it is named as one."""

MAX_LOGGER_CHARACTERS: Final = 200
"""How much of a server's name for a logger is compared with that."""

logger = logging.getLogger(__name__)


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
        server_words: Returns the last words of a server that is gone, to be added to `until_lost`.
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
        server_words: Callable[[], str] = str,
        **options: Any,
    ) -> None:
        if max_rounds < 1:
            raise ValueError(f"max_rounds must be 1 or more, not {max_rounds}")
        given = signature(ClientSession.__init__).bind_partial(self, *args, **options).arguments
        self.server = server if isinstance(server, ServerInfo) else ServerInfo(server)
        self.desk = approver if isinstance(approver, Desk) else Desk(approver or UnattendedApprover())
        self.authority = authority
        self._loss = Loss()
        self._inputs = ServerInputs(self.desk, self.server, self._warn)
        self._own_logging: LoggingFnT | None = given.get("logging_callback")
        if self._own_logging is not None:
            given["logging_callback"] = self._on_log
        self._refused = _refused_kinds(given, self.desk)
        if given.get("elicitation_callback") is None and self.desk.can_elicit:
            given["elicitation_callback"] = self._on_elicit
        if given.get("read_stream") is not None:
            given["read_stream"] = WatchedStream(given["read_stream"], self._loss)
        super().__init__(**{name: value for name, value in given.items() if name != "self"})
        self._server_words = server_words
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
            return refused(f"The tool did not run: the arguments cannot be sent: {error}.")

        legs, sent = self._legs(options), call

        async def send(payload: dict[str, Any] | None) -> Any:
            async def leg(its: dict[str, Any]) -> Any:
                return await super(ApprovingClientSession, self).call_tool(name, payload, *args, **options | its)

            return await self._run(legs, leg, options)

        first = await send(None if arguments is None else call.payload())
        if not (self._accept_bare or (isinstance(first, types.CallToolResult) and first.is_error)):
            # By far the most calls end here: no successful result is ever a decision (design G9).
            return without_forged_outcome(first)

        async def invoke(effect: Invoke) -> ToolReply | NoReply:
            nonlocal legs, sent
            if not effect.retry:
                return self._reply(first)
            if effect.call is not sent:
                # Other arguments are another call, and the server's state belongs to the old ones.
                legs, sent = Legs(self._fulfil), effect.call
            # What was sent without arguments is sent again without, unless a person has given it some.
            payload = None if arguments is None and effect.call is call else effect.call.payload()
            try:
                return self._reply(await send(payload))
            except Exception as error:  # noqa: BLE001 - whatever it was, the tool may have run
                return _no_reply(error)

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
        return handed_on(await run_flow(flow, performer))

    async def get_prompt(
        self, name: str, arguments: dict[str, str] | None = None, **options: Any
    ) -> types.GetPromptResult:
        """Get a prompt as the bare session does, and ask the person for what the server needs for it."""

        async def leg(its: dict[str, Any]) -> Any:
            return await super(ApprovingClientSession, self).get_prompt(name, arguments, **options | its)

        return cast("types.GetPromptResult", await self._run(self._legs(options), leg, options))

    async def read_resource(self, uri: str, **options: Any) -> types.ReadResourceResult:
        """Read a resource as the bare session does, and ask the person for what the server needs for it."""

        async def leg(its: dict[str, Any]) -> Any:
            return await super(ApprovingClientSession, self).read_resource(uri, **options | its)

        return cast("types.ReadResourceResult", await self._run(self._legs(options), leg, options))

    def _legs(self, options: Mapping[str, Any]) -> Legs:
        return Legs(self._fulfil, options.get("input_responses"), options.get("request_state"))

    async def _run(self, legs: Legs, leg: SendLeg, options: Mapping[str, Any]) -> Any:
        self._inputs.begin()
        # A caller that takes the legs itself is handed what the server asks for.
        return await (leg(legs.options()) if options.get("allow_input_required") else legs.run(leg))

    async def dispatch_input_request(
        self, ctx: ClientRequestContext, request: types.InputRequest
    ) -> types.InputResponse | types.ErrorData:
        """Answer what the server asks for, in both eras; refuse what this program does not do."""
        if isinstance(request, self._refused):
            return await self._inputs.refuse(request)
        return await super().dispatch_input_request(ctx, request)

    async def _fulfil(self, name: str, request: types.InputRequest) -> types.InputResponse | types.ErrorData:
        meta = request.params.meta if request.params else None
        return await self.dispatch_input_request(
            ClientRequestContext(session=self, request_id=name, meta=meta), request
        )

    async def _on_elicit(self, context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        del context
        return await self._inputs.elicit(params)

    async def _on_log(self, params: types.LoggingMessageNotificationParams) -> None:
        name = unicodedata.normalize("NFKC", (params.logger or "")[:MAX_LOGGER_CHARACTERS])
        if OWN_LOGGER in re.sub(r"[\W_]", "", name).casefold():
            # Whoever reads the log takes lines under this name for ours.
            params = params.model_copy(update={"logger": f"server: {params.logger}"})
        if self._own_logging is not None:
            await self._own_logging(params)

    async def _warn(self, text: str) -> None:
        logger.warning("%s (server: %s)", text, self.server.name)
        if self._own_logging is None:
            return
        try:
            await self._own_logging(
                types.LoggingMessageNotificationParams(level="warning", logger="allowly-harness", data=text)
            )
        except Exception:
            logger.exception("The logging callback failed.")

    async def until_lost(self) -> str:
        """Wait until the connection has ended; return why, in a few words.

        Seen are the end of a started server's output, the end of an in-memory transport, and closing this
        session. Over HTTP there is no lasting connection: a server that goes away is seen only when
        a request to it fails. With a `dispatcher` of your own only closing is seen.
        """
        why = await self._loss.wait()
        return why if why == CLOSED_HERE else f"{why}{self._server_words()}"

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        self._loss.happened(CLOSED_HERE)
        return await super().__aexit__(exc_type, exc_val, exc_tb)

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


def _refused_kinds(given: Mapping[str, Any], desk: Desk) -> tuple[type[types.InputRequest], ...]:
    """Return what a server asks for in vain: neither the caller nor the approver has an answer to it."""
    answered: dict[Any, bool] = {
        types.CreateMessageRequest: given.get("sampling_callback") is not None,
        types.ListRootsRequest: given.get("list_roots_callback") is not None,
        types.ElicitRequest: given.get("elicitation_callback") is not None or desk.can_elicit,
    }
    return tuple(kind for kind, can in answered.items() if not can)


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
