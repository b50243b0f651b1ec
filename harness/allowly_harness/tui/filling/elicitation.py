"""The screen on which a server asks for something while a tool runs: values for a form, or a visit to a page.

All words on it but the key line are the server's, so they stand behind the gutter. Sending takes a key
that no text field takes, a visit takes two; whatever else happens to the screen, nothing is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.display.clock import Clock
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.lookalikes import remarks_on_value
from allowly_harness.display.rows import Row, Section, lines_section
from allowly_harness.display.sanitize import Shown, block, identifier, joined, one_line, own
from allowly_harness.forms.drafting import defaults
from allowly_harness.forms.reading import read_form
from allowly_harness.forms.state import FormState
from allowly_harness.tui.asking.gesture import ARM_SECONDS, DISARM_SECONDS, HOLD_OFF_SECONDS
from allowly_harness.tui.filling.arriving import after_typing
from allowly_harness.tui.filling.browser import MAX_URL_CHARACTERS, host_of, open_in_browser, why_not_opened
from allowly_harness.tui.filling.form import FormPane
from allowly_harness.tui.firm import firm
from allowly_harness.tui.lines import InertText, LinesView

MAX_MESSAGE_CHARACTERS: Final = 8_000
"""How much of the server's message is shown."""

MAX_SECRET_NAMES: Final = 5
"""Most field names in the warning about secrets."""

_SCROLLS: Final = {"pageup": "scroll_page_up", "pagedown": "scroll_page_down"}
_URL_SCROLLS: Final = {
    **_SCROLLS,
    "up": "scroll_up",
    "down": "scroll_down",
    "k": "scroll_up",
    "j": "scroll_down",
    "space": "scroll_page_down",
}


