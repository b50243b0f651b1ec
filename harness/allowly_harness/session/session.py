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
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, cast

import mcp_types as types
from mcp import ClientSession
from mcp.client.session import ClientRequestContext, LoggingFnT

from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.performing.answered import AnsweredQuestions
from allowly_harness.performing.asking import Clock
from allowly_harness.performing.performer import utc_now
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS
from allowly_harness.protocol.models import RUNTIME_EXTENSION, ServerInfo, ToolInfo
from allowly_harness.session.conversing import Conversing, find_tool, remember
from allowly_harness.session.inputs import ServerInputs
from allowly_harness.session.journalling import AnyJournal
from allowly_harness.session.losing import CLOSED_HERE, Loss, WatchedStream

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

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
        journal: An open `Journal`, which also keeps calls that wait, or an async function that is told every
            step before the next is taken.
        reached: How the server was reached, as JSON, kept with a call that waits; whoever resumes it reads it.
        show_calls: Whether the call behind an escalation is handed to the authority, so that whoever
            approves it sees its arguments.
        clock: Returns the time, aware; for tests.
        server_words: Returns the last words of a server that is gone, to be added to `until_lost`.
        answered: Shared by sessions on one server, so that none answers another's question again.
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
        journal: AnyJournal | None = None,
        reached: str | None = None,
        show_calls: bool = True,
        clock: Clock = utc_now,
        server_words: Callable[[], str] = str,
        answered: AnsweredQuestions | None = None,
        **options: Any,
    ) -> None:
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
        given["extensions"] = {RUNTIME_EXTENSION: {}} | dict(given.get("extensions") or {})
        if given.get("read_stream") is not None:
            given["read_stream"] = WatchedStream(given["read_stream"], self._loss)
        super().__init__(**{name: value for name, value in given.items() if name != "self"})
        self._server_words = server_words
        client_info: types.Implementation | None = given.get("client_info")
        self._tools: dict[str, ToolInfo] = {}
        self._conversing = Conversing(
            desk=self.desk,
            authority=authority,
            server=self.server,
            describe=lambda tool: self.describe(tool),  # noqa: PLW0108 - a session's own `describe` may be replaced
            fulfil=self._fulfil,
            begin=self._inputs.begin,
            acting_as=acting_as,
            requester=requester or (client_info.name if client_info is not None else ""),
            dangerous=dangerous,
            max_rounds=max_rounds,
            accept_bare=accept_bare_decisions,
            journal=journal,
            reached=reached,
            show_calls=show_calls,
            clock=clock,
            answered=answered or AnsweredQuestions(),
        )

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

        async def send(payload: dict[str, Any] | None, its: dict[str, Any]) -> Any:
            return await super(ApprovingClientSession, self).call_tool(name, payload, *args, **its)

        return await self._conversing.call(name, arguments, send, options)

    async def resume_call(self, token: str) -> types.CallToolResult:
        """Make a call again that waits, and go on with it as with a new one.

        The very bytes are sent that were blocked, in the same conversation of the journal. Approved meanwhile,
        it runs; still open, it is asked about or waited for again; expired, it is asked about afresh. Nobody
        else can send it meanwhile.

        Args:
            token: What `call_tool` left in `_meta["allowly-harness/approval"]["token"]`.

        Returns:
            What `call_tool` would return. Like there, a "no" is a result.

        Raises:
            PendingUnknown: No call that waits has this token.
            PendingTaken: Another program works on it.
            PendingError: It is a call for another server, or nobody knows whether it ran, or this session
                was not given an open journal.
            JournalError: The journal cannot be used.
        """

        async def send(name: str, payload: dict[str, Any] | None, its: dict[str, Any]) -> Any:
            return await super(ApprovingClientSession, self).call_tool(name, payload, **its)

        return await self._conversing.resume(token, send)

    async def get_prompt(
        self, name: str, arguments: dict[str, str] | None = None, **options: Any
    ) -> types.GetPromptResult:
        """Get a prompt as the bare session does, and ask the person for what the server needs for it."""

        async def leg(its: dict[str, Any]) -> Any:
            return await super(ApprovingClientSession, self).get_prompt(name, arguments, **options | its)

        return cast("types.GetPromptResult", await self._conversing.run(self._conversing.legs(options), leg, options))

    async def read_resource(self, uri: str, **options: Any) -> types.ReadResourceResult:
        """Read a resource as the bare session does, and ask the person for what the server needs for it."""

        async def leg(its: dict[str, Any]) -> Any:
            return await super(ApprovingClientSession, self).read_resource(uri, **options | its)

        return cast(
            "types.ReadResourceResult", await self._conversing.run(self._conversing.legs(options), leg, options)
        )

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
        remember(listed, self._tools)
        return listed

    async def describe(self, name: str) -> ToolInfo:
        """Return what the server says of a tool; a bare name where it says nothing."""
        return await find_tool(name, self.list_tools, self._tools)


def _refused_kinds(given: Mapping[str, Any], desk: Desk) -> tuple[type[types.InputRequest], ...]:
    """Return what a server asks for in vain: neither the caller nor the approver has an answer to it."""
    answered: dict[Any, bool] = {
        types.CreateMessageRequest: given.get("sampling_callback") is not None,
        types.ListRootsRequest: given.get("list_roots_callback") is not None,
        types.ElicitRequest: given.get("elicitation_callback") is not None or desk.can_elicit,
    }
    return tuple(kind for kind, can in answered.items() if not can)
