"""The page that offers to remember a yes: scope, end, the literal rule, and a deliberate yes of its own.

The two keys of a yes, or the typed word of a dangerous call, save it here as they approve on the card, and under the
same conditions: every line must have been on the screen, and keys pressed before, or just after it changed, are
thrown away. Enter, pasted text and the mouse save nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, TypeAlias

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import Shown, identifier, joined, own
from allowly_harness.grants.drafting import RuleDraft
from allowly_harness.grants.remembering import Grants
from allowly_harness.grants.rules import Ends, Rule, Scope
from allowly_harness.grants.words import end_words, rule_words
from allowly_harness.protocol.models import ApprovalRequest
from allowly_harness.tui.asking import wording as words
from allowly_harness.tui.asking.card_body import SCROLLS
from allowly_harness.tui.asking.coverage import Coverage
from allowly_harness.tui.asking.gesture import HOLD_OFF_SECONDS, Meaning, QuestionKeys
from allowly_harness.tui.firm import firm
from allowly_harness.tui.keymap import Keymap
from allowly_harness.tui.lines import InertText, LinesView

SCOPE_KEY: Final = "c"
MINUTES_KEY: Final = "m"
USES_KEY: Final = "u"
SESSION_KEY: Final = "w"

Wanted: TypeAlias = "tuple[Rule, Ends] | None"

_SCOPES: Final = {
    Scope.CALL: "exactly this call",
    Scope.VALUES: "this tool with these values; a digit makes one any value, or back",
    Scope.TOOL: "this tool with any arguments",
}


class RememberScreen(ModalScreen[Wanted]):
    """Offers to remember the yes to one question; closes with the rule that was confirmed, or `None`.

    Args:
        request: The question.
        grants: Where the yes would be kept.
        word: What saving takes for a dangerous call; empty for an ordinary one.
        deadline: When the question ends.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        keymap: Which keys are a yes.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    DEFAULT_CSS = """
    RememberScreen { align: center middle; background: $background 70%; }
    RememberScreen #card { width: 100%; max-width: 114; height: 100%; max-height: 40; border: heavy $warning;
                           border-title-style: bold; padding: 0 1; background: $surface; }
    RememberScreen #body { height: 1fr; }
    RememberScreen #armed { display: none; height: auto; max-height: 6; padding: 0 1;
                            background: $warning; color: $background; text-style: bold; }
    RememberScreen.-armed #armed { display: block; }
    RememberScreen #keys { height: auto; max-height: 5; border-top: solid $panel-lighten-2; color: $text-muted; }
    """
    CSS = firm("RememberScreen", DEFAULT_CSS)

    def __init__(
        self,
        request: ApprovalRequest,
        grants: Grants,
        *,
        word: str,
        deadline: Deadline,
        clock: Clock,
        key_time: Callable[[events.Key], float],
        keymap: Keymap,
    ) -> None:
        super().__init__()
        self.draft = RuleDraft(request.call)
        self.keys = QuestionKeys(may_approve=True, folded=False, word=word, keymap=keymap)
        self._request, self._grants, self._word = request, grants, word
        self._deadline, self._clock, self._key_time, self._keymap = deadline, clock, key_time, keymap
        self._coverage = Coverage()
        self._notice = ""
        self._finished: tuple[Wanted] | None = None
        self._dismissed = False

    @property
    def changed(self) -> bool:
        """Whether something was written here: never."""
        return False

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with Vertical(id="card") as card:
            card.border_title = Content(" REMEMBER A YES? ")
            yield LinesView(self._lines, id="body")
            yield InertText(id="armed")
            yield InertText(id="keys")

    def on_mount(self) -> None:
        """Let keys count only after the first paint."""
        self.watch(self._body, "scroll_y", self._note, init=False)
        self.call_after_refresh(self.hold_off)
        self.set_interval(1.0, self._tick)
        self._draw()

    def hold_off(self) -> None:
        """Throw keys away for a moment: the page has just come into view, or changed."""
        self.keys.hold_off(self._clock.monotonic())
        self._note()
        self._draw()
        self.set_timer(HOLD_OFF_SECONDS + 0.05, self._draw)

    def on_key(self, event: events.Key) -> None:
        """Take every key."""
        event.stop()
        event.prevent_default()
        self._press(event.key, self._key_time(event), event.character)

    def on_paste(self, event: events.Paste) -> None:
        """Ignore pasted text."""
        event.stop()
        event.prevent_default()

    def on_resize(self) -> None:
        """Hold keys off: what the person reads has moved."""
        if self.keys.painted:
            self.hold_off()

    def on_screen_resume(self) -> None:
        """Close if that was asked for while another screen was on top."""
        if self._finished is not None:
            self.finish(self._finished[0])
        elif self.keys.painted:
            self.hold_off()

    def finish(self, wanted: Wanted) -> None:
        """Close, once. A screen that another one covers closes when it comes back."""
        if self._finished is None:
            self._finished = (wanted,)
        if self.is_current and not self._dismissed:
            self._dismissed = True
            self.dismiss(self._finished[0])

    def action_dismiss(self, result: Wanted = None) -> None:  # type: ignore[override]
        """Do nothing: this action can be named by markup."""

    @property
    def _body(self) -> LinesView:
        return self.query_one("#body", LinesView)

    def _press(self, key: str, at: float, character: str | None) -> None:
        self._notice = ""
        if self._deadline.passed:
            self.finish(None)
        elif self.keys.armed or not self.keys.is_live(at) or not (self._scroll(key) or self._choose(key)):
            self._act(self.keys.press(key, at, character))
        self._draw()

    def _act(self, meaning: Meaning) -> None:
        match meaning:
            case Meaning.APPROVE:
                rule, ends = self.draft.rule(), self.draft.ends()
                self.finish((rule, ends) if rule is not None and ends is not None else None)
            case Meaning.CLOSE:
                self.finish(None)
            case Meaning.ARMED if self.draft.rule() is None or self.draft.ends() is None:
                self.keys.hold_off(self._clock.monotonic())
                self._notice = "That is no rule yet: one value must stay as it is, and it must end."
            case Meaning.NEEDS_SCROLL | Meaning.DISARMED:
                self._notice = words.notice_for(meaning, self._keymap)
            case _:
                pass

    def _scroll(self, key: str) -> bool:
        if key not in SCROLLS:
            return False
        getattr(self._body, SCROLLS[key])(animate=False)
        return True

    def _choose(self, key: str) -> bool:
        """Change the rule; what is read is another one then, so that keys are held off again."""
        changes = {
            SCOPE_KEY: self.draft.next_scope,
            MINUTES_KEY: self.draft.next_minutes,
            USES_KEY: self.draft.next_uses,
            SESSION_KEY: self.draft.toggle_session,
        }
        if key in (self._keymap.key("approve"), self._keymap.key("approve-confirm")):
            return False
        if key.isdecimal() and len(key) == 1 and self.draft.scope is Scope.VALUES:
            self.draft.toggle(int(key) - 1)
        elif key in changes:
            changes[key]()
        else:
            return False
        self._body.show(self._lines)
        self.hold_off()
        return True

    def _tick(self) -> None:
        if self._deadline.passed:
            self.finish(None)
            return
        if self.keys.lapse(self._clock.monotonic()):
            self._notice = "Taken back: 5 s passed."
        self._note()
        self._draw()

    def _note(self) -> None:
        self.call_after_refresh(self._noted)

    def _noted(self) -> None:
        if self.is_attached and self.is_current:
            self._coverage.show(self._body.scroll_offset.y, self._body.scrollable_content_region.height)
            if self._coverage.complete:
                self.keys.seen()

    def _draw(self) -> None:
        if not self.is_attached or not self.is_mounted:
            return
        self.set_class(self.keys.armed, "-armed")
        if self.keys.armed:
            self.query_one("#armed", Static).update(self._armed())
        keys = self.query_one("#keys", Static)
        if not self.keys.is_live(self._clock.monotonic()):
            keys.update(Content("keys count in a second: anything typed before is thrown away"))
        elif self._notice or self.keys.armed:
            keys.update(Content(self._notice or "any other key goes back"))
        else:
            keys.update(words.key_row(self._hints(), max(20, keys.content_size.width)))

    def _armed(self) -> Content:
        if self._word:
            return Content(f"SAVE THIS RULE AND RUN THE CALL? Type {self._word} and enter: {self.keys.typed}_")
        return Content(f"SAVE THIS RULE AND RUN THE CALL? Press {self._keymap.label('approve-confirm')}.")

    def _hints(self) -> list[words.Hint]:
        hints = [(self._keymap.label("approve"), "save it and run this call"), (SCOPE_KEY, "scope")]
        hints += [("1-9", "this value or any")] if self.draft.scope is Scope.VALUES else []
        return [*hints, (MINUTES_KEY, "minutes"), (USES_KEY, "uses"), (SESSION_KEY, "with session"), ("esc", "back")]

    def _lines(self, width: int) -> Sequence[Line]:
        lines = lay_out_sections(self._sections(), width)
        self._coverage.restart(len(lines))
        return lines

    def _sections(self) -> tuple[Section, ...]:
        draft = self.draft
        chosen = [_row("scope", _SCOPES[draft.scope]), _row("minutes", str(draft.minutes or "a day at most"))]
        chosen += [_row("uses", str(draft.uses or "any number"))]
        chosen += [_row("session", "ends with this one" if draft.session else "goes on in others")]
        if draft.scope is Scope.VALUES:
            chosen += [self._value_row(number, name) for number, name in enumerate(draft.names)]
        rule, ends = draft.rule(), draft.ends()
        if rule is None or ends is None:
            literal = own("(no rule yet)")
        else:
            until = end_words(ends, self._grants.until(ends))
            literal = joined([rule_words(self._grants.binding(self._request), rule), ", ", until])
        notes = (
            "Calls that it fits are approved without asking you, by all harnesses of yours on this computer.",
            "It ends at once if the tool's definition changes. A policy's no still counts. grants revoke ends it.",
        )
        return (
            Section(own("CHOOSE"), tuple(chosen)),
            Section(own("THE RULE THAT WILL BE SAVED"), (Row(Shown(), literal),)),
            Section(own("WHAT IT DOES"), tuple(Row(Shown(), own(note)) for note in notes)),
        )

    def _value_row(self, number: int, name: str) -> Row:
        state = "as it is now" if name in self.draft.chosen else "any value"
        return Row(joined([f"{number + 1} ", identifier(name)]), own(state))


def _row(label: str, text: str) -> Row:
    return Row(own(label), own(text))
