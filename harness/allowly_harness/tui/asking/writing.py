"""The line, or the few lines, in which a person writes on a card: a reason, a note, words to search, a reply."""

from __future__ import annotations

from enum import Enum

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static, TextArea

from allowly_harness.protocol.models import MAX_REASON_CHARACTERS
from allowly_harness.tui.lines import InertText


class Purpose(Enum):
    """What is written. The value is the text before the line."""

    REASON = "why not? The model reads it. Empty is fine: enter denies."
    NOTE = "a note for the record: enter keeps it, nothing is decided yet"
    SEARCH = "search: enter goes to the first place"
    REPLY = "answer in place of the tool, which does not run"


class Writing(Vertical):
    """Hidden until something is to be written. Keys that it does not take go on to the screen."""

    DEFAULT_CSS = """
    Writing { display: none; height: auto; background: $panel; padding: 0 1; }
    Writing.-open { display: block; }
    Writing Static { height: auto; color: $text-muted; }
    Writing Input, Writing Input:focus { height: 1; border: none; padding: 0; background: $panel; }
    Writing TextArea, Writing TextArea:focus { height: 4; border: none; padding: 0; background: $panel; }
    Writing.-long Input { display: none; }
    Writing.-short TextArea { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.purpose: Purpose | None = None

    def compose(self) -> ComposeResult:
        """Compose a label and both kinds of field."""
        yield InertText(id="writing-label")
        yield Input(id="writing-line", disabled=True, max_length=MAX_REASON_CHARACTERS)
        yield TextArea(id="writing-text", disabled=True, soft_wrap=True, tab_behavior="focus")

    def open(self, purpose: Purpose, text: str = "") -> None:
        """Begin to write, with `text` to go on from."""
        self.purpose = purpose
        long = purpose is Purpose.REPLY
        self.set_class(long, "-long")
        self.set_class(not long, "-short")
        self.add_class("-open")
        line, area = self.query_one(Input), self.query_one(TextArea)
        line.disabled, area.disabled = long, not long
        if long:
            area.text = text
        else:
            line.value = text
        self.draw()
        # Not `focus()`, which waits its turn: the first letters must not act as keys of the card.
        self.screen.set_focus(area if long else line)

    def close(self) -> str:
        """End the writing and return what was written."""
        text = self.text
        self.purpose = None
        self.remove_class("-open")
        line, area = self.query_one(Input), self.query_one(TextArea)
        line.value, area.text = "", ""
        line.disabled = area.disabled = True
        self.screen.set_focus(None)
        return text

    @property
    def text(self) -> str:
        """What is written now."""
        if self.purpose is None:
            return ""
        return self.query_one(TextArea).text if self.purpose is Purpose.REPLY else self.query_one(Input).value

    @property
    def too_long(self) -> bool:
        """Whether more is written than is kept."""
        return len(self.text) > MAX_REASON_CHARACTERS

    def draw(self) -> None:
        """Bring the label up to date; a reply is counted."""
        if self.purpose is None:
            return
        count = f"   {len(self.text)} of {MAX_REASON_CHARACTERS}" if self.purpose is Purpose.REPLY else ""
        self.query_one("#writing-label", Static).update(Content(self.purpose.value + count))

    def on_text_area_changed(self) -> None:
        """Count."""
        self.draw()
