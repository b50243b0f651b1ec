"""Reaches the authority that is configured, and says in a sentence why it would not do something."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import click

from allowly_harness.cli.exits import ExitCode, fail
from allowly_harness.cli.options import complete_authority

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

AUTHORITY_OPTION: Final = click.option(
    "--authority",
    "url",
    metavar="URL",
    shell_complete=complete_authority,
    help="The authority.  [default: ALLOWLY_BASE_URL, configuration]",
)

MAX_PAGE: Final = 100
"""Most items that an authority returns at a time."""


def operate(work: Callable[[AuthorityClient], Awaitable[None]], url: str | None, *, missing: str = "") -> int:
    """Run a command against the authority that is configured, and return its exit code.

    Args:
        work: What to do; writes its result to standard output.
        url: What `--authority` said.
        missing: What to say where the authority knows nothing of what was named.
    """
    from allowly_harness.cli.running import run

    return run(lambda: _operated(work, url, missing))


async def _operated(work: Callable[[AuthorityClient], Awaitable[None]], url: str | None, missing: str) -> int:
    from allowly_authority.errors import Conflict, InvalidRequest, NotAllowed, NotFound
    from allowly_harness.cli.opening import open_authority
    from allowly_harness.settings import load_settings

    async with open_authority(load_settings(url)) as opened:
        if opened is None:
            return fail("no authority is named; use --authority URL or ALLOWLY_BASE_URL", ExitCode.USAGE)
        try:
            await work(opened.client)
        except NotAllowed:
            text = "this key may not do that; it takes the key of an operator, or the workspace key"
            return fail(text, ExitCode.USAGE)
        except NotFound:
            return fail(missing or "this authority has no such request", ExitCode.USAGE)
        except Conflict as error:
            return fail(f"nothing was changed: {error}", ExitCode.USAGE)
        except InvalidRequest as error:
            return fail(f"the authority: {error}", ExitCode.USAGE)
    return int(ExitCode.DONE)


def print_json(value: Any) -> None:
    """Print a value as JSON on one line; in ASCII, because others word parts of it and a terminal may be reading."""
    click.echo(json.dumps(value).replace("\x7f", "\\u007f"))
