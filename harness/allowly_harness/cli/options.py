"""Options that several commands share."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

DEMO_SERVERS: Final = ("mail", "mail_lowlevel", "mail_fastmcp")
"""The demo servers, by the name that stands behind `demo:`."""

POLICY_FILE: Final = "policy.toml"
"""What `guard --init` writes, and a guard and `policy explain` read, unless another file is named."""

MAX_VALUE_BYTES: Final = 64 * 1024
"""Longest value of a variable that is taken from a file."""

_ORDINARY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@/+-]{0,127}")

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def complete_server(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Complete a server: the demo servers, names from the files of other hosts, and files."""
    from click.shell_completion import CompletionItem

    from allowly_harness.hosts import find_servers

    names = [f"demo:{kind}" for kind in DEMO_SERVERS]
    # Others write these files, and a shell reads what is offered: names of ordinary characters alone.
    names += sorted({entry.name for entry in find_servers().entries if _ORDINARY.fullmatch(entry.name)})
    offered = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return [*offered, CompletionItem(incomplete, type="file")]


def complete_authority(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Complete an authority: there is one that has a name."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in ("embedded",) if name.startswith(incomplete)]


def complete_theme(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Complete a theme of the full screen."""
    from click.shell_completion import CompletionItem
    from textual.theme import BUILTIN_THEMES

    return [CompletionItem(name) for name in sorted(BUILTIN_THEMES) if name.startswith(incomplete)]


def complete_variable(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Complete the name of a variable; never its value."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in sorted(os.environ) if name.startswith(incomplete)]


_AS_OPTION: Final = click.option(
    "--as",
    "acting_as",
    metavar="NAME",
    help="Open the session as this approver: escalations to exactly this name may be decided here.",
)

_CONNECTION_OPTIONS: Final = (
    click.option(
        "--authority",
        metavar="URL",
        shell_complete=complete_authority,
        help="The authorization API: https, http on this machine, or 'embedded' to run one inside this program. "
        "Default: ALLOWLY_BASE_URL, then the configuration file.",
    ),
    click.option(
        "--env",
        "variables",
        multiple=True,
        metavar="NAME[=VALUE]",
        shell_complete=complete_variable,
        help="Hand a variable to a started server; without a value, ours is handed on. NAME=@FILE takes it from a file "
        "of mode 0600, so that a key stands on no command line; @@ is an @. Repeatable.",
    ),
    click.option(
        "--trust-project",
        is_flag=True,
        help="Start a server that a file of the project names without asking: you have seen its command.",
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


def connection_options(command: CommandT) -> CommandT:
    """Add the options of every command that reaches a server."""
    for option in reversed(_CONNECTION_OPTIONS):
        command = option(command)
    return command


def server_options(command: CommandT) -> CommandT:
    """Add the options of every command that opens a session for somebody on a server."""
    return _AS_OPTION(connection_options(command))


def parse_variables(variables: Sequence[str]) -> dict[str, str]:
    """Read `NAME=VALUE`, `NAME` (our own value) and `NAME=@FILE` (what a file of mode 0600 holds).

    Everybody on a machine can read the command lines of its programs (proc(5)), and nobody else's files of that mode.

    Raises:
        click.BadParameter: A name is empty, or has no value here; or a file cannot be read, or is read by others, too.
    """
    found: dict[str, str] = {}
    for text in variables:
        name, separator, value = text.partition("=")
        if not name:
            raise click.BadParameter(f"{text!r} names no variable", param_hint="--env")
        if not separator and name not in os.environ:
            raise click.BadParameter(f"{name} is not set here, and no value is given", param_hint="--env")
        found[name] = _given(value) if separator else os.environ[name]
    return found


def _given(value: str) -> str:
    if not value.startswith("@"):
        return value
    return value[1:] if value.startswith("@@") else _from_file(Path(value[1:]))


def _from_file(path: Path) -> str:
    """Return what a file holds, without the line break at its end."""
    from allowly_harness.bounded import read_bounded

    try:
        content, status = read_bounded(path.expanduser(), MAX_VALUE_BYTES)
        text = content.decode()
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        problem = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise click.BadParameter(f"{path} cannot be read: {problem}", param_hint="--env") from None
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise click.BadParameter(f"{path} can be read by others; run: chmod 600 {path}", param_hint="--env")
    if "\0" in text:
        raise click.BadParameter(f"{path} holds what no variable can", param_hint="--env")
    return text.removesuffix("\n").removesuffix("\r")
