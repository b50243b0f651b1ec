"""`allowly-harness demo`: the whole loop on this machine, without an account."""

from __future__ import annotations

import sys
from typing import Final

import click

from allowly_harness.cli.connect import THEME_OPTION, open_front_end
from allowly_harness.cli.options import DEMO_SERVERS

HINTS: Final = (
    "read_mail       is allowed at once",
    "send_email      asks you first: once say yes, once no",
    "delete_mailbox  needs somebody else (start with --as compliance to be that person)",
    "forward_all     is denied",
)

MORE: Final = (
    "create_filter   has a form with parts; schedule_mail asks you for a day",
    "sync_mailbox    takes its time; show_mailbox answers with a picture and links",
)
"""What only `demo:mail` has."""


@click.command(short_help="See the whole loop on this machine.")
@click.option("--script", is_flag=True, help="Play the loop by itself, even on a terminal.")
@click.option("--tui", "front_end", flag_value="tui", help="Insist on the full screen.")
@click.option("--chat", "front_end", flag_value="chat", help="Line by line.")
@THEME_OPTION
@click.option(
    "--server",
    type=click.Choice(DEMO_SERVERS),
    default="mail",
    show_default=True,
    help="The same mail server on MCPServer, on the low-level Server, or on FastMCP.",
)
@click.option("--as", "acting_as", metavar="NAME", help="Be this approver: try --as compliance.")
@click.option(
    "--era",
    type=click.Choice(["auto", "modern", "legacy"]),
    default="auto",
    show_default=True,
    help="The MCP protocol: 2026-07-28 (modern) or the older handshake (legacy).",
)
def demo(
    script: bool,
    front_end: str | None,
    theme: str | None,
    server: str,
    acting_as: str | None,
    era: str,
) -> int:
    """See a guarded server ask for permission, answer it, and watch the call go through.

    Starts an authority on a free port and a mail server that delivers into a folder of this machine;
    nothing leaves it. On a terminal you answer; without one, or with --script, a scripted person does,
    every step is printed, and the exit code is 0 only if exactly the approved mails were delivered.
    """
    from allowly_harness.cli.opening import Target
    from allowly_harness.cli.running import run
    from allowly_harness.settings import EMBEDDED

    if script and (front_end or acting_as):
        raise click.UsageError("--script plays by itself: it takes neither a screen nor a name")
    if script or not (sys.stdin.isatty() and sys.stderr.isatty()):
        from allowly_demos.play import play

        return run(lambda: play(server, era=era))
    target = Target(f"demo:{server}", EMBEDDED, acting_as, era=era)
    hints = (*HINTS, *MORE) if server == "mail" else HINTS[:3]
    return run(lambda: open_front_end(target, front_end, hints, theme=theme))
