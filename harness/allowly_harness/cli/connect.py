"""`allowly-harness connect`: a terminal session on a server."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from allowly_harness.cli.exits import ExitCode, fail
from allowly_harness.cli.options import complete_server, parse_variables, server_options

if TYPE_CHECKING:
    from allowly_harness.cli.opening import Target


@click.command(short_help="Open a terminal session on a server.")
@click.argument("server", shell_complete=complete_server)
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENTS...]")
@click.option("--tui", "front_end", flag_value="tui", help="The full screen; an error where it cannot be drawn.")
@click.option("--chat", "front_end", flag_value="chat", help="Line by line; for screen readers and slow lines.")
@server_options
def connect(
    server: str,
    arguments: Sequence[str],
    front_end: str | None,
    authority: str | None,
    acting_as: str | None,
    variables: Sequence[str],
    timeout: float,
    era: str,
) -> int:
    """Open a session on SERVER: see its tools, call them, answer what it asks.

    SERVER is a URL, a Python or JavaScript file, a command, or demo:NAME. Without --tui or --chat the
    full screen is used where the terminal can draw it.

    \b
    allowly-harness connect demo:mail
    allowly-harness connect http://127.0.0.1:8000/mcp --authority https://api.allowly.ai
    allowly-harness connect --chat -- python my_server.py --verbose
    """
    from allowly_harness.cli.opening import Target
    from allowly_harness.cli.running import run

    command = (server, *arguments) if arguments else server
    target = Target(command, authority, acting_as, parse_variables(variables), era, timeout)
    return run(lambda: open_front_end(target, front_end))


async def open_front_end(target: Target, front_end: str | None, hints: Sequence[str] = ()) -> int:
    """Open a session and hand it to a front end.

    Args:
        target: The server, and how to reach it.
        front_end: "tui", "chat", or `None` for what the terminal can do.
        hints: A few words on what to try, shown at the start.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return fail(
            "connect needs a terminal; nothing is asked or approved without one. For scripts: allowly-harness call",
            ExitCode.USAGE,
        )
    from allowly_harness.tui.terminal import terminal_problem

    problem = terminal_problem()
    if front_end == "tui" and problem is not None:
        return fail(f"the full screen cannot be drawn: {problem}; use --chat", ExitCode.USAGE)
    if front_end == "chat" or problem is not None:
        from allowly_harness.approvers.chat_text import is_terminal

        if not is_terminal():
            return fail("connect --chat needs standard output to be a terminal, too", ExitCode.USAGE)
        return await _chat(target, hints)
    return await _tui(target, hints)


async def _chat(target: Target, hints: Sequence[str]) -> int:
    from allowly_harness.approvers.chat import ChatApprover
    from allowly_harness.chat import run_chat
    from allowly_harness.cli.opening import open_session

    async with open_session(target, ChatApprover()) as session:
        return await run_chat(session, hints=hints)


async def _tui(target: Target, hints: Sequence[str]) -> int:
    from allowly_harness import locations
    from allowly_harness.cli.opening import open_session
    from allowly_harness.servers import parse_server
    from allowly_harness.tui import TuiApprover, run_tui

    approver = TuiApprover()
    log = locations.server_log(parse_server(target.server).info.name)
    async with open_session(target, approver, server_log=log) as session:
        return await run_tui(session, approver=approver, hints=hints, server_log=log)
