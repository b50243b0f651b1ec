"""The terminal as a place where one thing happens at a time, line by line.

Questions take turns, soonest end first. They open over the line that the person types on, unless that
line holds a draft; then they wait, and one line says so. What happens meanwhile is printed as lines
above the prompt, or after the question that is open.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from allowly_harness.approvers.chat.hosts import MAX_POSTPONED_SECONDS, BaseLine, UnknownHost
from allowly_harness.approvers.chat.taking import running_app, taken_terminal
from allowly_harness.approvers.chat.text import draw, drop_typed_ahead, is_dumb, say, terminal_output
from allowly_harness.approvers.pending import Pending, PendingElicitation, PendingWait
from allowly_harness.display.layout import Line

QUIET_SECONDS: Final = 0.4
"""How long no key may have been pressed before a question opens over an empty line."""

BURST_SECONDS: Final = 0.1
"""How long a question waits for others that came with it, so that they are listed once."""

MAX_NOTICES: Final = 200
"""Most lines that are kept while a question is open; the oldest ones are dropped and counted."""


@dataclass(eq=False)
class Place:
    """Somebody who wants the terminal.

    Attributes:
        item: What is asked; `None` for a command of the person's own.
        aside: Whether it waits until the person asks for it.
        wanted: Whether the person has asked for it.
        since: When it came, on the event loop's clock.
    """

    item: Pending | None
    since: float
    aside: bool = False
    wanted: bool = False
    announced: bool = False
    granted: anyio.Event = field(default_factory=anyio.Event)
    asked_for: anyio.Event = field(default_factory=anyio.Event)
    closed: anyio.Event = field(default_factory=anyio.Event)

    @property
    def order(self) -> tuple[int, float, float]:
        """Where it stands: the person's own commands first, then what ends soonest."""
        if self.item is None:
            return 0, 0.0, self.since
        if isinstance(self.item, PendingElicitation):
            return 2, 0.0, self.since
        return 1, self.item.deadline.remaining, self.since


