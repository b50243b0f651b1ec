"""`fastmcp.Client` with approvals, by the class of its session; and so proxies, and whatever takes such a client.

A client hands its transport the class of session to open. The transport here hands on a class that is both
that one and `ApprovingClientSession`: the sessions of proxies leave out the check of output schemas, and
must go on doing so. Needs the extra `fastmcp`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from fastmcp import Client
from fastmcp.client.transports import infer_transport
from fastmcp.client.transports.base import ClientTransport, SessionKwargs, TransportOptions
from fastmcp.client.transports.config import MCPConfigTransport
from mcp import ClientSession

from allowly_harness.adapters.options import ApprovalOptions, server_reached_by
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.performing.answered import AnsweredQuestions
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.session import ApprovingClientSession

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient


class ApprovingTransport(ClientTransport):
    """A transport whose sessions get the approvals that a guarded server asks for.

    It goes wherever a transport goes, `fastmcp.server.create_proxy` included. All its sessions ask one
    person, one question at a time; a proxy opens a session for every request.

    Args:
        transport: A transport, or anything that FastMCP makes one from: a server, URL, path, configuration.
        approver: See `ApprovingClientSession`.
        authority: Where answers are reported. The transport does not close it.
        server: What to call the server, or name and configuration, instead of what `transport` suggests.
        options: `acting_as`, `requester`, `dangerous`, `max_rounds`, `accept_bare_decisions`, `journal`, `clock`.

    Raises:
        ValueError: The transport has approvals already, or leads to several servers. The authority's record of
            a question names a tool as its own server does; under another name nobody would be asked (design G13).
    """

    def __init__(
        self,
        transport: Any,
        *,
        approver: Approver | AskFunction | Desk | None = None,
        authority: AuthorityClient | None = None,
        server: ServerInfo | str | None = None,
        **options: Unpack[ApprovalOptions],
    ) -> None:
        self.inner: ClientTransport = infer_transport(transport)
        if isinstance(self.inner, ApprovingTransport):
            raise ValueError("the calls of this transport are approved already")  # noqa: TRY004 - it is one, but a second time
        if isinstance(self.inner, MCPConfigTransport) and len(self.inner.config.mcpServers) > 1:
            raise ValueError("a configuration of several servers renames their tools; give each a transport of its own")
        self._approvals: dict[str, Any] = {
            **options,
            "approver": approver if isinstance(approver, Desk) else Desk(approver or UnattendedApprover()),
            "authority": authority,
            "server": _named(self.inner) if server is None else server,
            "answered": AnsweredQuestions(),
        }

    @asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Unpack[SessionKwargs]
    ) -> AsyncGenerator[ClientSession]:
        """Open a session as the inner transport does, of a class that asks for approvals."""
        options = transport_options or TransportOptions()
        options = replace(options, session_class=approving_class(options.session_class, **self._approvals))
        async with self.inner.connect_session(transport_options=options, **session_kwargs) as session:
            yield session

    @property
    def legacy_only(self) -> bool:  # type: ignore[override]  # a property in transports of FastMCP's own, too
        """Whether the inner transport carries the handshake era only."""
        return self.inner.legacy_only

    async def close(self) -> None:
        """Close the inner transport."""
        await self.inner.close()  # type: ignore[no-untyped-call]

    def get_session_id(self) -> str | None:
        """Return the inner transport's session id."""
        return self.inner.get_session_id()

    def __repr__(self) -> str:
        return f"<ApprovingTransport({self.inner!r})>"


def approving_class(base: type[ClientSession], **approvals: Any) -> type[ClientSession]:
    """Return a class that is `base` and `ApprovingClientSession`, made with these arguments of the latter.

    Raises:
        ValueError: `base` asks for approvals already.
    """
    if issubclass(base, ApprovingClientSession):
        raise ValueError("the calls of this session are approved already")  # noqa: TRY004 - it is one, but a second time

    def __init__(self: ApprovingClientSession, *args: Any, **options: Any) -> None:  # noqa: N807 - becomes the method
        ApprovingClientSession.__init__(self, *args, **approvals, **options)

    return type(f"Approving{base.__name__}", (ApprovingClientSession, base), {"__init__": __init__})


def approving_client(
    transport: Any,
    *,
    approver: Approver | AskFunction | Desk | None = None,
    authority: AuthorityClient | None = None,
    server: ServerInfo | str | None = None,
    approvals: ApprovalOptions | None = None,
    **options: Any,
) -> Client[Any]:
    """Return a `fastmcp.Client` whose calls get the approvals that a guarded server asks for.

    Args:
        transport: What `fastmcp.Client` takes.
        approver: See `ApprovingTransport`.
        authority: See `ApprovingTransport`.
        server: See `ApprovingTransport`.
        approvals: The other options of `ApprovingTransport`.
        options: Options of `fastmcp.Client`.
    """
    client: Client[Any] = Client(transport, **options)
    # Afterwards, because a client applies `auth` and `verify` to the transport that it is given.
    client.transport = ApprovingTransport(
        client.transport,
        approver=approver,
        authority=authority,
        server=server,
        **(approvals or {}),
    )
    return client


def _named(transport: ClientTransport) -> ServerInfo:
    if isinstance(transport, MCPConfigTransport):
        return replace(_named(transport.transport), name=next(iter(transport.config.mcpServers)))
    url, command = getattr(transport, "url", None), getattr(transport, "command", None)
    if url is not None:
        return server_reached_by(str(url))
    if command is not None:
        return server_reached_by([str(command), *(str(word) for word in getattr(transport, "args", None) or ())])
    return server_reached_by(None)
