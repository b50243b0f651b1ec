"""Tool calls of hosts, behind the approval conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Unpack, cast

import mcp_types as types
from mcp import MCPError

from allowly_harness.adapters.options import ApprovalOptions
from allowly_harness.approvers.base import Desk
from allowly_harness.approvers.remembering import RememberingApprover
from allowly_harness.bridge.asking import HostApprover, Patience
from allowly_harness.bridge.eras import Wire, as_legacy
from allowly_harness.bridge.host import Flight
from allowly_harness.bridge.inputs import fulfil_by, with_leg
from allowly_harness.bridge.link import CANNOT, Link
from allowly_harness.bridge.results import (
    CarriedInputRequired,
    CarriedResult,
    carried,
    harmless,
    harmless_error,
    wire_of,
)
from allowly_harness.display.sanitize import one_line
from allowly_harness.protocol.models import ServerInfo, ToolInfo
from allowly_harness.session.conversing import Conversing

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_harness.grants.remembering import Grants

MAX_NAME_CHARACTERS: Final = 60
"""How much is shown of what a host calls itself."""


class Approvals:
    """Makes calls, and has a person asked where the server wants an approval.

    Args:
        desk: Where the person is; `None` where the host asks them.
        authority: Where answers are reported; without one nobody is asked and nothing runs.
        server: The server, in our words.
        grants: Yeses that are remembered, where the host asks the person; `None` for none.
        options: See `ApprovingClientSession`. `requester` is said in the place of what the host calls itself.
    """

    def __init__(
        self,
        desk: Desk | None,
        authority: AuthorityClient | None,
        server: ServerInfo,
        grants: Grants | None = None,
        **options: Unpack[ApprovalOptions],
    ) -> None:
        self._desk = desk
        self._grants = grants
        self._base = Conversing(
            desk=desk or Desk(_nobody),
            authority=authority,
            server=server,
            describe=_undescribed,
            fulfil=_unfulfilled,
            accept_bare=options.pop("accept_bare_decisions", False),
            **options,  # type: ignore[misc]  # `pop` has taken the one name that is another one there
        )

    @property
    def gets_approvals(self) -> bool:
        """Always: that is what it is for."""
        return True

    async def call(self, link: Link, params: Wire, flight: Flight) -> Wire:
        """Make a call for a host.

        Raises:
            MCPError: The call cannot be read, or as the server answered before anything was approved.
        """
        name, arguments = params.get("name"), params.get("arguments")
        if not isinstance(name, str) or not (arguments is None or isinstance(arguments, dict)):
            raise MCPError(types.INVALID_PARAMS, "Invalid request parameters")

        async def send(payload: dict[str, Any] | None, its: dict[str, Any]) -> Any:
            sent = with_leg(params, its)
            sent.pop("arguments", None)
            if payload is not None:
                sent["arguments"] = payload
            headers = link.tools.headers(name, payload) if link.upstream.modern else None
            return carried(await link.forward("tools/call", sent, flight, headers=headers))

        host = HostApprover(flight, None if link.host.modern else link.turn) if self._desk is None else None
        conversing = replace(
            self._base,
            desk=Desk(Patience(self._desk or self._desk_of(cast("HostApprover", host)), flight)),
            describe=link.tools.describe,
            fulfil=fulfil_by(flight),
            requester=self._base.requester or _called(flight.announcement.name),
        )
        result = await conversing.call(name, arguments, send, _legs_of(params) if link.host.modern else {})
        if host is not None and host.unable:
            told = types.TextContent(type="text", text=host.unable)
            result = result.model_copy(update={"content": [*result.content, told]})
        return _in_era(result, link)

    def _desk_of(self, host: HostApprover) -> Desk:
        return Desk(host if self._grants is None else RememberingApprover(host, self._grants))

    def passing(self, result: Wire) -> Wire:
        """Return the result of anything but a call, without what only an approving session may see."""
        return harmless(result)

    def failing(self, error: MCPError) -> MCPError:
        """Return an error without nonces."""
        return harmless_error(error)


def _in_era(result: Any, link: Link) -> Wire:
    out = wire_of(result)
    ours = not isinstance(result, CarriedResult | CarriedInputRequired)
    return as_legacy(out) if ours and not link.host.modern else out


def _legs_of(params: Wire) -> dict[str, Any]:
    """Return the leg that a modern host is on; it goes through the server's legs itself."""
    responses, state = params.get("inputResponses"), params.get("requestState")
    return {"input_responses": responses, "request_state": state, "allow_input_required": True}


def _called(name: str) -> str:
    if not name:
        return "a host that does not say its name"
    return f'a host that calls itself "{one_line(name, MAX_NAME_CHARACTERS).text}"'


async def _nobody(request: Any) -> Any:
    raise NotImplementedError("every call brings its own desk")


async def _undescribed(name: str) -> ToolInfo:
    return ToolInfo(name)


async def _unfulfilled(name: str, request: Any) -> types.ErrorData:
    del name, request
    return types.ErrorData(code=types.INVALID_REQUEST, message=CANNOT)
