"""`allowly-harness bridge`: approvals for a host that knows nothing of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from allowly_harness.cli.exits import ExitCode, fail, say
from allowly_harness.cli.hosting import START_TIMEOUT_OPTION, address_of, listening_options
from allowly_harness.cli.options import complete_server, parse_variables, server_options
from allowly_harness.cli.remembering import open_grants

if TYPE_CHECKING:
    from allowly_harness.approvers.base import Approver
    from allowly_harness.bridge import Bridge
    from allowly_harness.cli.opening import OpenAuthority, Target
    from allowly_harness.servers import ServerSpec
    from allowly_harness.settings import Settings


@click.command(short_help="Put approvals between a host (an editor, an assistant) and a server.")
@click.argument("server", shell_complete=complete_server)
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENTS...]")
@click.option(
    "--ask",
    type=click.Choice(["terminal", "host"]),
    default="terminal",
    show_default=True,
    help="Who asks the person: a terminal in which allowly-harness approve runs, or the host, by MCP elicitation. "
    "The host is trusted with the question then, and with the answer.",
)
@listening_options("bridge")
@click.option(
    "--requester",
    default="",
    metavar="TEXT",
    help="Who makes the calls, as the person is told.  [default: what the host calls itself]",
)
@START_TIMEOUT_OPTION
@server_options
def bridge(
    server: str,
    arguments: Sequence[str],
    ask: Literal["terminal", "host"],
    listen: str | None,
    allow_network: bool,
    names: Sequence[str],
    requester: str,
    start_timeout: float,
    authority: str | None,
    acting_as: str | None,
    variables: Sequence[str],
    trust_project: bool,
    timeout: float,
    era: str,
) -> int:
    """Serve MCP to a host, with SERVER behind it and approvals in between.

    The host is configured to start this command in the place of the server. Everything passes through
    unchanged; a call that the server wants approved is held, asked about, and made when somebody says yes.

    \b
    allowly-harness bridge -- npx -y @modelcontextprotocol/server-filesystem ~/Documents
    allowly-harness bridge --ask host demo:mail
    allowly-harness bridge --http 8000 http://127.0.0.1:9000/mcp

    SERVER is what connect takes. A server that a file of the project names is started with
    --trust-project alone, because nobody can be asked on standard input.
    """
    from allowly_harness.cli.naming import code_of, take_server
    from allowly_harness.cli.opening import Target
    from allowly_harness.cli.running import run
    from allowly_harness.protocol.errors import ConfigurationError

    try:
        address = address_of(listen, allow_network=allow_network)
        _check_host(address, ask)
        typed = (server, *arguments) if arguments else server
        taken = take_server(typed, trust_project=trust_project, may_ask=address is not None)
    except ConfigurationError as error:
        return fail(str(error), code_of(error))
    target = Target(
        taken,
        authority,
        acting_as,
        parse_variables(variables),
        era,
        timeout,
        quiet=True,
        requester=requester,
        typed=typed,
    )
    return run(_Bridging(target, ask, address, tuple(names), start_timeout).run)


def _check_host(address: tuple[str, int] | None, ask: str) -> None:
    """Refuse to have a host ask the person where others can pose as one."""
    from allowly_harness.bridge.http import is_loopback
    from allowly_harness.protocol.errors import ConfigurationError

    if ask == "host" and address is not None and not is_loopback(address[0]):
        raise ConfigurationError("with --ask host, whoever can reach the bridge could approve; give --ask terminal")


@dataclass(frozen=True, slots=True)
class _Bridging:
    """One run of the command."""

    target: Target
    ask: Literal["terminal", "host"]
    address: tuple[str, int] | None
    names: tuple[str, ...]
    start_timeout: float

    async def run(self) -> int:
        """Serve until the host leaves, the server is gone, or a signal."""
        from dataclasses import replace

        from allowly_harness.cli.opening import delivering, open_authority
        from allowly_harness.servers import parse_server
        from allowly_harness.settings import EMBEDDED, load_settings

        settings = load_settings(self.target.authority)
        if self.target.is_demo and settings.authority is None:
            settings = replace(settings, authority=EMBEDDED)
        spec = parse_server(self.target.server)
        with delivering(self.target) as target:
            async with open_authority(settings) as authority:
                return await self._serve(target, spec, settings, authority)

    async def _serve(
        self, target: Target, spec: ServerSpec, settings: Settings, authority: OpenAuthority | None
    ) -> int:
        from allowly_harness.bridge import open_bridge
        from allowly_harness.bridge.reaching import Reach
        from allowly_harness.cli.opening import open_journal, variables_for
        from allowly_harness.cli.reach import reach_text

        variables = await variables_for(target, authority)
        reach = Reach(spec, variables | target.variables)
        async with AsyncExitStack() as stack:
            journal = await stack.enter_async_context(open_journal())
            approver = None if self.ask == "host" else await self._terminal(stack, spec.info.name)
            grants = stack.enter_context(open_grants(settings.approval, authority, target.acting_as))
            opened = await stack.enter_async_context(
                open_bridge(
                    reach,
                    server=spec.info,
                    approver=approver,
                    authority=authority.client if authority else None,
                    era=target.era,  # type: ignore[arg-type]
                    timeout=target.timeout,
                    start_timeout=self.start_timeout,
                    several_hosts=self.address is not None,
                    last_words=reach.last_words,
                    acting_as=target.acting_as,
                    requester=target.requester,
                    dangerous=settings.approval.dangerous,
                    grants=grants,
                    show_calls=settings.approval.show_calls,
                    journal=journal,
                    reached=reach_text(target, settings.authority, variables),
                )
            )
            return await self._until_done(opened)

    async def _terminal(self, stack: AsyncExitStack, name: str) -> Approver:
        from allowly_harness.approvers.attached import SocketApprover

        approver = await stack.enter_async_context(SocketApprover(name=name))
        say(f"Questions are answered in another terminal: allowly-harness approve --attach {approver.path}")
        return approver

    async def _until_done(self, opened: Bridge) -> int:
        from allowly_harness.bridge import serve_http

        if self.address is None:
            why = await opened.serve_stdio()
            return fail(why, ExitCode.SERVER_UNREACHABLE) if why else int(ExitCode.DONE)

        def ready(url: str) -> None:
            say(f"Hosts connect to {url}. Stop it with Ctrl-C.")

        await serve_http(opened.server, self.address, names=self.names, on_ready=ready)
        return int(ExitCode.DONE)
