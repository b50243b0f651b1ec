"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_SERVER_OPTIONS: Final = (
    click.option(
        "--authority",
        metavar="URL",
        help="The authorization API: https, http on this machine, or 'embedded' to run one inside this program. "
        "Default: ALLOWLY_BASE_URL, then the configuration file.",
    ),
    click.option(
        "--as",
        "acting_as",
        metavar="NAME",
        help="Open the session as this approver: escalations to exactly this name may be decided here.",
    ),
    click.option(
        "--env",
        "variables",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="Hand a variable to a started server; without a value, ours is handed on. Repeatable.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(1, 86_400),
        default=300,
        show_default=True,
        metavar="SECONDS",
        help="How long the server may take to answer one request. The time that a person takes does not count.",
    ),
    click.option(
        "--era",
        type=click.Choice(["auto", "modern", "legacy"]),
        default="auto",
        show_default=True,
        help="The MCP protocol: 2026-07-28 (modern) or the older handshake (legacy).",
    ),
)


def server_options(command: CommandT) -> CommandT:
    """Add the options of every command that opens a session on a server."""
    for option in reversed(_SERVER_OPTIONS):
        command = option(command)
    return command


def parse_variables(variables: Sequence[str]) -> dict[str, str]:
    """Read `NAME=VALUE` and `NAME` (our own value).

    Raises:
        click.BadParameter: A name is empty, or has no value here.
    """
    found: dict[str, str] = {}
    for text in variables:
        name, separator, value = text.partition("=")
        if not name:
            raise click.BadParameter(f"{text!r} names no variable", param_hint="--env")
        if not separator and name not in os.environ:
            raise click.BadParameter(f"{name} is not set here, and no value is given", param_hint="--env")
        found[name] = value if separator else os.environ[name]
    return found