class ElicitationScreen(ModalScreen[ElicitationReply]):
    """Asks what a server wants to know, or to have visited. Closes with the reply, once.

    Args:
        request: What is asked.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        open_url: Opens a page; tells whether that worked.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-low"), (20, "-high")]  # noqa: RUF012 - as Textual
    DEFAULT_CSS = """
    ElicitationScreen { align: center middle; background: $background 70%; }
    ElicitationScreen #card { width: 100%; max-width: 110; height: 100%; max-height: 36; border: round $accent;
                              border-title-style: bold; padding: 0 1; background: $surface; }
    ElicitationScreen #said { height: auto; max-height: 50%; }
    ElicitationScreen.-url #said { height: 1fr; max-height: 100%; }
    ElicitationScreen #form { height: 1fr; margin: 1 0 0 0; }
    ElicitationScreen.-low #form { margin: 0; }
    ElicitationScreen #keys { height: 2; border-top: solid $panel-lighten-2; }
    """
    CSS = firm("ElicitationScreen", DEFAULT_CSS)

    def __init__(
        self,
        request: ElicitationRequest,
        *,
        clock: Clock | None = None,
        key_time: Callable[[events.Key], float] = lambda event: event.time,
        open_url: Callable[[str], Awaitable[bool]] = open_in_browser,
    ) -> None:
        super().__init__()
        self.request = request
        self._clock = clock or Clock()
        self._key_time = key_time
        self._open_url = open_url
        self._live_from: float | None = None
        self._finished: ElicitationReply | None = None
        self._dismissed = False
        self._armed: tuple[str, float] | None = None
        self._notice = ""
        self._opening = False

    @property
    def dirty(self) -> bool:
        """Whether the person has typed something that was not sent."""
        return any(pane.dirty for pane in self.query(FormPane))

    def compose(self) -> ComposeResult:
        """Compose what the server says, the form, and the keys."""
        is_form = self.request.mode == "form"
        self.set_class(not is_form, "-url")
        with Vertical(id="card") as card:
            title = " A SERVER ASKS YOU FOR VALUES " if is_form else " A SERVER ASKS YOU TO VISIT A PAGE "
            card.border_title = Content(title)
            card.border_subtitle = Content(f" {self.request.mode} ")
            yield LinesView(self._lines, id="said")
            if is_form:
                yield FormPane(id="form")
            yield InertText(id="keys")

    def on_mount(self) -> None:
        """Fill the form; keys count a moment after the first paint."""
        for pane in self.query(FormPane):
            form = read_form(self.request.schema)
            # The specification wants defaults filled in here, where no server will add them.
            known = defaults(form)
            pane.show(self.request.schema, known if known and not FormState(form).load(known) else None)
        self._draw_keys()
        self.call_after_refresh(self.hold_off)

    def hold_off(self) -> None:
        """Throw keys that answer away for a moment: the screen has just come into view, or changed."""
        self._live_from = self._clock.monotonic() + HOLD_OFF_SECONDS
        self._armed = None
        self._draw_keys()
        self.set_timer(HOLD_OFF_SECONDS + 0.05, self._come_alive)

    def on_resize(self) -> None:
        """Hold keys off: what the person reads has moved. Before the first paint they are off anyway."""
        if self._live_from is not None:
            self.hold_off()

    def on_key(self, event: events.Key) -> None:
        """Take every key that the form leaves over."""
        at, key = self._key_time(event), event.key
        if key in ("tab", "shift+tab") and self.focused is not None:
            return
        live = self._live_from is not None and at >= self._live_from
        if live and self.focused is None and self.request.mode == "form" and key in ("tab", "down", "up"):
            self._come_alive()
        elif (scroll := (_SCROLLS if self.request.mode == "form" else _URL_SCROLLS).get(key)) is not None:
            getattr(self.query_one("#said", LinesView), scroll)(animate=False)
        elif live:
            if not self._press(key, at):
                return
        elif self.focused is not None and key not in _ANSWERING:
            return
        event.stop()
        event.prevent_default()
        self._draw_keys()

    def on_paste(self, event: events.Paste) -> None:
        """Ignore what is pasted beside the form."""
        event.stop()

    def on_lines_view_resized(self) -> None:
        """Say what can be scrolled now: the height follows from the lines, so it comes after them."""
        self._draw_keys()

    def on_form_pane_changed(self) -> None:
        """Take the last notice back."""
        self._notice = ""
        self._draw_keys()

    @property
    def finished(self) -> bool:
        """Whether it has closed with a reply, or will as soon as it is on top."""
        return self._finished is not None

    def abandon(self) -> None:
        """Close without a reply that counts: the server's request is shown on another screen."""
        self.finish(ElicitationReply.cancel())

    def finish(self, reply: ElicitationReply) -> None:
        """Close with a reply, once. A screen that another one covers closes when it comes back."""
        if self._finished is None:
            self._finished = reply
        if self.is_current and not self._dismissed:
            self._dismissed = True
            self.dismiss(self._finished)

    def on_screen_resume(self) -> None:
        """Close if that was asked for while another screen was on top; else hold keys off again."""
        if self._finished is not None:
            self.finish(self._finished)
        elif self._live_from is not None:
            self.hold_off()

    def action_dismiss(self, result: ElicitationReply | None = None) -> None:  # type: ignore[override]
        """Do nothing: this action can be named by markup, and a reply never comes that way."""

    def _press(self, key: str, at: float) -> bool:
        armed, self._armed, self._notice = self._armed, None, ""
        if key in ("escape", "ctrl+c"):
            self.finish(ElicitationReply.cancel())
        elif key == "ctrl+d" or (key == "d" and self.focused is None):
            self.finish(ElicitationReply.decline())
        elif self.request.mode == "url":
            self._press_for_url(key, at, armed)
        elif key == "ctrl+s":
            after_typing(self.query_one(FormPane), self._send)
        else:
            return False
        return True

    def _send(self) -> None:
        value = self.query_one(FormPane).read()
        if value is None:
            self._notice = "Not sent: mend what is marked with ! first."
            self._draw_keys()
        else:
            self.finish(ElicitationReply.accept(value))

    def _press_for_url(self, key: str, at: float, armed: tuple[str, float] | None) -> None:
        if self._opening:
            self._notice = "The browser is being started."
        elif armed is not None:
            if key == "y" and ARM_SECONDS <= at - armed[1] <= DISARM_SECONDS:
                self._do(armed[0])
            else:
                self._notice = "Taken back. Nothing was opened or sent."
        elif key == "o" and (why := why_not_opened(self.request.url or "")):
            self._notice = f"Not opened: {why}."
        elif key in ("o", "v") and not self._seen():
            self._notice = "Part of it is below: scroll down first (space)."
        elif key in ("o", "v"):
            self._armed = key, at
            self.set_timer(DISARM_SECONDS, self._lapse)
        elif key == "c":
            self._copy()

    def _lapse(self) -> None:
        if self._armed is not None and self._clock.monotonic() - self._armed[1] >= DISARM_SECONDS:
            self._armed = None
            self._draw_keys()

    def _do(self, key: str) -> None:
        if key == "v":
            self.finish(ElicitationReply.accept())
            return
        self._opening = True
        self.run_worker(self._open(), exit_on_error=False)

    async def _open(self) -> None:
        try:
            opened = await self._open_url(self.request.url or "")
        except OSError:
            opened = False
        finally:
            self._opening = False
        if opened:
            self.finish(ElicitationReply.accept())
        elif self.is_attached:
            self._notice = "No browser took it: c copies the address; v says that you have visited it."
            self._draw_keys()

    def _copy(self) -> None:
        why = why_not_opened(self.request.url or "")
        if why:
            self._notice = f"Not copied: {why}."
        else:
            self.app.copy_to_clipboard(self.request.url or "")
            self._notice = "Copied, if this terminal allows it."

    def _come_alive(self) -> None:
        """Put the cursor into the form: what is typed counts from now on."""
        if self._live_from is None or self._clock.monotonic() < self._live_from or not self.is_attached:
            return
        if self.is_current and self.focused is None and self.request.mode == "form":
            self.query_one(FormPane).focus_first()
        self._draw_keys()

    def _draw_keys(self) -> None:
        if self.is_attached:
            self.query_one("#keys", Static).update(Content(self._key_line()))

    def _key_line(self) -> str:
        if self._live_from is None or self._clock.monotonic() < self._live_from:
            return "keys count in a second: anything typed before is thrown away"
        if self._notice:
            return self._notice
        if self.request.mode == "form":
            more = "" if self._seen() else "   pgdn more above"
            return f"^s send   ^d decline   esc cancel   ^e JSON   ^n null{more}"
        if self._armed is not None:
            what = "open it in your browser" if self._armed[0] == "o" else "tell the server that you have visited it"
            return f"y {what}   any other key: back"
        if self._opening:
            return "starting the browser..."
        return "o open...   c copy   v visited...   d decline   esc cancel"

    def _lines(self, width: int) -> tuple[Line, ...]:
        # What we know comes first: on a low screen the server's words must not push it out of sight.
        said = block(self.request.message, limit=MAX_MESSAGE_CHARACTERS) or (own("(nothing)"),)
        words = lines_section("IN ITS OWN WORDS, WHICH NOBODY CHECKED", said, quoted=True)
        if self.request.mode == "url":
            return lay_out_sections((_asker(self.request), *_page(self.request.url or ""), words), width)
        names = [field.label for field in read_form(self.request.schema).every_field() if field.is_secret]
        return lay_out_sections((_asker(self.request, _secrets(names)), words), width)

    def _seen(self) -> bool:
        return self.query_one("#said", LinesView).at_end


