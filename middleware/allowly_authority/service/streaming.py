"""One watcher's stream: what waits now, then what becomes of it; or, for one that comes again, what it missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from allowly_authority.service.watching import Event, Mark, Position, PromptWatch, events_of
from allowly_authority.store import changes, inbox
from allowly_authority.store.inbox import Filters
from allowly_authority.store.port import Connection, Database
from allowly_authority.wire.prompts import prompt_item
from allowly_authority.wire.scalars import format_timestamp

KEEP_ALIVE_SECONDS: Final = 15.0
"""After how long without a change the stream says that it is alive."""

MAX_REPLAYED: Final = 1000
"""Most changes that are told again to one that comes back; where it missed more, it gets a new snapshot."""

SNAPSHOT_PAGE: Final = 100
"""Questions in one event of a snapshot."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One thing to send.

    Attributes:
        name: Of the event; `None` says only that the stream is alive.
        data: What it tells.
        position: What whoever has read this has read; `None` where a later frame says so.
    """

    name: str | None
    data: dict[str, Any] | None
    position: Position | None


@dataclass(frozen=True, slots=True)
class PromptStream:
    """The stream of one watcher.

    Attributes:
        database: For the snapshot, and for what was missed.
        now_ms: Returns the authority's time.
        filters: Which questions it is about.
    """

    watch: PromptWatch
    database: Database
    now_ms: Callable[[Connection], int]
    filters: Filters

    async def frames(self, mark: Mark, last: Position | None) -> AsyncGenerator[Frame]:
        """Yield what to send, until the watcher must go.

        Args:
            mark: Where it joined.
            last: How far it had read, where it comes again.

        Raises:
            StoreError: The database failed.
        """
        missed = None if last is None else await self._missed(last, mark.position)
        if missed is None:
            async for frame in self._snapshot(mark.position):
                yield frame
        else:
            for frame in await self._shown(missed):
                yield frame
        number = mark.number
        clock = asyncio.get_running_loop().time
        quiet_since = clock()
        while True:
            found = await self.watch.after(
                number, mark.generation, max(0.0, quiet_since + KEEP_ALIVE_SECONDS - clock())
            )
            if found is None:
                return
            number += len(found)
            for frame in await self._shown(found):
                yield frame
                quiet_since = clock()
            if clock() >= quiet_since + KEEP_ALIVE_SECONDS:
                at_end = self.watch.is_at_end(number)
                yield Frame(None, None, self.watch.position() if at_end else None)
                quiet_since = clock()

    async def _shown(self, events: list[Event]) -> list[Frame]:
        shown = [event for event in events if self.filters.show(event.listed.prompt)]
        if not shown:
            return []
        now = await self.database.read(self.now_ms)
        return [Frame(event.name, prompt_item(event.listed, now), event.position) for event in shown]

    async def _snapshot(self, position: Position) -> AsyncGenerator[Frame]:
        """Yield what waits now. Its position comes with the last page: a part of it is nothing to go on from."""
        after: tuple[int, str] | None = None
        page = 0
        while page == 0 or after is not None:
            page += 1
            found, now = await self.database.read(partial(self._page, after=after))
            after = found[SNAPSHOT_PAGE - 1].place if len(found) > SNAPSHOT_PAGE else None
            data = {
                "items": [prompt_item(one, now) for one in found[:SNAPSHOT_PAGE]],
                "page": page,
                "has_more": after is not None,
                "now": format_timestamp(now),
            }
            yield Frame("snapshot", data, None if after else position)

    def _page(self, db: Connection, *, after: tuple[int, str] | None) -> tuple[list[inbox.Listed], int]:
        now = self.now_ms(db)
        most = SNAPSHOT_PAGE + 1
        return inbox.list_prompts(db, "pending", self.filters, after=after, now_ms=now, most=most), now

    async def _missed(self, last: Position, until: Position) -> list[Event] | None:
        """Return what came after a position; `None` where it is not known any more, or too much."""
        if last.seq > until.seq or last.ms > until.ms:
            return None

        def read(db: Connection) -> list[Event] | None:
            first, _ = changes.numbers(db)
            found = changes.changes_after(db, last.seq, MAX_REPLAYED + 1)
            over = changes.ran_out(db, last.ms, until.ms, MAX_REPLAYED + 1)
            too_much = len(found) > MAX_REPLAYED or len(over) > MAX_REPLAYED
            if too_much or (found and first > last.seq + 1):
                return None
            return events_of(found, over, last, until)

        return await self.database.read(read)
