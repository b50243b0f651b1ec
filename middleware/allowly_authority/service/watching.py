"""Changes of questions as they happen: one look at the database now and then serves everybody who watches.

Nothing is sent to anybody from here. Each watcher asks for what came after the last change it has seen, at its own
pace; whoever falls behind what is kept is sent away, and comes again with the position it had reached. While nobody
watches, nothing is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, NamedTuple, Self

from allowly_authority.service.problems import ApiProblem
from allowly_authority.store import changes
from allowly_authority.store.changes import Change
from allowly_authority.store.inbox import Listed
from allowly_authority.store.port import Connection, Database
from allowly_authority.store.schema import StoreError

POLL_SECONDS: Final = 0.5
"""How long a change that was made through another process may go unseen; one of this process is seen at once."""

COALESCE_SECONDS: Final = 0.02
"""How long after a look the next one comes at the earliest, so that a burst of changes is read in few."""

GAP_SECONDS: Final = 40.0
"""How long a number that was left out is waited for: longer than any change may take to be committed."""

MAX_GAPS: Final = 64
"""Most numbers that are waited for; beyond it the oldest are given up."""

KEPT_EVENTS: Final = 4096
"""How many events are kept for watchers that are slow."""

MAX_WATCHERS: Final = 200
"""Most watchers of one process."""

MAX_WATCHERS_OF_ONE: Final = 50
"""Most of them that belong to one principal."""

FAILED_LOOKS: Final = 10
"""After how many failures in a row everybody is sent away: the next attempt then hears of it."""

_PER_LOOK: Final = 500
_PER_BATCH: Final = 100
_NAMES: Final = {
    "pending": "created",
    "voted": "voted",
    "call_given": "call_given",
    "approved": "resolved",
    "rejected": "resolved",
    "consumed": "consumed",
    "cancelled": "cancelled",
}
"""What a change is called. That a question ran out is told by the clock alone, since nobody may write it down."""

_POSITION: Final = re.compile(r"(\d{1,15})\.(\d{1,15})", re.ASCII)
_logger = logging.getLogger(__name__)


class Position(NamedTuple):
    """How far somebody has read: every change up to a number, every deadline up to a time.

    Attributes:
        seq: The number of a change.
        ms: Milliseconds since 1970.
    """

    seq: int
    ms: int

    def __str__(self) -> str:
        return f"{self.seq}.{self.ms}"

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Return what a `Last-Event-ID` says; `None` where it is none of ours, and all is told anew."""
        found = None if text is None else _POSITION.fullmatch(text)
        return None if found is None else cls(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Event:
    """What became of a question.

    Attributes:
        name: "created", "call_given", "voted", "resolved", "consumed", "cancelled" or "expired".
        listed: The question as it stands now, which may be further.
        position: What whoever has read this has read.
    """

    name: str
    listed: Listed
    position: Position


class Mark(NamedTuple):
    """Where a watcher begins.

    Attributes:
        number: The next event of this process.
        position: What was read before it.
        generation: Changes when everybody is sent away.
    """

    number: int
    position: Position
    generation: int


class PromptWatch:
    """Reads changes for all watchers of one process. Belongs to one event loop.

    Args:
        database: Where changes are on record.
        now_ms: Returns the authority's time.
    """

    def __init__(self, database: Database, now_ms: Callable[[Connection], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._kept: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._next = 0
        self._high = 0
        self._ms = 0
        self._gaps: dict[int, float] = {}
        self._generation = 0
        self._stopping = False
        self._watchers: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._looking = asyncio.Lock()

    @asynccontextmanager
    async def joined(self, who: str) -> AsyncGenerator[Mark]:
        """Watch for as long as the block lasts.

        Args:
            who: The principal that watches.

        Raises:
            ApiProblem: 429, too many watch; 503, the authority is stopping.
            StoreError: The database failed.
        """
        if self._stopping:
            raise ApiProblem(503, "service_unavailable", "The authority is stopping.", retry_after_seconds=1)
        of_this_one = self._watchers.get(who, 0)
        if of_this_one >= MAX_WATCHERS_OF_ONE or sum(self._watchers.values()) >= MAX_WATCHERS:
            raise ApiProblem(429, "rate_limited", "Too many streams are open.", retry_after_seconds=5)
        self._watchers[who] = of_this_one + 1
        try:
            yield await self._mark()
        finally:
            self._watchers[who] -= 1
            if self._watchers[who] == 0:
                del self._watchers[who]
            if not self._watchers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def after(self, number: int, generation: int, seconds: float) -> list[Event] | None:
        """Return events from a number on, in order; wait for some where there are none.

        Args:
            number: The first one that is wanted.
            generation: As in the watcher's mark.
            seconds: How long to wait.

        Returns:
            None at all where nothing came; `None` where the watcher must go, because it fell behind what is kept, or
            everybody must.
        """
        if number == self._next and generation == self._generation:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), seconds)
        skipped = number - (self._next - len(self._kept))
        if generation != self._generation or skipped < 0:
            return None
        return list(islice(self._kept, skipped, skipped + _PER_BATCH))

    def position(self) -> Position:
        """Return what was read so far."""
        return Position(min(self._gaps) - 1 if self._gaps else self._high, self._ms)

    def is_at_end(self, number: int) -> bool:
        """Tell whether a watcher that wants this number next has read all that is known."""
        return number == self._next

    def touch(self) -> None:
        """Look soon: something was changed by this process."""
        if self._task is not None:
            self._wake.set()

    def stop(self) -> None:
        """Send everybody away, and let nobody in."""
        self._stopping = True
        self._send_away()

    def _send_away(self) -> None:
        self._generation += 1
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _mark(self) -> Mark:
        """Look, so that a watcher begins with all that is committed, and see to it that looking goes on."""
        async with self._looking:
            if self._task is None:
                await self._begin()
                self._task = asyncio.create_task(self._keep_looking())
            else:
                await self._look()
            return Mark(self._next, self.position(), self._generation)

    async def _begin(self) -> None:
        def read(db: Connection) -> tuple[int, int, list[Change]]:
            first, last = changes.numbers(db)
            below = max(first - 1, last - MAX_GAPS, 0)
            return self._now_ms(db), below, changes.changes_after(db, below, MAX_GAPS)

        self._ms, self._high, latest = await self._database.read(read)
        self._kept.clear()
        self._gaps.clear()
        # What is being committed at this moment may still appear below the highest number.
        self._advance(latest)

    async def _keep_looking(self) -> None:
        failures = 0
        try:
            while failures < FAILED_LOOKS:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
                self._wake.clear()
                try:
                    async with self._looking:
                        await self._look()
                    failures = 0
                except StoreError as error:
                    failures += 1
                    _logger.warning("Changes of questions could not be read: %s", error)
                await asyncio.sleep(COALESCE_SECONDS)
        finally:
            # Whoever came while this one ended began with another task, and another generation.
            if self._task is asyncio.current_task():
                self._task = None
                self._send_away()

    async def _look(self) -> None:
        while await self._look_once():
            pass

    async def _look_once(self) -> bool:
        """Read what is new; `True` where there may be more."""
        high, since, gaps = self._high, self._ms, tuple(self._gaps)

        def read(db: Connection) -> tuple[int, list[Change], list[Change], list[Listed]]:
            now = max(since, self._now_ms(db))
            late = [change for gap in gaps for change in changes.changes_after(db, gap - 1, 1, gap)]
            fresh = changes.changes_after(db, high, _PER_LOOK)
            return now, late, fresh, changes.ran_out(db, since, now, KEPT_EVENTS)

        now, late, fresh, over = await self._database.read(read)
        before = self._next
        for change in late:
            del self._gaps[change.seq]
            self._emit(change)
        for change in fresh:
            self._advance([change])
            self._emit(change)
        # All that ran out in this time has been read once the last of it has.
        for listed in over[:-1]:
            self._keep("expired", listed)
        self._ms = now
        for listed in over[-1:]:
            self._keep("expired", listed)
        if self._next != before:
            self._tell()
        return len(fresh) == _PER_LOOK

    def _advance(self, seen: Iterable[Change]) -> None:
        """Take notice of numbers, and of those that were left out, and give up what was waited for too long."""
        now = asyncio.get_running_loop().time()
        for change in seen:
            left_out = range(max(self._high + 1, change.seq - MAX_GAPS), change.seq)
            self._gaps.update(dict.fromkeys(left_out, now + GAP_SECONDS))
            self._high = change.seq
        for gap in [gap for gap, until in self._gaps.items() if until <= now]:
            del self._gaps[gap]
        while len(self._gaps) > MAX_GAPS:
            del self._gaps[min(self._gaps)]

    def _emit(self, change: Change) -> None:
        if change.state in _NAMES:
            self._keep(_NAMES[change.state], change.listed)

    def _keep(self, name: str, listed: Listed) -> None:
        self._kept.append(Event(name, listed, self.position()))
        self._next += 1


def events_of(found: Iterable[Change], over: Sequence[Listed], last: Position, until: Position) -> list[Event]:
    """Return the events of changes that somebody missed, and of questions that ran out meanwhile.

    Args:
        found: The changes, in order.
        over: What ran out.
        last: What was read before.
        until: What is read after the last of these events.
    """
    told = [
        Event(_NAMES[change.state], change.listed, Position(min(change.seq, until.seq), last.ms))
        for change in found
        if change.state in _NAMES
    ]
    told += [Event("expired", listed, Position(until.seq, last.ms)) for listed in over]
    return [*told[:-1], replace(told[-1], position=until)] if told else []
