"""`allowly-harness connect`: a terminal session on a server."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from allowly_harness.cli.exits import ExitCode, fail, say
from allowly_harness.cli.guarding import guard_options
from allowly_harness.cli.options import complete_server, complete_theme, parse_variables, server_options

if TYPE_CHECKING:
    from allowly_harness.cli.opening import Target
    from allowly_harness.protocol.models import ServerInfo
    from allowly_harness.servers import ServerSpec
    from allowly_harness.settings import TerminalSettings


THEME_OPTION: Final = click.option(
    "--theme",
    metavar="NAME",
    shell_complete=complete_theme,
    help="How the full screen looks.  [default: configuration]",
)


@click.command(short_help="Open a terminal session on a server.")
@click.argument("server", shell_complete=complete_server)
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENTS...]")
@click.option("--tui", "front_end", flag_value="tui", help="The full screen; an error where it cannot be drawn.")
@click.option("--chat", "front_end", flag_value="chat", help="Line by line; for screen readers and slow lines.")
@THEME_OPTION
@guard_options
@server_options
def connect(
    server: str,
    arguments: Sequence[str],
    front_end: str | None,
    theme: str | None,
    guard: bool,
    policy: str | None,
    authority: str | None,
    acting_as: str | None,
    variables: Sequence[str],
    trust_project: bool,
    timeout: float,
    era: str,
) -> int:
    """Open a session on SERVER: see its tools, call them, answer what it asks.

    SERVER is a URL, a Python, JavaScript or TypeScript file, a command, demo:NAME, or a name that
    allowly-harness servers lists: NAME, or FILE#NAME where several files have it. Without --tui or --chat the
    full screen is used where the terminal can draw it. Both do the same; --chat is the one that screen
    readers can follow. Colours are left out where NO_COLOR is set.

    \b
    allowly-harness connect demo:mail
    allowly-harness connect http://127.0.0.1:8000/mcp --authority https://api.allowly.ai
    allowly-harness connect --chat -- python my_server.py --verbose
    allowly-harness connect --guard -- npx -y @modelcontextprotocol/server-filesystem .
    """
    from allowly_harness.cli.guarding import GivenGuard, guarded
    from allowly_harness.cli.naming import code_of, take_server
    from allowly_harness.cli.opening import Target
    from allowly_harness.cli.running import run
    from allowly_harness.protocol.errors import ConfigurationError

    given = GivenGuard.of(guard=guard, policy=policy)
    typed = (server, *arguments) if arguments else server
    try:
        taken = take_server(typed, trust_project=trust_project)
    except ConfigurationError as error:
        return fail(str(error), code_of(error))
    target = Target(taken, authority, acting_as, parse_variables(variables), era, timeout, typed=typed, policy=policy)

    async def open_it() -> int:
        return await open_front_end(await guarded(target, given), front_end, theme=theme)

    return run(open_it)


async def open_front_end(
    target: Target, front_end: str | None, hints: Sequence[str] = (), *, theme: str | None = None
) -> int:
    """Open a session and hand it to a front end.

    Args:
        target: The server, and how to reach it.
        front_end: "tui", "chat", or `None` for what the terminal can do.
        hints: A few words on what to try, shown at the start.
        theme: How the full screen looks; `None` for what is configured.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return fail(
            "connect needs a terminal; nothing is asked or approved without one. For scripts: allowly-harness call",
            ExitCode.USAGE,
        )
    from allowly_harness.settings import load_settings
    from allowly_harness.tui.terminal import terminal_problem

    # Read before the screen is drawn, so that what is wrong with it is said at once.
    settings = load_settings(target.authority).terminal
    await _tell_what_waits()
    problem = terminal_problem()
    if front_end == "tui" and problem is not None:
        return fail(f"the full screen cannot be drawn: {problem}; use --chat", ExitCode.USAGE)
    if front_end == "chat" or problem is not None:
        from allowly_harness.approvers.chat.text import is_terminal

        if not is_terminal():
            return fail("connect --chat needs standard output to be a terminal, too", ExitCode.USAGE)
        if front_end is None:
            say(f"The full screen cannot be drawn here ({problem}); going on line by line.")
        return await _chat(target, hints, settings)
    return await _tui(target, hints, settings if theme is None else replace(settings, theme=theme))


async def _tell_what_waits() -> None:
    """Say how many calls wait, once; a journal that cannot be read is a matter of opening the session."""
    from allowly_harness.cli.pending import how_many_wait

    waiting = await how_many_wait()
    if waiting:
        say(f"{waiting} {'call waits' if waiting == 1 else 'calls wait'}: allowly-harness pending")


async def _chat(target: Target, hints: Sequence[str], settings: TerminalSettings) -> int:
    from allowly_harness.approvers.chat import ChatApprover
    from allowly_harness.chat import run_chat
    from allowly_harness.cli.opening import open_session
    from allowly_harness.servers import parse_server
    from allowly_harness.workbench.feed import ServerFeed

    _, log = _described(parse_server(target.server))
    feed = ServerFeed(log)
    async with open_session(
        target, ChatApprover(), guard_says=partial(feed.note, "notice"), server_log=log, **feed.options
    ) as session:
        return await run_chat(session, hints=hints, feed=feed, settings=settings)


async def _tui(target: Target, hints: Sequence[str], settings: TerminalSettings) -> int:
    from allowly_harness.cli.opening import delivering, open_session
    from allowly_harness.servers import parse_server
    from allowly_harness.tui import TuiApprover, run_tui
    from allowly_harness.workbench.feed import ServerFeed

    server, log = _described(parse_server(target.server))
    approver, feed = TuiApprover(), ServerFeed(log)
    # One folder for all connections of the session: what was delivered is still there after a reconnection.
    with delivering(replace(target, quiet=True)) as lasting:
        return await run_tui(
            lambda: open_session(
                lasting, approver, guard_says=partial(feed.note, "notice"), server_log=log, **feed.options
            ),
            approver=approver,
            hints=hints,
            feed=feed,
            server_log=log,
            settings=settings,
            server=server,
        )


def _described(spec: ServerSpec) -> tuple[ServerInfo, Path | None]:
    """Return what the server is called, and where its standard error goes if it is started here."""
    from allowly_harness import locations

    return spec.info, locations.server_log(spec.info.name) if spec.command else None
