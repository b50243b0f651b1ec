"""The list of all that waits. One item is opened, several are marked; nothing is ever marked for the person."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from allowly_harness.approvers.pending import Pending, PendingQuestion, PendingQueue, is_open
from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import Answer
from allowly_harness.tui.asking import pending_rows as rows
from allowly_harness.tui.asking.gesture import ARM_SECONDS, DISARM_SECONDS, HOLD_OFF_SECONDS
from allowly_harness.tui.asking.marked import ApproveMarkedScreen
from allowly_harness.tui.asking.wording import key_row
from allowly_harness.tui.firm import firm
from allowly_harness.tui.keymap import Keymap
from allowly_harness.tui.lines import InertText, content

FEWEST_TOGETHER: Final = 2
"""One call is approved on its own card."""


class PendingScreen(ModalScreen[None]):
    """Lists what waits, soonest end first.

    Args:
        queue: What waits.
        open_item: Opens an item over this screen.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        keymap: Which key does what.
    """

    AUTO_FOCUS: ClassVar[str | None] = "#list"
    DEFAULT_CSS = """
    PendingScreen { align: center middle; background: $background 70%; }
    PendingScreen #card { width: 100%; max-width: 130; height: 100%; max-height: 40; border: round $accent;
                          border-title-style: bold; padding: 0 1; background: $surface; }
    PendingScreen #list { height: 1fr; border: none; padding: 0; background: transparent;
                          scrollbar-size-vertical: 1; }
    PendingScreen #summary { height: auto; max-height: 2; color: $text-muted; }
    PendingScreen #keys { height: auto; max-height: 4; border-top: solid $panel-lighten-2; color: $text-muted; }
    """
    CSS = firm("PendingScreen", DEFAULT_CSS)

    def __init__(
        self,
        queue: PendingQueue,
        *,
        open_item: Callable[[Pending], None],
        clock: Clock,
        key_time: Callable[[events.Key], float],
        keymap: Keymap,
    ) -> None:
        super().__init__()
        self._queue = queue
        self._open_item = open_item
        self._clock = clock
        self._key_time = key_time
        self._keymap = keymap
        self._items: tuple[Pending, ...] = ()
        self._marked: set[Pending] = set()
        self._grouped = self._mine = self._by_number = False
        self._live_from: float | None = None
        self._denying_since: float | None = None
        self._notice = ""
        self._stop_listening: Callable[[], None] = lambda: None

    def compose(self) -> ComposeResult:
        """Compose list, summary and keys."""
        with Vertical(id="card") as card:
            card.border_title = Content(" PENDING ")
            yield OptionList(id="list", markup=False)
            yield InertText(id="summary")
            yield InertText(id="keys")

    def on_mount(self) -> None:
        """Begin to follow the queue; keys that decide count a moment after the first paint."""
        self._stop_listening = self._queue.listen(lambda _: self.call_later(self.draw))
        self.set_interval(1.0, self.tick)
        self.call_after_refresh(self.hold_off)
        self.draw()

    def on_unmount(self) -> None:
        """Stop following the queue."""
        self._stop_listening()

    def on_screen_resume(self) -> None:
        """Hold keys off after a card was on top."""
        self.hold_off()
        self.draw()

    def on_resize(self) -> None:
        """Set the rows anew."""
        self.draw()

    def hold_off(self) -> None:
        """Throw deciding keys away for a moment."""
        self._live_from = self._clock.monotonic() + HOLD_OFF_SECONDS
        self._denying_since = None

    def action_dismiss(self, result: None = None) -> None:  # type: ignore[override]
        """Do nothing: this action can be named by markup."""

    def tick(self) -> None:
        """Bring the times up to date."""
        if self._denying_since is not None and self._clock.monotonic() - self._denying_since > DISARM_SECONDS:
            self._denying_since = None
        self.draw()

    def draw(self) -> None:
        """Bring rows, summary and keys up to date; the cursor stays on its item."""
        if not self.is_attached:
            return
        listed = self.query_one("#list", OptionList)
        cursor = self._current
        self._items = self._chosen()
        self._marked &= set(self._items)
        told = rows.told_of(self._items)
        soonest = next((item for item in self._queue.questions if not item.deadline.passed), None)
        width = max(40, listed.scrollable_content_region.width - 2)
        prompts = [
            content(rows.row_of(item, told[at], marked=item in self._marked, soonest=item is soonest, width=width))
            for at, item in enumerate(self._items)
        ]
        if [str(item.number) for item in self._items] == [option.id for option in listed.options]:
            for at, prompt in enumerate(prompts):
                listed.replace_option_prompt_at_index(at, prompt)
        else:
            listed.clear_options()
            listed.add_options([Option(prompt, id=str(self._items[at].number)) for at, prompt in enumerate(prompts)])
            if self._items:
                listed.highlighted = self._items.index(cursor) if cursor in self._items else 0
        self.query_one("#summary", Static).update(
            Content(rows.summary(self._items) if self._items else "Nothing waits.")
        )
        keys = self.query_one("#keys", Static)
        keys.update(self._key_row(max(20, keys.content_size.width)))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open the item under the cursor."""
        event.stop()
        item = self._queue.find(int(event.option.id or 0))
        if item is not None:
            self._open_item(item)

    def on_key(self, event: events.Key) -> None:
        """Take the keys of the list; those that move the cursor go on."""
        key, at = event.key, self._key_time(event)
        name = self._keymap.action("queue", key)
        denying, self._denying_since = self._denying_since, None
        moves = {"j": "action_cursor_down", "k": "action_cursor_up"}.get(key)
        if denying is None and name is None and moves is None and key not in ("escape", "ctrl+c"):
            return
        event.stop()
        event.prevent_default()
        self._notice = ""
        if denying is not None:
            if key == "y" and ARM_SECONDS <= at - denying <= DISARM_SECONDS:
                self._deny_marked()
            else:
                self._notice = "Nothing was denied."
        elif moves is not None and name is None:
            getattr(self.query_one("#list", OptionList), moves)()
        elif name is None:
            self.dismiss(None)
        elif self._live_from is not None and at >= self._live_from:
            self._act(name, at)
        self.draw()

    def _act(self, name: str, at: float) -> None:
        match name:
            case "mark":
                self._mark()
            case "deny-marked" if self._marked:
                self._denying_since = at
            case "approve-marked" if self._marked:
                self._approve_marked()
            case "deny-marked" | "approve-marked":
                self._notice = f"Nothing is marked: {self._keymap.label('mark')} marks the call under the cursor."
            case "queue-group":
                self._grouped = not self._grouped
            case "queue-mine":
                self._mine = not self._mine
            case _:
                self._by_number = not self._by_number

    @property
    def _current(self) -> Pending | None:
        at = self.query_one("#list", OptionList).highlighted
        return self._items[at] if at is not None and at < len(self._items) else None

    def _chosen(self) -> tuple[Pending, ...]:
        items = [item for item in self._queue.items if rows.is_mine(item) or not self._mine]
        if self._by_number:
            items.sort(key=lambda item: item.number)
        if self._grouped:
            items.sort(key=rows.tool_of)
        return tuple(items)

    def _mark(self) -> None:
        item = self._current
        if item is None:
            return
        if not rows.may_deny(item):
            self._notice = "This one cannot be marked: enter opens it."
            return
        self._marked ^= {item}

    def _deny_marked(self) -> None:
        denied = sum(self._queue.settle(item, Answer.deny()) for item in tuple(self._marked))
        self._marked.clear()
        self._notice = f"{denied} denied."

    def _approve_marked(self) -> None:
        chosen = [item for item in self._items if item in self._marked]
        if len(chosen) < FEWEST_TOGETHER:
            self._notice = "One call is approved on its own card: enter opens it."
            return
        for item in chosen:
            if why := rows.why_not_together(item):
                self._notice = f"#{item.number} must be looked at on its own: {why}."
                return
        questions = [item for item in chosen if isinstance(item, PendingQuestion) and is_open(item)]
        self.app.push_screen(
            ApproveMarkedScreen(
                questions,
                approve=self._queue.settle,
                clock=self._clock,
                key_time=self._key_time,
                keymap=self._keymap,
            ),
            self._approved,
        )

    def _approved(self, sent: int | None) -> None:
        if sent:
            self._marked.clear()
            self._notice = f"{sent} approved."

    def _key_row(self, width: int) -> Content:
        label = self._keymap.label
        if self._denying_since is not None:
            count = len(self._marked)
            return Content(f"Deny {count} marked {'call' if count == 1 else 'calls'}?  y yes   any other key: back")
        if self._notice:
            return Content(self._notice)
        hints = [("enter", "open"), (label("mark"), "mark"), (label("deny-marked"), "deny marked")]
        hints += [(label("approve-marked"), f"approve marked ({len(self._marked)})")]
        hints += [(label("queue-group"), "ungroup" if self._grouped else "group by tool")]
        hints += [(label("queue-mine"), "all" if self._mine else "only mine")]
        hints += [(label("queue-sort"), "by time left" if self._by_number else "by number"), ("esc", "back")]
        return key_row(hints, width)
