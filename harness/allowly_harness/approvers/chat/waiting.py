"""Waiting for another approver on a terminal line, or behind the main prompt with a line now and then."""

from __future__ import annotations

from typing import Final

import anyio

from allowly_harness.approvers.chat.console import Console, Place
from allowly_harness.approvers.chat.hosts import BaseLine
from allowly_harness.approvers.chat.question import closing_words
from allowly_harness.approvers.chat.taking import taken_terminal
from allowly_harness.approvers.chat.text import QuestionLine, say
from allowly_harness.approvers.pending import PendingWait
from allowly_harness.display.clock import Clock, duration
from allowly_harness.display.sanitize import one_line, plain
from allowly_harness.protocol.models import Answer

REPORT_SECONDS: Final = 30.0
"""The shortest pause between two lines about one wait that nobody looks at."""

LOOK_SECONDS: Final = 0.5
"""How often a wait behind another prompt looks whether that prompt is gone."""

QUIET_REPORT_SECONDS: Final = 600.0
"""The longest one, for a wait of which there is nothing new; it doubles from line to line."""


class Waiting:
    """One escalation that somebody else decides.

    Args:
        item: What is awaited.
        console: Where it is shown.
        place: Its place in the queue for the terminal; always aside.
        clock: Where the time comes from.
        keeps_open: Whether Ctrl-C and the end of input lead back to the prompt and end nothing.
    """

    def __init__(
        self, item: PendingWait, console: Console, place: Place, clock: Clock, *, keeps_open: bool = False
    ) -> None:
        self._item, self._status = item, item.status
        self._console, self._place = console, place
        self._clock = clock
        self._keeps_open = keeps_open
        self._who = one_line(item.request.escalation_to or "an approver", 60).text
        self._line = QuestionLine(self._message)
        self._base = BaseLine(self._line.session)
        self._evicted = anyio.Event()

    async def run(self) -> Answer:
        """Wait until the person says something; cancelled when the escalation is decided."""
        say_now = not self._console.is_read
        if not say_now and not self._console.has_prompt:
            # Nothing else in a program that is not ours says so.
            until = f"until {self._item.deadline.local_time}"
            self._console.notice(f'#{self._item.number} waiting for "{self._who}", {until}', "note")
        try:
            while True:
                if say_now and not self._console.is_read:
                    answer = await self._on_the_line()
                    if answer is not None:
                        return answer
                    self._console.on_aside(self._item)
                self._place.asked_for = anyio.Event()
                await self._behind()
                say_now = True
        except anyio.get_cancelled_exc_class():
            if self._item.closure is not None:
                self._console.notice(f"#{self._item.number} {closing_words(self._item.closure)}", "warning")
            raise

    async def _on_the_line(self) -> Answer | None:
        """Read what the person types; `None` when they go back to the main prompt."""
        self._evicted = anyio.Event()
        answer: Answer | None = None
        async with anyio.create_task_group() as group:
            group.start_soon(self._let_go, group.cancel_scope)
            async with taken_terminal():
                with self._console.reading(self._base, evict=self._evicted.set):
                    answer = await self._read()
            group.cancel_scope.cancel()
        self._place.closed.set()
        return answer

    async def _let_go(self, scope: anyio.CancelScope) -> None:
        await self._evicted.wait()
        scope.cancel()

    async def _read(self) -> Answer | None:
        say(f'#{self._item.number} Waiting for "{self._who}", until {self._item.deadline.local_time}.', "heading")
        flush = True
        try:
            while True:
                typed = " ".join((await self._line.read(flush=flush)).lower().split())
                flush = False
                match typed:
                    case "later" | "back" if self._console.has_prompt:
                        say(f"Put aside. The call waits on: /pending {self._item.number}", "note")
                        return None
                    case "later" | "defer":
                        say("Left open. This call ends here, and nothing ran.", "note")
                        return Answer.defer()
                    case "give up":
                        return Answer.cancel()
                    case "check":
                        self._status.check_now()
                    case "":
                        pass
                    case _:
                        say(f"Type {self._offers}.", "warning")
        except KeyboardInterrupt:
            return None if self._keeps_open else Answer.cancel()
        except EOFError:
            return None if self._keeps_open else Answer.defer()

    async def _behind(self) -> None:
        """Report now and then, until the person wants to see it."""
        said, pause = self._seen, REPORT_SECONDS
        while not self._place.asked_for.is_set():
            left = pause
            while left > 0 and self._seen == said:
                step = min(left, REPORT_SECONDS)
                with anyio.move_on_after(step):
                    await self._wanted()
                    return
                left -= step
            changed, reminded = self._seen != said, self._status.reminder != said[-1]
            said = self._seen
            pause = REPORT_SECONDS if changed else min(pause * 2, QUIET_REPORT_SECONDS)
            if reminded:
                self._console.notice(f"#{self._item.number} {plain(self._status.reminder, 200)}", "warning")
                continue
            problem = "".join(f"; {plain(words, 200)}" for words in (self._status.votes, self._status.problem) if words)
            self._console.notice(
                f'#{self._item.number} still waiting for "{self._who}", {self._waited}, {self._checked}{problem}',
                "note",
            )

    async def _wanted(self) -> None:
        """Wait until the person asks for it or, where they have no way to, until nothing else is on the line."""
        if self._console.has_prompt:
            await self._place.asked_for.wait()
        while self._console.is_read and not self._place.asked_for.is_set():
            with anyio.move_on_after(LOOK_SECONDS):
                await self._place.asked_for.wait()

    @property
    def _seen(self) -> tuple[str, str, str]:
        """What is worth a line when it changes; the reminder last."""
        return self._status.problem, self._status.votes, self._status.reminder

    @property
    def _waited(self) -> str:
        return duration(self._clock.monotonic() - self._item.started)

    @property
    def _checked(self) -> str:
        if self._status.last_checked is None:
            return "not checked yet"
        seconds = (self._clock.now() - self._status.last_checked).total_seconds()
        return f"checked {max(0, round(seconds))} s ago"

    @property
    def _offers(self) -> str:
        later = "later (to the prompt; the call waits on), " if self._console.has_prompt else ""
        return f"{later}check, defer (end the call, leave it open) or give up (take the call back)"

    def _message(self) -> list[tuple[str, str]]:
        later = "later | " if self._console.has_prompt else ""
        votes = f", {self._status.votes}" if self._status.votes else ""
        words = f"{votes}, {self._checked}  {later}check | defer | give up: "
        return [("class:time", f"waited {self._waited}"), ("", words)]
