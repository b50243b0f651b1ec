"""Reading a list of a server's, page by page. Whatever a front end lists comes through here.

A server's paging may never end, and a page may never come, so pages, entries and time have limits.
What was read until a limit is kept, and the listing says that it is not whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import anyio

MAX_PAGES: Final = 50
"""Most pages of one list that are read."""

MAX_ENTRIES: Final = 5_000
"""Most entries of one list that are kept."""

LIST_SECONDS: Final = 30.0
"""How long reading all pages of one list may take, in seconds."""

T = TypeVar("T")


@dataclass(frozen=True)  # with slots, a parametrised call fails in Python 3.11
class Listing(Generic[T]):
    """A list as far as it was read.

    Attributes:
        entries: What the server listed, in its order.
        problem: Why this is not all of it, in our words; empty if it is.
    """

    entries: tuple[T, ...] = ()
    problem: str = ""


async def read_pages(
    read: Callable[[Any], Awaitable[Any]],
    entries_of: Callable[[Any], Sequence[T]],
    *,
    seconds: float = LIST_SECONDS,
) -> Listing[T]:
    """Read all pages of a list, up to the limits of this module.

    Args:
        read: Reads one page; takes the request's `params`, `None` for the first page.
        entries_of: Takes the entries out of a page.
        seconds: How long it may take.

    Raises:
        TimeoutError: Not even the first page came in time.
        Exception: Whatever `read` raises for the first page.
    """
    found: list[T] = []
    params: Any = None
    with anyio.move_on_after(seconds) as limit:
        for number in range(1, MAX_PAGES + 1):
            try:
                page = await read(params)
                found += entries_of(page)
            except Exception as error:
                if number == 1:
                    raise
                return Listing(tuple(found), f"page {number} could not be read: {type(error).__name__}")
            cursor = getattr(page, "next_cursor", None)
            if len(found) > MAX_ENTRIES or (cursor is not None and len(found) == MAX_ENTRIES):
                return Listing(tuple(found[:MAX_ENTRIES]), f"only the first {MAX_ENTRIES:,} are listed")
            if cursor is None:
                return Listing(tuple(found))
            from mcp_types import PaginatedRequestParams  # the session has loaded it by now

            params = PaginatedRequestParams(cursor=cursor)
    if not limit.cancelled_caught:
        return Listing(tuple(found), f"only the first {MAX_PAGES} pages are listed")
    if params is None:
        raise TimeoutError(f"the server did not list anything within {seconds:g} s")
    return Listing(tuple(found), f"the rest did not come within {seconds:g} s")