_ANSWERING: Final = frozenset({"ctrl+s", "ctrl+d", "ctrl+c", "escape"})


def _asker(request: ElicitationRequest, rows: tuple[Row, ...] = ()) -> Section:
    parts: list[Shown | str] = ["ASKED BY ", identifier(request.server.name)]
    if request.server.configured:
        parts += ["  (", one_line(request.server.configured, 80), ")"]
    return Section(joined(parts), rows)


def _secrets(names: list[Shown]) -> tuple[Row, ...]:
    if not names:
        return ()
    listed = [part for name in names[:MAX_SECRET_NAMES] for part in (", ", name)][1:]
    rule = ": servers must not ask for secrets in a form (MCP). Decline if in doubt."
    return (Row(Shown(), joined(["It asks for ", *listed, rule]), warning=True),)


def _page(url: str) -> tuple[Section, ...]:
    host = host_of(url)
    rows = [Row(own("host"), one_line(host, 255) if host else own("(none)"))]
    rows += [Row(Shown(), own(remark), warning=True) for remark in remarks_on_value(url)]
    if why := why_not_opened(url):
        rows.append(Row(Shown(), own(f"It cannot be opened from here: {why}."), warning=True))
    address = tuple(
        one_line(url[start : start + 2_000]) for start in range(0, min(len(url), MAX_URL_CHARACTERS), 2_000)
    )
    more = len(url) - MAX_URL_CHARACTERS
    if more > 0:
        address += (own(f"... {more:,} more characters"),)
    return (Section(own("WHERE IT LEADS"), tuple(rows)), lines_section("THE WHOLE ADDRESS", address, quoted=True))
