"""`mcp.Client` with approvals from the start.

The client goes through the legs of a request itself, one `call_tool` of its session for each. A leg that the
server blocks is asked about and sent again as that very leg; the legs before it are not repeated, because
what a tool did in them has been done (design G4).
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.extension import advertise
from mcp.client.session import ClientRequestContext

from allowly_harness.adapters.options import ApprovalOptions, server_reached_by
from allowly_harness.adapters.wrapped import wrapping
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.protocol.models import RUNTIME_EXTENSION, ServerInfo
from allowly_harness.session.inputs import ServerInputs

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

_OWN = frozenset(ApprovalOptions.__annotations__)

logger = logging.getLogger(__name__)


class ApprovingClient(Client):
    """A `mcp.Client` whose calls get the approvals that a guarded server asks for.

    It goes wherever a `mcp.Client` goes, and takes every argument of one. An approver that can `elicit`
    is also asked what servers ask for, unless an `elicitation_callback` is given.

    Args:
        server: What `mcp.Client` connects to: a URL, `StdioServerParameters`, a transport, a server object.
        approver: See `ApprovingClientSession`.
        authority: Where answers are reported. The client does not close it.
        name: What to call the server, or name and configuration, instead of what `server` suggests.
        options: Options of `approving`, and of `mcp.Client`.

    Raises:
        ValueError: An option is out of range.
    """

    def __init__(
        self,
        server: Any,
        *,
        approver: Approver | AskFunction | Desk | None = None,
        authority: AuthorityClient | None = None,
        name: ServerInfo | str | None = None,
        **options: Any,
    ) -> None:
        approvals: ApprovalOptions = {key: options.pop(key) for key in _OWN & options.keys()}  # type: ignore[assignment]
        if approvals.get("max_rounds", 1) < 1:
            raise ValueError(f"max_rounds must be 1 or more, not {approvals.get('max_rounds')}")
        self._desk = approver if isinstance(approver, Desk) else Desk(approver or UnattendedApprover())
        self._authority = authority
        info = _named(server) if name is None else name
        self._info = info if isinstance(info, ServerInfo) else ServerInfo(info)
        self._approvals = approvals
        self._inputs = ServerInputs(self._desk, self._info, self._warn)
        self._wrapping = ExitStack()
        if options.get("elicitation_callback") is None and self._desk.can_elicit:
            options["elicitation_callback"] = self._on_elicit
        extensions = tuple(options.get("extensions") or ())
        if all(extension.identifier != RUNTIME_EXTENSION for extension in extensions):
            options["extensions"] = (*extensions, advertise(RUNTIME_EXTENSION))
        if (client_info := options.get("client_info")) is not None:
            self._approvals.setdefault("requester", client_info.name)
        super().__init__(server, **options)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._wrapping.enter_context(
            wrapping(
                self.session,
                self._desk,
                authority=self._authority,
                server=self._info,
                begin=self._inputs.begin,
                **self._approvals,
            )
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: object
    ) -> None:
        self._wrapping.close()
        await super().__aexit__(exc_type, exc_val, exc_tb)

    async def _on_elicit(self, context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        del context
        return await self._inputs.elicit(params)

    async def _warn(self, text: str) -> None:
        logger.warning("%s (server: %s)", text, self._info.name)


def _named(server: Any) -> ServerInfo:
    if isinstance(server, StdioServerParameters):
        return server_reached_by([server.command, *server.args])
    return server_reached_by(server if isinstance(server, str) else None)