class Console:
    """Who may use the terminal. Shared by an approver and the prompt around it.

    Args:
        quiet_seconds: See `QUIET_SECONDS`.
        burst_seconds: See `BURST_SECONDS`.
    """

    def __init__(self, *, quiet_seconds: float = QUIET_SECONDS, burst_seconds: float = BURST_SECONDS) -> None:
        self.has_prompt = False
        """Whether there is a main prompt that the person can return to."""
        self.rings = False
        """Whether the bell rings when the person is awaited."""
        self.describe: Callable[[list[Pending]], list[Line]] = lambda _: []
        """Makes the table of several that wait; set by the approver."""
        self.announce: Callable[[list[Pending]], str] = lambda _: "approval waiting"
        """Says that something waits behind a draft; set by the approver."""
        self.on_aside: Callable[[Pending], None] = lambda _: None
        """Told what was put aside; set by the prompt."""
        self._quiet, self._burst = quiet_seconds, burst_seconds
        self._holder: Place | None = None
        self._places: list[Place] = []
        self._base: BaseLine | None = None
        self._host = UnknownHost()
        self._evict: Callable[[], None] | None = None
        self._freed = anyio.Event()
        self._notices: deque[tuple[Line, ...] | tuple[str, str]] = deque()
        self._dropped = 0
        self._printing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transient = False

    # --- turns -------------------------------------------------------------------------------------

    def place_for(self, item: Pending | None, *, aside: bool = False) -> Place:
        """Queue up. `leave` must follow, whatever happens."""
        place = Place(item, asyncio.get_running_loop().time(), aside=aside)
        self._places.append(place)
        self._dispatch()
        return place

    def leave(self, place: Place) -> None:
        """Give a place up."""
        if place in self._places:
            self._places.remove(place)
        place.closed.set()
        if self._holder is place:
            self._release()

    @asynccontextmanager
    async def holding(self, place: Place) -> AsyncGenerator[None]:
        """Use the terminal once `place.granted`, with the base line out of the way."""
        try:
            self.end_status()
            async with taken_terminal():
                self._list_new(place)
                try:
                    yield
                finally:
                    if place.item is not None:
                        # What was typed behind an answer is no command for whoever reads next.
                        drop_typed_ahead()
        finally:
            place.granted = anyio.Event()
            place.wanted = False
            place.closed.set()
            if self._base is not None and is_dumb():
                self._base.write_again()
            if self._holder is place:
                self._release()

    @asynccontextmanager
    async def own_turn(self) -> AsyncGenerator[None]:
        """Use the terminal for a command of the person's own."""
        place = self.place_for(None)
        try:
            await place.granted.wait()
            async with self.holding(place):
                yield
        finally:
            self.leave(place)

    def put_aside(self, place: Place) -> None:
        """Let a question wait until the person asks for it."""
        place.aside = True
        if place.item is not None:
            self.on_aside(place.item)

    async def open(self, item: Pending) -> bool:
        """Open what waits now, and return when it was closed or put aside again; tell whether it was there."""
        place = next((one for one in self._places if one.item is item), None)
        if place is None:
            return False
        place.closed = anyio.Event()
        place.asked_for.set()
        if not isinstance(item, PendingWait):  # a wait takes the base line, not a turn
            place.wanted = True
            self._dispatch()
        await place.closed.wait()
        return True

    async def idle_of_questions(self) -> None:
        """Wait until no question is open."""
        while self._holder is not None:
            await self._freed.wait()

    async def idle(self) -> None:
        """Wait until nobody uses the terminal; who waits on the base line is sent behind."""
        while self._holder is not None or (self._base is not None and self._evict is not None):
            if self._evict is not None:
                self._evict()
            await self._freed.wait()

    def _release(self) -> None:
        self._holder = None
        self._wake()
        self._dispatch()
        self._print_notices()

    def _wake(self) -> None:
        self._freed.set()
        self._freed = anyio.Event()

    def _dispatch(self) -> None:
        """Give the terminal to whoever is next, or find out when that can be."""
        if self._holder is not None:
            return
        wanted = [place for place in self._places if place.wanted or place.item is None]
        ready = wanted or self._ready()
        if ready:
            self._host.forget()
            self._holder = min(ready, key=lambda place: place.order)
            self._holder.granted.set()

    def _ready(self) -> list[Place]:
        waiting = [place for place in self._places if not place.aside]
        if not waiting:
            self._host.forget()
            return []
        if self._base is not None and self._base.draft:
            self._announce([place for place in waiting if not place.announced])
            return []
        now = asyncio.get_running_loop().time()
        first = min(place.since for place in waiting)
        pause = first + self._burst - now
        if self._base is not None:
            pause = max(pause, self._base.last_key + self._quiet - now)
        elif now - first < MAX_POSTPONED_SECONDS:
            pause = max(pause, self._host.last_key(now) + self._quiet - now)
        if pause > 0:
            self._look_again(pause)
            return []
        return waiting

    def _look_again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._dispatch)

    # --- the line underneath -----------------------------------------------------------------------

    @contextmanager
    def reading(self, base: BaseLine, *, evict: Callable[[], None] | None = None) -> Generator[None]:
        """Read the base line; questions open over it.

        Args:
            base: The line.
            evict: Ends the reading when the main prompt wants the line.
        """
        self._base, self._evict = base, evict
        base.changed = self._dispatch
        self._print_notices()
        self._dispatch()
        try:
            yield
        finally:
            self._base, self._evict = None, None
            self._wake()
            # Soon, not now: what the person has just sent goes before what waits.
            asyncio.get_running_loop().call_soon(self._dispatch)

    @property
    def is_read(self) -> bool:
        """Whether somebody reads a line already: one that was told of, a question, or the program around."""
        return self._base is not None or self._holder is not None or running_app() is not None

    # --- lines that nobody asked for ---------------------------------------------------------------

    def notice(self, text: str, style: str = "", *, ring: bool = False) -> None:
        """Print one line of ours, as soon as no question is in the way. The text must be sanitised."""
        self.notice_lines((text, style))
        if ring:
            self.ring()

    def notice_lines(self, lines: tuple[Line, ...] | tuple[str, str]) -> None:
        """Print lines, or a text with its style, as soon as no question is in the way."""
        if len(self._notices) >= MAX_NOTICES:
            self._notices.popleft()
            self._dropped += 1
        self._notices.append(lines)
        self._print_notices()

    def ring(self) -> None:
        """Ring the bell, if that is wanted."""
        if self.rings:
            output = terminal_output()
            if is_dumb():
                output.write_raw("\a")
            else:
                output.bell()
            with contextlib.suppress(OSError):
                output.flush()

    def status(self, text: str) -> None:
        """Write a line that the next one replaces. The text must be sanitised and fit the width."""
        if self._holder is not None:
            return
        output = terminal_output()
        output.write_raw("\r")
        output.erase_end_of_line()
        output.write(text)
        output.flush()
        self._transient = True

    def end_status(self) -> None:
        """Take the line of `status` away."""
        if self._transient:
            output = terminal_output()
            output.write_raw("\r")
            output.erase_end_of_line()
            output.flush()
            self._transient = False

    def _print_notices(self) -> None:
        if self._holder is not None or not self._notices or self._printing is not None:
            return
        if running_app() is None:
            self._print_all()
            return
        self._printing = asyncio.get_running_loop().create_task(self._print_over())

    async def _print_over(self) -> None:
        try:
            async with taken_terminal():
                if is_dumb():
                    say("")
                self._print_all()
            if self._base is not None and is_dumb():
                self._base.write_again()
        finally:
            self._printing = None
        self._print_notices()

    def _print_all(self) -> None:
        # The window may have been closed: whoever has something to say must not fail of that.
        with contextlib.suppress(OSError):
            self._print_kept()

    def _print_kept(self) -> None:
        self.end_status()
        if self._dropped:
            say(f"... {self._dropped:,} earlier lines were not printed", "note")
            self._dropped = 0
        while self._notices:
            match self._notices.popleft():
                case (str() as text, str() as style):
                    say(text, style)
                case lines:
                    draw(_lines(lines))

    def _announce(self, places: list[Place]) -> None:
        items = [place.item for place in places if place.item is not None]
        if not items:
            return
        for place in places:
            place.announced = True
        self.notice(self.announce(items), "warning", ring=True)

    def _list_new(self, place: Place) -> None:
        """List what waits, once a burst, before the first of them opens."""
        if place.item is None:
            return
        waiting = [one for one in self._places if one.item is not None and not one.aside]
        fresh = [one for one in waiting if not one.announced]
        if fresh:
            self.ring()
        if len(waiting) > 1 and fresh and fresh != [place]:
            draw(self.describe([one.item for one in sorted(waiting, key=lambda one: one.order) if one.item]))
        for one in waiting:
            one.announced = True


def _lines(lines: Any) -> tuple[Line, ...]:
    return tuple(lines)
