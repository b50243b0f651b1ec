"""`allowly-harness approve`: answers for agents that have no terminal of their own."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allowly_harness.cli.connect import THEME_OPTION
from allowly_harness.cli.documents import json_text
from allowly_harness.cli.exits import ExitCode, fail, say

if TYPE_CHECKING:
    from allowly_harness.approvers.attached.looking import Seen
    from allowly_harness.approvers.attached.values import Asked


@click.command(short_help="Answer for agents that have no terminal.")
@click.option(
    "--attach",
    "path",
    type=click.Path(path_type=Path),
    metavar="SOCKET",
    help="Answer for the one agent that listens there.  [default: all agents of this user]",
)
@click.option("--tui", "front_end", flag_value="tui", help="The full screen; an error where it cannot be drawn.")
@click.option("--chat", "front_end", flag_value="chat", help="Line by line; for screen readers and slow lines.")
@click.option(
    "--as",
    "name",
    metavar="NAME",
    help="What the other terminals are told of who answered here. It gives no right to decide anything.  "
    "[default: the user's name]",
)
@click.option("--json", "listing", is_flag=True, help="Print what waits now, and answer nothing.")
@THEME_OPTION
def approve(path: Path | None, front_end: str | None, name: str | None, listing: bool, theme: str | None) -> int:
    """Show what agents in other processes ask, and answer it here.

    An agent without a terminal asks through a Unix socket that only you can reach: allowly-harness
    bridge does, and programs that use SocketApprover. Agents are attached as they appear. A question
    waits until it is answered on some terminal, or until its own end; the first answer counts. Leaving
    answers nothing.

    \b
    allowly-harness approve
    allowly-harness approve --chat --as "the operator"
    allowly-harness approve --json
    """
    from allowly_harness.cli.running import run

    if listing:
        return run(lambda: _list(path))
    return run(lambda: _answer(path, front_end, name or _own_name(), theme))


async def _list(path: Path | None) -> int:
    from allowly_harness.approvers.attached.looking import look
    from allowly_harness.approvers.attached.sockets import SocketProblem

    try:
        seen = await look(path)
    except SocketProblem as error:
        return fail(str(error), ExitCode.USAGE)
    click.echo(json_text({"agents": [_agent(one) for one in seen]}, indent=2))
    missing = path is not None and not any(not one.problem for one in seen)
    return fail(f"no agent listens at {path}", ExitCode.SERVER_UNREACHABLE) if missing else ExitCode.DONE


async def _answer(path: Path | None, front_end: str | None, name: str, theme: str | None) -> int:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return fail(
            "approve needs a terminal; nothing is asked or approved without one. To see what waits: --json",
            ExitCode.USAGE,
        )
    from allowly_harness.approvers.attached.sockets import NobodyThere, SocketProblem
    from allowly_harness.settings import load_settings
    from allowly_harness.tui.terminal import terminal_problem

    # Read before the screen is drawn, so that what is wrong with it is said at once.
    settings = load_settings(None).terminal
    problem = terminal_problem()
    if front_end == "tui" and problem is not None:
        return fail(f"the full screen cannot be drawn: {problem}; use --chat", ExitCode.USAGE)
    try:
        if front_end == "chat" or problem is not None:
            if front_end is None:
                say(f"The full screen cannot be drawn here ({problem}); going on line by line.")
            from allowly_harness.chat.attending import run_approve_chat

            return await run_approve_chat(path, name=name, settings=settings)
        from allowly_harness.tui.attending.run import run_approve

        return await run_approve(path, name=name, settings=replace(settings, theme=theme or settings.theme))
    except NobodyThere as error:
        return fail(str(error), ExitCode.SERVER_UNREACHABLE)
    except SocketProblem as error:
        return fail(str(error), ExitCode.USAGE)


def _own_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without an entry, as in some containers
        return ""


def _agent(seen: Seen) -> dict[str, Any]:
    return {
        "name": seen.agent,
        "place": seen.process,
        "socket": str(seen.path),
        "problem": seen.problem or None,
        "waiting": [_asked(request) for request in seen.waiting],
    }


def _asked(request: Asked) -> dict[str, Any]:
    from allowly_harness.approvers.attached.told import title_of
    from allowly_harness.approvers.elicitation import ElicitationRequest

    # The line that stands on a screen, with secrets masked: a list is kept, sent on and looked at by others.
    title = title_of(request).text
    if isinstance(request, ElicitationRequest):
        return {"kind": "elicitation", "server": request.server.name, "title": title}
    return {
        "kind": request.kind,
        "server": request.server.name,
        "title": title,
        "tool": request.call.tool,
        "digest": request.call.digest,
        "round": request.round,
        "expires_at": request.expires_at.isoformat(),
        "escalation_to": request.escalation_to,
        "dangerous": bool(request.danger),
    }
