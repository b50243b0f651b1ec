"""`allowly-harness demo`: the whole loop on this machine, without an account."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import click

from allowly_harness.cli.options import server_options

HINTS: Final = (
    "read_mail       is allowed at once",
    "send_email      asks you first: once say yes, once no",
    "delete_mailbox  needs somebody else (start with --as compliance to be that person)",
    "forward_all     is denied",
)

KINDS: Final = ("mail", "mail_lowlevel", "mail_fastmcp")


@click.command(short_help="See the whole loop on this machine.")
@click.option("--script", is_flag=True, help="Play the loop by itself, even on a terminal.")
@click.option("--tui", "front_end", flag_value="tui", help="Insist on the full screen.")
@click.option("--chat", "front_end", flag_value="chat", help="Line by line.")
@click.option(
    "--server",
    type=click.Choice(KINDS),
    default="mail",
    show_default=True,
    help="The same mail server on MCPServer, on the low-level Server, or on FastMCP.",
)
@server_options
def demo(
    script: bool,
    front_end: str | None,
    server: str,
    authority: str | None,
    acting_as: str | None,
    variables: Sequence[str],
    era: str,
) -> int:
    """See a guarded server ask for permission, answer it, and watch the call go through.

    Starts an authority on a free port and a mail server that delivers into a folder of this machine;
    nothing leaves it. On a terminal you answer; without one, or with --script, a scripted person does,
    every step is printed, and the exit code is 0 only if exactly the approved mails were delivered.
    """
    from allowly_harness.cli.connect import open_front_end
    from allowly_harness.cli.opening import Target
    from allowly_harness.cli.options import parse_variables
    from allowly_harness.cli.running import run
    from allowly_harness.settings import EMBEDDED

    if script or not (sys.stdin.isatty() and sys.stderr.isatty()):
        from allowly_demos.play import play

        return run(lambda: play(server, era=era))
    target = Target(f"demo:{server}", authority or EMBEDDED, acting_as, parse_variables(variables), era)
    return run(lambda: open_front_end(target, front_end, HINTS))
