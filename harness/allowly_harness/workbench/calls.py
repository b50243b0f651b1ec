"""The calls of a terminal session: what was called, how it stands, what came of it.

`CallLog` runs each call in a task of its own, so that one may be cancelled and no other is touched.
What draws results is loaded with the first one, for a screen that is to be painted soon.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from allowly_harness.display.clock import Clock, duration
from allowly_harness.display.sanitize import Shown, joined, one_line, own
from allowly_harness.protocol.models import ApprovalOutcome, ApprovalRequest, ToolCall

if TYPE_CHECKING:
    from allowly_harness.workbench.port import ServerSession

MAX_CALLS: Final = 10_000
"""Most calls in the log; the oldest that have ended go first."""

MAX_RUNNING: Final = 200
"""Most calls that run at a time; more are refused."""

MAX_PROGRESS_CHARACTERS: Final = 200
"""How much of a progress message is kept, in characters."""

MAX_PROBLEM_CHARACTERS: Final = 1_000
"""How much of an error's text is kept, in characters."""

CLOSE_SECONDS: Final = 5.0
"""How long cancelled calls may take to end when the session is left, in seconds."""


class CallState(StrEnum):
    """How a call stands, for filters. A call is in exactly one."""

    RUNNING = "running"
    WAITING = "waiting"
    """It runs, and somebody is asked."""
    OK = "ok"
    """It ran, and nobody had to be asked."""
    APPROVED = "approved"
    """It ran, or was answered, because a person said so."""
    DENIED = "denied"
    """The policy or a person said no."""
    FAILED = "failed"
    """It ran and failed, or did not run although nobody said no."""
    CANCELLED = "cancelled"
    """It was taken back here."""


