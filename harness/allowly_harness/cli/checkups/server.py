"""The server: whether it starts, what it speaks, and what it lists. No tool is called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from allowly_authority.errors import AuthorityError
from allowly_authority.store.schema import StoreError
from allowly_harness import locations
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.cli.checkups.finding import Finding, Tell
from allowly_harness.cli.exits import ExitCode
from allowly_harness.cli.opening import Target, open_session
from allowly_harness.display.sanitize import identifier
from allowly_harness.protocol.errors import ConfigurationError, ServerUnreachable
from allowly_harness.servers import ServerSpec, parse_server
from allowly_harness.workbench.tools import ToolEntry, read_tools, same_but_for_case

if TYPE_CHECKING:
    from allowly_harness.session import ApprovingClientSession

MAX_NAMED: Final = 5
"""How many tools are named in one line."""

_MODERN: Final = "2026-07-28"


async def check_server(tell: Tell, target: Target) -> None:
    """Connect to the server as `connect` does, list its tools, and leave.

    Args:
        tell: Takes the findings.
        target: The server, and how to reach it.
    """
    try:
        spec = parse_server(target.server)
        async with open_session(target, UnattendedApprover("fail")) as session:
            tell(_protocol(session))
            await _tools(tell, session)
        tell(_log(spec))
    except ConfigurationError as error:
        tell(Finding.fail("server", str(error)))
    except StoreError as error:
        tell(Finding.fail("authority", str(error)))
    except ServerUnreachable as error:
        advice = "start it by hand to see what it says; variables are handed on with --env NAME"
        tell(Finding.fail("server", str(error), advice, ExitCode.SERVER_UNREACHABLE))
    except AuthorityError as error:
        tell(Finding.fail("server", f"the authority: {error}", code=ExitCode.AUTHORITY_UNREACHABLE))


def _protocol(session: ApprovingClientSession) -> Finding:
    spoken = session.protocol_version or "an unknown version"
    era = "modern" if spoken >= _MODERN else "legacy"
    return Finding.ok("server", f"{session.server.name} answers, MCP {spoken} ({era})")


async def _tools(tell: Tell, session: ApprovingClientSession) -> None:
    from mcp import MCPError

    try:
        listing = await read_tools(session)
    except (MCPError, TimeoutError, RuntimeError, ValueError) as error:
        tell(Finding.warn("tools", f"they could not be listed: {type(error).__name__}", "see the server's log"))
        return
    count = f"{len(listing.entries)} tools"
    tell(Finding.warn("tools", f"{count}; {listing.problem}") if listing.problem else Finding.ok("tools", count))
    for finding in _names(listing.entries):
        tell(finding)


def _names(tools: tuple[ToolEntry, ...]) -> Iterator[Finding]:
    odd = [tool.name for tool in tools if identifier(tool.name).odd]
    if odd:
        text = f"unusual: {', '.join(repr(name) for name in odd[:MAX_NAMED])}, {len(odd)} in all"
        yield Finding.warn("tool names", text, "look closely before you approve a call of these")
    for alike in same_but_for_case(tools)[:MAX_NAMED]:
        yield Finding.warn("tool names", f"alike but for capital letters: {', '.join(alike)}", "look closely")


def _log(spec: ServerSpec) -> Finding:
    if not spec.command:
        return Finding.ok("server log", "none here: the server was not started by this program")
    return Finding.ok("server log", str(locations.server_log(spec.info.name)))
