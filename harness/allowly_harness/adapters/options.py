"""What every adapter takes beside the approver and the authority, and how it names a server."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypedDict

from allowly_harness.performing.asking import Clock
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.servers import parse_server
from allowly_harness.session.journalling import AnyJournal


class ApprovalOptions(TypedDict, total=False):
    """Options of `ApprovingClientSession` by their names there, where they are described."""

    acting_as: str | None
    requester: str
    dangerous: Collection[str]
    max_rounds: int
    accept_bare_decisions: bool
    journal: AnyJournal | None
    reached: str | None
    show_calls: bool
    clock: Clock


def server_reached_by(how: str | Sequence[str] | None) -> ServerInfo:
    """Return our own words for a server: after its URL, or the command that starts it.

    Args:
        how: The URL, or the words of the command; `None` for a server in this program.
    """
    if how is None:
        return ServerInfo("server", "in memory")
    try:
        return parse_server(how).info
    except ConfigurationError:
        return ServerInfo("server", how if isinstance(how, str) else " ".join(how))