_STATES: Final[Mapping[ApprovalOutcome, CallState]] = {
    ApprovalOutcome.ALLOWED: CallState.OK,
    ApprovalOutcome.APPROVED: CallState.APPROVED,
    ApprovalOutcome.APPROVED_EDITED: CallState.APPROVED,
    ApprovalOutcome.RESPONDED: CallState.APPROVED,
    ApprovalOutcome.DENIED_BY_POLICY: CallState.DENIED,
    ApprovalOutcome.DENIED_BY_PERSON: CallState.DENIED,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call is, in the server's words.

    Attributes:
        done: What is done so far, in a unit of the server's.
        total: What there is to do; `None` if the server does not know.
        message: The server's words; possibly empty.
    """

    done: float
    total: float | None = None
    message: Shown = field(default_factory=Shown)

    @property
    def fraction(self) -> float | None:
        """The part that is done, 0.0 to 1.0; `None` if it cannot be known."""
        if self.total is None or not self.total > 0:
            return None
        return min(1.0, max(0.0, self.done / self.total))


@dataclass(eq=False)
class CallEntry:
    """One call.

    Attributes:
        number: 1 for the first call of the session.
        call: What was called, frozen.
        at: When, aware.
        started: The same, in seconds of the monotonic clock.
        state: How it stands.
        words: The same in a few words of ours.
        seconds: How long it took; `None` while it runs.
        result: What came back; `None` while it runs and where it failed.
        problem: Why there is no result.
        progress: What the server last said of it.
        end: Set when the call has ended.
    """

    number: int
    call: ToolCall
    at: datetime
    started: float
    state: CallState = CallState.RUNNING
    words: str = "running"
    seconds: float | None = None
    result: Any = None
    problem: Shown | None = None
    progress: Progress | None = None
    end: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.seconds is None

    @property
    def rounds(self) -> int:
        """How many questions it raised, as the session counted them; 0 for a call that nobody was asked about."""
        from allowly_harness.display.results import rounds_of

        return rounds_of(self.result) or 0

    def took(self, now: float) -> str:
        """Write how long it took, or has taken so far; `now` is of the monotonic clock."""
        if self.seconds is None:
            return duration(now - self.started)
        return f"{self.seconds * 1000:.0f} ms" if self.seconds < 1 else f"{self.seconds:.1f} s"

    def matches(self, words: str) -> bool:
        """Tell whether every typed word occurs in number, tool, words of state or arguments."""
        text = f"#{self.number} {self.call.tool} {self.words} {self.call.canonical}".casefold()
        return all(word in text for word in words.casefold().split())


def state_of(result: Any) -> CallState:
    """Say how a call ended that brought a result back."""
    from allowly_harness.display.results import outcome_of

    outcome = outcome_of(result)
    failed = bool(getattr(result, "is_error", False))
    if outcome is None:
        return CallState.FAILED if failed else CallState.OK
    state = _STATES.get(outcome, CallState.FAILED)
    ran = outcome in (ApprovalOutcome.ALLOWED, ApprovalOutcome.APPROVED, ApprovalOutcome.APPROVED_EDITED)
    return CallState.FAILED if failed and ran else state


class CallLog:
    """Runs calls and remembers them.

    Args:
        clock: Where the time comes from.
        changed: Told of each entry that is new or has changed, in whatever task changed it; it must not wait.
        limit: Most entries; the oldest that have ended go first.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        changed: Callable[[CallEntry], object] = lambda _: None,
        limit: int = MAX_CALLS,
    ) -> None:
        self.entries: deque[CallEntry] = deque()
        self._clock = clock or Clock()
        self._changed = changed
        self._limit = limit
        self._numbers = 0
        self._tasks: dict[CallEntry, asyncio.Task[Any]] = {}
        self._taken_back: set[CallEntry] = set()

    @property
    def running(self) -> tuple[CallEntry, ...]:
        """The calls that have not ended, oldest first."""
        return tuple(sorted(self._tasks, key=lambda entry: entry.number))

    def find(self, number: int) -> CallEntry | None:
        """Return the call with a number."""
        return next((entry for entry in self.entries if entry.number == number), None)

    def matching(self, words: str = "", states: Collection[CallState] = ()) -> list[CallEntry]:
        """Return the calls in which every typed word occurs and whose state is one of `states`; all for none."""
        if not words.strip() and not states:
            return list(self.entries)
        return [entry for entry in self.entries if (not states or entry.state in states) and entry.matches(words)]

    def start(self, session: ServerSession, tool: str, arguments: Mapping[str, Any]) -> CallEntry:
        """Call a tool in a task of its own; `CallEntry.end` is set at its end.

        Raises:
            ValueError: The arguments cannot be sent, or `MAX_RUNNING` calls run already.
        """
        if len(self.running) >= MAX_RUNNING:
            raise ValueError(f"{MAX_RUNNING} calls run already")
        frozen = ToolCall(session.server.name, tool, arguments)
        self._numbers += 1
        entry = CallEntry(self._numbers, frozen, self._clock.now(), self._clock.monotonic())
        self.entries.append(entry)
        self._forget_oldest()
        task = asyncio.create_task(self._run(session, entry), name=f"call {entry.number}")
        # A callback, because a task that is cancelled before its first step runs no line of its own.
        task.add_done_callback(lambda done: self._ended(entry, done))
        self._tasks[entry] = task
        self._changed(entry)
        return entry

    def cancel(self, entry: CallEntry) -> None:
        """Take one call back, and no other."""
        task = self._tasks.get(entry)
        if task is not None:
            self._taken_back.add(entry)
            task.cancel()

    def mark(self, request: ApprovalRequest, words: str) -> CallEntry | None:
        """Say that the call of a question waits for somebody; empty `words` say that it runs on.

        Of identical calls, one that does not wait yet is taken, or one that does to be run on.
        """
        calls = (request.call, request.edited_from)
        found = [entry for entry in self.running if entry.call in calls]
        was = CallState.RUNNING if words else CallState.WAITING
        entry = next((entry for entry in found if entry.state is was), found[0] if found else None)
        if entry is not None:
            entry.state, entry.words = (CallState.WAITING, words) if words else (CallState.RUNNING, "running")
            self._changed(entry)
        return entry

    async def close(self) -> None:
        """Take every running call back, and wait for their ends at most `CLOSE_SECONDS`."""
        tasks = dict(self._tasks)
        for entry in tasks:
            self.cancel(entry)
        if tasks:
            await asyncio.wait(tasks.values(), timeout=CLOSE_SECONDS)

    async def _run(self, session: ServerSession, entry: CallEntry) -> Any:
        async def progressed(done: float, total: float | None, message: str | None) -> None:
            entry.progress = Progress(done, total, one_line(message or "", MAX_PROGRESS_CHARACTERS))
            self._changed(entry)

        return await session.call_tool(entry.call.tool, entry.call.payload(), progress_callback=progressed)

    def _ended(self, entry: CallEntry, task: asyncio.Task[Any]) -> None:
        from allowly_harness.display.results import word_for
        from allowly_harness.display.secrets import masked_text

        del self._tasks[entry]
        entry.seconds = self._clock.monotonic() - entry.started
        error = None if task.cancelled() else task.exception()
        if not task.cancelled() and error is None:
            entry.result = task.result()
            entry.words, entry.state = word_for(entry.result), state_of(entry.result)
        elif entry in self._taken_back:
            entry.problem, entry.words, entry.state = own("You cancelled this call."), "cancelled", CallState.CANCELLED
        else:
            problem = "the call was broken off" if error is None else f"{type(error).__name__}: {error}"
            entry.problem = joined(masked_text(problem[:MAX_PROBLEM_CHARACTERS])[0])
            entry.words, entry.state = "FAILED", CallState.FAILED
        self._taken_back.discard(entry)
        entry.end.set()
        self._changed(entry)

    def _forget_oldest(self) -> None:
        while len(self.entries) > self._limit:
            oldest = next((entry for entry in self.entries if not entry.running), None)
            if oldest is None:
                return
            self.entries.remove(oldest)
