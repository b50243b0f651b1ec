"""`allowly-harness guard`: a policy and approvals in front of a server that nobody here can change."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allowly_harness.cli.exits import ExitCode, fail, say
from allowly_harness.cli.hosting import START_TIMEOUT_OPTION, address_of, listening_options
from allowly_harness.cli.options import POLICY_FILE, complete_server, connection_options, parse_variables

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_harness.cli.opening import OpenAuthority
    from allowly_harness.guarding import Guard
    from allowly_harness.guarding.opening import GuardPlan


@click.command(short_help="Put a policy and approvals in front of a server that you cannot change.")
@click.argument("server", shell_complete=complete_server)
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENTS...]")
@click.option(
    "--policy",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help=f"What may be called, and who is asked.  [default: {POLICY_FILE}]",
)
@click.option("--init", is_flag=True, help="Write a policy from the server's list of tools, and serve nothing.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help=f"Where --init writes the policy; - is standard output.  [default: {POLICY_FILE}]",
)
@click.option("--escalate-to", metavar="NAME", help="With --init: who approves what says that it destroys.")
@click.option("--force", is_flag=True, help="With --init: write over files that are there.")
@click.option("--name", metavar="NAME", help="What the policy calls the server.  [default: after its package]")
@click.option("--user", metavar="ID", help="Who confirms, as the authority knows the user.  [default: local-user]")
@click.option(
    "--group", "groups", multiple=True, metavar="NAME", help="A group of the user, for the policy. Repeatable."
)
@click.option(
    "--operator-key",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Holds an operator's key, which makes the authorizations; then a gate's key is enough for the rest.",
)
@listening_options("guard")
@START_TIMEOUT_OPTION
@connection_options
def guard(
    server: str,
    arguments: Sequence[str],
    policy: str | None,
    init: bool,
    output: str | None,
    escalate_to: str | None,
    force: bool,
    name: str | None,
    user: str | None,
    groups: Sequence[str],
    operator_key: str | None,
    listen: str | None,
    allow_network: bool,
    names: Sequence[str],
    start_timeout: float,
    authority: str | None,
    variables: Sequence[str],
    trust_project: bool,
    timeout: float,
    era: str,
) -> int:
    """Serve SERVER to a host, with a policy in front of it that allows, asks and denies.

    SERVER is what connect takes. It is not changed and hears nothing of the guard. What the policy asks about is
    answered as guarded servers answer, so that connect, call, bridge and every client of such servers gets
    approvals. Where no authority is named, one runs inside of this program.

    \b
    allowly-harness guard --init -- npx -y @modelcontextprotocol/server-filesystem .
    allowly-harness guard -- npx -y @modelcontextprotocol/server-filesystem .
    allowly-harness guard --http 8000 http://127.0.0.1:9000/mcp
    allowly-harness connect --guard -- npx -y @modelcontextprotocol/server-filesystem .

    The policy file is read again when it changes; a broken one changes nothing. Whoever can reach the server
    itself needs nobody's yes: take its own entry out of the host's configuration.
    """
    from allowly_harness.cli.guarding import GivenGuard, checked_variables, fail_in_lines, guarded_spec, plan_by
    from allowly_harness.cli.initialising import Initialising
    from allowly_harness.cli.naming import code_of, take_server
    from allowly_harness.cli.running import run
    from allowly_harness.protocol.errors import ConfigurationError
    from allowly_harness.settings import read_key

    _check_usage(init=init, policy=policy, output=output, escalate_to=escalate_to, force=force, listen=listen)
    try:
        address = address_of(listen, allow_network=allow_network)
        typed = (server, *arguments) if arguments else server
        spec = guarded_spec(take_server(typed, trust_project=trust_project, may_ask=init or address is not None))
        given = checked_variables(parse_variables(variables))
        if init:
            one = Initialising(
                spec, name, given, output or POLICY_FILE, escalate_to, era, timeout, start_timeout, force
            )
            one.check()
            return run(one.run)
        operators = None if operator_key is None else read_key(Path(operator_key))
        guard_options = GivenGuard(policy or POLICY_FILE, name, user, tuple(groups))
        plan = plan_by(guard_options, spec, given, era=era, timeout=timeout, start_timeout=start_timeout)
    except ConfigurationError as error:
        return fail_in_lines(str(error), code_of(error))
    return run(_Serving(plan, authority, address, tuple(names), operators).run)


def _check_usage(
    *, init: bool, policy: str | None, output: str | None, escalate_to: str | None, force: bool, listen: str | None
) -> None:
    if init and (policy is not None or listen is not None):
        raise click.UsageError("--init only writes a policy: leave out --policy and --http; -o names the file")
    if not init and (output is not None or escalate_to is not None or force):
        raise click.UsageError("-o, --escalate-to and --force go with --init")


@dataclass(frozen=True, slots=True)
class _Serving:
    """One run of the command that serves."""

    plan: GuardPlan
    authority: str | None
    address: tuple[str, int] | None
    names: tuple[str, ...]
    operator_key: str | None = field(default=None, repr=False)

    async def run(self) -> int:
        """Serve until the host leaves, the server is gone, or a signal."""
        from allowly_harness.cli.guarding import say_plainly, say_what_guards, settings_of
        from allowly_harness.cli.opening import open_authority
        from allowly_harness.guarding.kept import identity_of
        from allowly_harness.guarding.opening import guard_by

        async with open_authority(settings_of(self.authority)) as opened:
            if opened is None:
                raise AssertionError("there is always an authority here")
            say_what_guards(self.plan, opened)
            identity = identity_of(opened.base_url, opened.api_key)
            several = self.address is not None
            async with (
                self._operator(opened) as operator,
                guard_by(
                    self.plan, opened.client, identity, say_plainly, operator=operator, several_hosts=several
                ) as guard,
            ):
                return await self._until_done(guard)

    @asynccontextmanager
    async def _operator(self, opened: OpenAuthority) -> AsyncGenerator[AuthorityClient | None]:
        """Open the authority with the operator's key, where there is one."""
        from allowly_authority import AuthorityClient

        if self.operator_key is None:
            yield None
            return
        say("Authorizations are made with the operator's key; calls are checked with the other one.")
        async with AuthorityClient(base_url=opened.base_url, api_key=self.operator_key) as client:
            yield client

    async def _until_done(self, guard: Guard) -> int:
        from allowly_harness.bridge import serve_http

        if self.address is None:
            why = await guard.serve_stdio()
            return fail(why, ExitCode.SERVER_UNREACHABLE) if why else int(ExitCode.DONE)

        def ready(url: str) -> None:
            say(f"Hosts connect to {url}. Stop it with Ctrl-C.")

        await serve_http(guard.server, self.address, names=self.names, on_ready=ready)
        return int(ExitCode.DONE)
