"""Reaches the authority that is configured, and says in a sentence why it would not do something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import click

from allowly_harness.cli.documents import json_text
from allowly_harness.cli.exits import ExitCode, fail
from allowly_harness.cli.options import complete_authority

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

ItemT = TypeVar("ItemT")

AUTHORITY_OPTION: Final = click.option(
    "--authority",
    "url",
    metavar="URL",
    shell_complete=complete_authority,
    help="The authority.  [default: ALLOWLY_BASE_URL, configuration]",
)

MAX_PAGE: Final = 100
"""Most items that an authority returns at a time."""


def operate(
    work: Callable[[AuthorityClient], Awaitable[None]], url: str | None, *, missing: str = "", conflict: str = ""
) -> int:
    """Run a command against the authority that is configured, and return its exit code.

    Args:
        work: What to do; writes its result to standard output.
        url: What `--authority` said.
        missing: What to say where the authority knows nothing of what was named.
        conflict: What to say where what was named does not allow it as it stands, such as that it was ended before.
    """
    from allowly_harness.cli.running import run

    return run(lambda: _operated(work, url, missing, conflict))


async def _operated(
    work: Callable[[AuthorityClient], Awaitable[None]], url: str | None, missing: str, conflict: str
) -> int:
    from allowly_authority.errors import AuthorityUnavailable, Conflict, InvalidRequest, NotAllowed, NotFound
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
            return fail(f"nothing was changed: {conflict or error}", ExitCode.USAGE)
        except InvalidRequest as error:
            return fail(f"the authority: {error}", ExitCode.USAGE)
        except AuthorityUnavailable as error:
            return fail(f"the authority at {opened.base_url}: {error}", ExitCode.AUTHORITY_UNREACHABLE)
    return int(ExitCode.DONE)


class Page(Protocol[ItemT]):
    """A page of a list of the authority."""

    @property
    def items(self) -> list[ItemT]:
        """Its items."""
        ...

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins; `None` at the end."""
        ...


async def gathered(read: Callable[[int, str | None], Awaitable[Page[ItemT]]], limit: int) -> tuple[list[ItemT], bool]:
    """Read a list page by page.

    Args:
        read: Reads a page: how many items at most, and from where.
        limit: Most items, 1 or more.

    Returns:
        The items, and whether there are more.
    """
    found: list[ItemT] = []
    cursor: str | None = None
    while len(found) < limit:
        page = await read(min(MAX_PAGE, limit - len(found)), cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return found, cursor is not None


def print_json(value: Any) -> None:
    """Print a value as JSON on one line."""
    click.echo(json_text(value))
