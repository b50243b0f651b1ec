"""What commands that serve MCP to a host share: where they listen, and how long the server may take to start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from allowly_harness.cli.options import CommandT

START_TIMEOUT_OPTION: Final = click.option(
    "--start-timeout",
    type=click.FloatRange(1, 86_400),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long the server may take to start. What is started with npx or uvx is downloaded first.",
)


def listening_options(what: str) -> Callable[[CommandT], CommandT]:
    """Return a decorator that adds the options that say where hosts reach a command.

    Args:
        what: What hosts call by a name, in a word.
    """
    options = (
        click.option(
            "--http",
            "listen",
            metavar="[HOST:]PORT",
            help="Serve streamable HTTP on this port instead of standard input and output; 0 takes any free one.",
        ),
        click.option(
            "--allow-network",
            is_flag=True,
            help="Listen on an address that other machines can reach, although there is no TLS and no login.",
        ),
        click.option(
            "--allow-host",
            "names",
            multiple=True,
            metavar="NAME",
            help=f"A name that hosts call the {what} by. Repeatable.",
        ),
    )

    def add(command: CommandT) -> CommandT:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def address_of(listen: str | None, *, allow_network: bool) -> tuple[str, int] | None:
    """Return where to listen; `None` for standard input and output.

    Raises:
        ConfigurationError: It is no address, or one that other machines can reach and nobody said that this is meant.
    """
    from allowly_harness.bridge.http import is_loopback, parse_listen
    from allowly_harness.protocol.errors import ConfigurationError

    address = None if listen is None else parse_listen(listen)
    if address is not None and not is_loopback(address[0]) and not allow_network:
        raise ConfigurationError(
            f"other machines can reach {address[0]}, and there is no TLS and no login (--allow-network)"
        )
    return address
