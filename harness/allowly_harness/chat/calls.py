"""Calls at the prompt: started, followed or sent behind it, reported once each, looked up again later."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anyio

from allowly_harness.approvers.chat import ChatApprover
from allowly_harness.approvers.chat.console import Console
from allowly_harness.approvers.chat.interrupts import on_ctrl_c
from allowly_harness.approvers.chat.text import columns, draw, is_dumb, say
from allowly_harness.approvers.pending import Change, Pending, PendingElicitation, PendingQuestion, PendingWait
from allowly_harness.chat.commands import CommandError, number_of
from allowly_harness.chat.pages import show, show_head
from allowly_harness.display.card import Row, Section
from allowly_harness.display.clock import Clock
from allowly_harness.display.layout import lay_out_sections
from allowly_harness.display.results import result_sections
from allowly_harness.display.sanitize import Shown, identifier, plain
from allowly_harness.display.width import fold
from allowly_harness.forms.json_text import write_json
from allowly_harness.workbench.call_view import call_row, call_sections, progress_text
from allowly_harness.workbench.calls import CallEntry, CallLog
from allowly_harness.workbench.export import export
from allowly_harness.workbench.port import ServerSession
from allowly_harness.workbench.saving import save_private

PROGRESS_SECONDS: Final = 5.0
"""The shortest pause between two printed lines of progress, on terminals that redraw nothing."""

REDRAW_SECONDS: Final = 0.2
"""The shortest pause between two drawings of the line of progress, on all others."""

MAX_LISTED: Final = 200
"""Most calls that `/log` lists at a time, the newest ones."""

_BAR_CELLS: Final = 20


class Calls:
    """The calls of one session, as they are seen at the prompt.

    Args:
        session: Where they go.
        console: Where they are reported.
        approver: Whose questions belong to them; `None` where somebody else asks.
        clock: Where the time comes from.
    """

    def __init__(
        self, session: ServerSession, console: Console, approver: ChatApprover | None, clock: Clock | None = None
    ) -> None:
        self._session, self._console = session, console
        self._clock = clock or Clock()
        self.log = CallLog(clock=self._clock, changed=self._changed)
        self._foreground: CallEntry | None = None
        self._behind = anyio.Event()
        self._progress_at = float("-inf")
        self._progress_of: CallEntry | None = None
        self._unlisten = approver.queue.listen(self._asked) if approver is not None else lambda: None
        console.on_aside = self._put_behind

    def leave(self) -> None:
        """Hear of no more questions."""
        self._unlisten()
        self._console.on_aside = lambda _: None

    async def run(self, tool: str, arguments: Mapping[str, Any], *, background: bool) -> CallEntry | None:
        """Start a call; returns it if it is to be followed."""
        try:
            entry = self.log.start(self._session, tool, arguments)
        except ValueError as error:
            say(f"not sent: {plain(str(error), 300)}", "bad")
            return None
        if background:
            say(f"#{entry.number} {identifier(tool).text} runs in the background; a line says when it ends", "note")
            return None
        self._foreground, self._behind = entry, anyio.Event()
        return entry

    async def follow(self, entry: CallEntry) -> None:
        """Wait for the end of a call, or until it goes on behind the prompt. Ctrl-C takes this call back."""
        with on_ctrl_c(lambda: self.log.cancel(entry)):
            ended = asyncio.ensure_future(entry.end.wait())
            behind = asyncio.ensure_future(self._behind.wait())
            try:
                await asyncio.wait([ended, behind], return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                self.log.cancel(entry)
                raise
            finally:
                ended.cancel()
                behind.cancel()
        self._foreground = None
        await self._console.idle_of_questions()
        self._console.end_status()
        if entry.running:
            say(f"#{entry.number} {identifier(entry.call.tool).text} goes on behind the prompt", "note")
        else:
            self._report(entry)

    def show_log(self, words: str) -> None:
        """Print the calls in which the words occur, or what `/log N` names."""
        found = self.log.matching(words)
        if not found:
            say("  no such calls" if words else "  no calls yet", "note")
        now = self._clock.monotonic()
        for entry in found[-MAX_LISTED:]:
            draw((call_row(entry, now, columns()),))
        if len(found) > MAX_LISTED:
            say(f"  {len(found) - MAX_LISTED:,} older ones are left out; /log WORDS narrows it", "note")

    async def show_call(self, word: str) -> None:
        """Print a call with its whole result."""
        entry = self.find(word)
        await show(call_sections(entry, self._clock.monotonic()))

    def save(self, word: str, name: str) -> None:
        """Write a result into a new file.

        Raises:
            CommandError: There is no such call, or it has no result yet.
        """
        entry = self.find(word)
        if entry.running:
            raise CommandError(f"#{entry.number} has no result yet")
        if not name:
            raise CommandError("name the file: /save N FILE")
        path = Path(name)
        try:
            written = save_private(path, export(entry, path.suffix))
        except FileExistsError:
            raise CommandError("there is such a file already; name a new one") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise CommandError(f"not saved: {plain(reason, 200)}") from None
        say(f"  saved: {plain(str(written), 300)}", "good")

    def again(self, word: str) -> str:
        """Return the line that makes the same call once more.

        Raises:
            CommandError: There is no such call.
        """
        entry = self.find(word)
        shown = identifier(entry.call.tool)
        if shown.odd or not entry.call.tool.isascii():
            raise CommandError("a tool of that name cannot be typed")
        return f"/call {entry.call.tool} {write_json(entry.call.payload(), indent=None)}"

    def cancel(self, word: str) -> None:
        """Take a call back.

        Raises:
            CommandError: It has ended, or there is none.
        """
        entry = self.find(word)
        if not entry.running:
            raise CommandError(f"#{entry.number} has ended already")
        self.log.cancel(entry)
        say(f"  #{entry.number} is taken back", "note")

    def find(self, word: str) -> CallEntry:
        """Return the call with a typed number.

        Raises:
            CommandError: There is none.
        """
        entry = self.log.find(number_of(word))
        if entry is None:
            raise CommandError("there is no call of that number; /log lists them")
        return entry

    def _report(self, entry: CallEntry) -> None:
        say(self._line(entry), _style(entry))
        if entry.result is not None:
            show_head(result_sections(entry.result), f"/result {entry.number}")
        elif entry.problem is not None:
            draw(lay_out_sections((Section(Shown(), (Row(Shown(), entry.problem),)),), columns()))

    def _line(self, entry: CallEntry) -> str:
        return f"#{entry.number} {identifier(entry.call.tool).text}  {entry.words}  {entry.took(0.0)}"

    def _changed(self, entry: CallEntry) -> None:
        if entry is self._foreground:
            if entry.running and entry.progress is not None:
                self._show_progress(entry)
        elif not entry.running:
            self._console.notice(f"{self._line(entry)}  /result {entry.number} shows it", _style(entry), ring=True)

    def _show_progress(self, entry: CallEntry) -> None:
        now = time.monotonic()
        pause = PROGRESS_SECONDS if is_dumb() else REDRAW_SECONDS
        if entry.progress is None or (entry is self._progress_of and now - self._progress_at < pause):
            return
        self._progress_at, self._progress_of = now, entry
        shown = progress_text(entry.progress, _BAR_CELLS)
        text = f"  #{entry.number} {fold(shown, columns() - 12)[0].text}"
        if is_dumb():
            self._console.notice(text)
        else:
            self._console.status(text)

    def _asked(self, change: Change) -> None:
        item = change.item
        if isinstance(item, PendingElicitation) or change.kind not in ("added", "removed"):
            return
        words = "WAITS for you" if isinstance(item, PendingQuestion) else "WAITS for another"
        self.log.mark(item.request, words if change.kind == "added" else "")

    def _put_behind(self, item: Pending) -> None:
        entry = self._foreground
        if entry is None:
            return
        if isinstance(item, (PendingQuestion, PendingWait)) and entry.call not in (
            item.request.call,
            item.request.edited_from,
        ):
            return
        self._behind.set()


def _style(entry: CallEntry) -> str:
    return "bad" if any(word.isupper() for word in entry.words.replace(",", "").split()) else "good"


def quoted_words(text: str) -> list[str]:
    """Split typed words; quotes keep spaces together.

    Raises:
        CommandError: The quotes do not match.
    """
    try:
        return shlex.split(text)
    except ValueError:
        raise CommandError("the quotes do not match") from None
