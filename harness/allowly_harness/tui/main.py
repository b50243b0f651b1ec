"""The main screen: tools on the left, the call being written and its result on the right, what was called below.

Pages and lists that open over it are loaded when they are asked for: the first frame does without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from allowly_harness.display.clock import duration
from allowly_harness.display.layout import lay_out_sections
from allowly_harness.display.sanitize import Shown, joined, one_line, own
from allowly_harness.tui.chrome import Header, KeyLine
from allowly_harness.tui.keymap import DEFAULT_KEYMAP
from allowly_harness.tui.panes.call import CallPane
from allowly_harness.tui.panes.calls import CallsPane
from allowly_harness.tui.panes.result import ResultPane
from allowly_harness.tui.panes.serverlog import ServerLogPane
from allowly_harness.tui.panes.tools import ToolsPane
from allowly_harness.tui.terminal import MIN_COLUMNS, MIN_ROWS
from allowly_harness.tui.verbs import BY_NAME, MAIN, PANES, TEXTS, help_lines
from allowly_harness.workbench.calls import CallEntry
from allowly_harness.workbench.link import LinkState

if TYPE_CHECKING:
    from allowly_harness.tui.app import HarnessApp

_WIDE: Final = 100
_WIDTHS: Final = ((_WIDE, "-wide"), (MIN_COLUMNS, "-narrow"), (0, "-too-narrow"))
_HEIGHTS: Final = ((32, "-tall"), (20, "-medium"), (MIN_ROWS, "-short"), (0, "-too-short"))


class MainScreen(Screen[None]):
    """Lists tools, writes calls, shows what came of them."""

    app: HarnessApp
    AUTO_FOCUS: ClassVar[str | None] = "#tools"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            DEFAULT_KEYMAP.key(verb.name), verb.action, verb.short, show=False, priority=verb.priority, id=verb.name
        )
        for verb in MAIN
    ]
    DEFAULT_CSS = """
    MainScreen { layout: vertical; }
    #panes { height: 1fr; }
    #left { width: 26; background: $surface; }
    MainScreen.-wide #left { width: 36; }
    #right { width: 1fr; }
    #call { height: 1fr; min-height: 6; }
    #call, #result, #log, #server-log { border-top: solid $border; border-title-color: $text-muted; }
    #call:focus-within, #result:focus, #log:focus-within { border-top: solid $accent; border-title-color: $text-accent;
                                                           border-title-style: bold; }
    #result { height: 5; }
    MainScreen.-tall #result { height: 1fr; }
    MainScreen.-short #result { display: none; }
    #log { height: 5; }
    MainScreen.-short #log { height: 3; }
    MainScreen.-tall #log { height: 10; }
    MainScreen.-tall #server-log { height: 4; }
    MainScreen.-medium #server-log { border: none; }
    MainScreen.-short #server-log { display: none; }
    #too-small { display: none; height: 1fr; padding: 1; }
    MainScreen.-too-narrow .part, MainScreen.-too-short .part { display: none; }
    MainScreen.-too-narrow #too-small, MainScreen.-too-short #too-small { display: block; }
    """

    def __init__(self, hints: Sequence[str]) -> None:
        super().__init__()
        self._hints = tuple(hints)
        self._since = 0.0

    def compose(self) -> ComposeResult:
        """Compose the panes."""
        yield Header()
        yield Static(Content(""), id="too-small", markup=False)
        with Horizontal(id="panes", classes="part"):
            yield ToolsPane()
            with Vertical(id="right"):
                yield CallPane(self.app.keymap.label("call"))
                yield ResultPane(self._hints, self.app.clock)
        for part in (CallsPane(self.app.calls, self.app.clock), ServerLogPane(self.app.feed), KeyLine()):
            part.add_class("part")
            yield part

    @property
    def tools(self) -> ToolsPane:
        """The pane with the tools."""
        return self.query_one(ToolsPane)

    def on_mount(self) -> None:
        """Start the clock of the screen."""
        self.tools.say(one_line("connecting..."))
        self.set_interval(1.0, self.tick)
        self.tick()
        self.draw_keys()

    def fit(self, size: Size) -> None:
        """Choose the layout for a size. Textual's breakpoints miss a size that changes under another screen."""
        width = next(name for least, name in _WIDTHS if size.width >= least)
        height = next(name for least, name in _HEIGHTS if size.height >= least)
        self.update_classes({name: name in (width, height) for _, name in (*_WIDTHS, *_HEIGHTS)}, animate=False)

    def on_screen_resume(self) -> None:
        """Choose the layout again: the size may have changed meanwhile."""
        self.fit(self.app.size)

    async def add_form(self) -> None:
        """Complete the screen."""
        await self.query_one(CallPane).add_form()

    def connected(self) -> None:
        """Note when the connection began, and that the tools are being read."""
        self._since = self.app.clock.monotonic()
        if not self.tools.tools:
            self.tools.say(one_line("reading the tools..."))

    def tick(self) -> None:
        """Bring everything that changes with time up to date."""
        self.draw_header()
        self.query_one(CallsPane).tick()
        self.query_one(ServerLogPane).tick()
        result = self.query_one(ResultPane)
        if result.entry is not None and result.entry.running:
            result.show_call(result.entry)

    def draw_call(self, entry: CallEntry) -> None:
        """Bring one call's row, and its result if it is shown, up to date."""
        self.query_one(CallsPane).draw(entry)
        result = self.query_one(ResultPane)
        if result.entry is entry:
            result.show_call(entry)

    def draw_header(self) -> None:
        """Say where we are, how the connection stands, and what waits."""
        if not self.is_attached:
            return
        link, server, clock = self.app.link, self.app.server, self.app.clock
        name = one_line(server.name, 60)
        lost = link.state is LinkState.LOST
        left: list[Shown | str]
        if lost:
            left = [name, "  LOST: ", one_line(link.why, 200)]
        elif link.state is LinkState.CONNECTED:
            left = [name, "  connected ", duration(clock.monotonic() - self._since)]
            if self.size.width >= _WIDE and server.configured:
                left += ["   ", one_line(server.configured, 80)]
        else:
            left = ["connecting to ", name]
        questions = self.app.questions
        waiting, soonest = (questions.count, questions.soonest) if questions is not None else (0, None)
        grants = questions.queue.grants if questions is not None else None
        right = f"{waiting} WAITING ({self.app.keymap.label('pending')})" if waiting else ""
        if soonest is not None:
            right += f"  {soonest.left} left"
        if grants is not None and grants.count:
            right = f"{grants.count} WITHOUT ASKING ({self.app.keymap.label('revoke-grant')})   {right}".rstrip()
        if lost:
            right = f"{right}   {self.app.keymap.label('reconnect')} connects again".strip()
        self.query_one(Header).show(left, right, waiting=bool(waiting), lost=lost)

    def draw_keys(self) -> None:
        """Show the keys that count where the focus is."""
        keymap = self.app.keymap
        _, names = PANES.get(self._pane(), PANES["left"])
        keys = [(keymap.label(name), BY_NAME[name].short) for name in names]
        keys += [(keymap.label("palette"), "commands"), (keymap.label("quit"), "quit"), (keymap.label("help"), "keys")]
        self.query_one(KeyLine).show(keys)

    def on_descendant_focus(self) -> None:
        """Show the keys of the pane that has the focus now."""
        self.draw_keys()

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout, and say so where the terminal is too small."""
        self.fit(event.size)
        if self.has_class("-too-narrow") or self.has_class("-too-short"):
            size, need = f"{event.size.width}x{event.size.height}", f"{MIN_COLUMNS}x{MIN_ROWS}"
            keys = f"{self.app.keymap.label('quit')} quits."
            text = f"The terminal has {size} characters; {need} are needed. Everything goes on meanwhile. {keys}"
            self.query_one("#too-small", Static).update(Content(text))
        self.draw_header()

    # What the panes say.

    @on(ToolsPane.Picked)
    def describe(self, event: ToolsPane.Picked) -> None:
        """Describe the tool that the cursor is on."""
        self.query_one(CallPane).show(event.tool)

    @on(ToolsPane.Chosen)
    def write(self, event: ToolsPane.Chosen) -> None:
        """Write a call of a tool."""
        self.query_one(CallPane).show(event.tool)
        self.action_focus_on("call")

    @on(CallPane.Wanted)
    def make(self, event: CallPane.Wanted) -> None:
        """Make a call."""
        self.app.start_call(event.tool.name, event.arguments)

    @on(CallsPane.Picked)
    def look(self, event: CallsPane.Picked) -> None:
        """Show the call that the cursor is on."""
        self.query_one(ResultPane).show_call(event.entry)
        if isinstance(event, CallsPane.Chosen):
            self.action_result()

    # What keys do.

    def action_focus_on(self, pane: str) -> None:
        """Go to a pane."""
        # Not `focus()`, which waits its turn: keys typed at once would still go to the old pane.
        if pane == "call":
            self.query_one(CallPane).focus_arguments()
        else:
            inner = {"left": "#tools", "log": "#calls"}.get(pane, f"#{pane}")
            self.set_focus(self.query_one(inner))

    def action_search(self) -> None:
        """Search the calls where the focus is on them, otherwise the tools."""
        if self._pane() == "log":
            self.query_one(CallsPane).search()
        else:
            self.set_focus(self.query_one("#search"))

    def action_back(self) -> None:
        """End a search of the calls, or go to the tools."""
        if not (self._pane() == "log" and self.query_one(CallsPane).end_search()):
            self.action_focus_on("left")

    def action_call(self) -> None:
        """Call the tool with the arguments that are written."""
        self.query_one(CallPane).call()

    def action_filter(self) -> None:
        """List other calls."""
        self.query_one(CallsPane).next_filter()

    def action_result(self) -> None:
        """Open the call in full."""
        from allowly_harness.tui.resultpage import ResultPage

        entry = self.query_one(ResultPane).entry
        if entry is not None:
            self.app.push_screen(ResultPage(entry, self.app.clock.monotonic()))

    def action_raw(self) -> None:
        """Flip between the form and raw JSON."""
        self.query_one(CallPane).form.action_toggle_raw()

    def action_schema(self) -> None:
        """Show what the server says of the tool, and its schema in full."""
        from allowly_harness.tui.pages import Page

        tool = self.query_one(CallPane).tool
        if tool is not None:
            self.app.push_screen(Page("SCHEMA", lambda width: lay_out_sections(tool.schema_sections(), width)))

    def action_copy(self) -> None:
        """Copy the result as it is shown."""
        from allowly_harness.tui.pages import copy_lines

        copy_lines(self.app, self.query_one(ResultPane).lines)

    def action_save(self) -> None:
        """Save the call and its result to a file."""
        from allowly_harness.tui.resultpage import save_call

        entry = self.query_one(ResultPane).entry
        if entry is not None:
            save_call(self.app, entry)

    def action_server_log(self) -> None:
        """Show the server's log in full."""
        from allowly_harness.tui.logpage import LogPage

        self.app.push_screen(LogPage(self.app.feed))

    def action_browse(self) -> None:
        """Show resources and prompts of the server."""
        from allowly_harness.tui.browse import BrowseScreen

        self.app.push_screen(BrowseScreen())

    def action_themes(self) -> None:
        """Choose the colours."""
        from allowly_harness.tui.choosing import ThemeChooser

        self.app.push_screen(ThemeChooser(sorted(self.app.available_themes), self.app.theme))

    def action_palette(self) -> None:
        """Choose a command or a tool by its name."""
        from allowly_harness.tui.choosing import Choice, Chooser

        keymap = self.app.keymap
        choices = [
            Choice(f"verb {verb.name}", own(text), keymap.label(verb.name), f"{text} {verb.short}")
            for verb in MAIN
            if verb.name != "palette" and (text := TEXTS[verb.name])
        ]
        choices += [
            Choice(f"tool {tool.name}", joined(["tool ", tool.label]), "", f"tool {tool.name} {tool.title}")
            for tool in self.tools.tools
        ]
        self.app.push_screen(Chooser[str]("COMMANDS AND TOOLS", choices), self._chosen)

    def action_call_again(self) -> None:
        """Put the arguments of the call under the cursor back; nothing is sent."""
        entry = self.query_one(CallsPane).current
        if entry is None:
            return
        if not self.tools.pick(entry.call.tool):
            self.app.complain(f"the server lists no tool {entry.call.tool!r} now")
            return
        tool = next(tool for tool in self.tools.tools if tool.name == entry.call.tool)
        self.query_one(CallPane).show(tool, entry.call.payload())
        self.action_focus_on("call")

    def action_cancel_call(self) -> None:
        """Cancel the call that the cursor is on, or the last one that runs."""
        running = self.app.calls.running
        current = self.query_one(CallsPane).current
        if current is not None and current.running:
            self.app.calls.cancel(current)
        elif running:
            self.app.calls.cancel(running[-1])

    def action_pending(self) -> None:
        """Show all that waits."""
        if self.app.questions is not None:
            self.app.questions.open_queue()

    async def action_revoke_grant(self) -> None:
        """Take back the grant that last approved a call without asking."""
        from allowly_harness.tui.asking.revoking import revoke_last

        questions = self.app.questions
        self.app.say(await revoke_last(questions.queue.grants if questions is not None else None))

    def action_reconnect(self) -> None:
        """Connect again."""
        self.app.reconnect()

    def action_help(self) -> None:
        """Show what the keys do, those of the pane with the focus first."""
        from allowly_harness.tui.pages import Page

        keymap, pane = self.app.keymap, self._pane()
        self.app.push_screen(Page("KEYS", lambda width: help_lines(keymap, pane, width)))

    async def _chosen(self, what: str | None) -> None:
        kind, _, name = (what or "").partition(" ")
        if kind == "tool" and self.tools.pick(name):
            self.action_focus_on("call")
        elif kind == "verb":
            await self.run_action(BY_NAME[name].action)

    def _pane(self) -> str:
        widget: Widget | None = self.focused
        while widget is not None and widget.id not in PANES:
            widget = widget.parent if isinstance(widget.parent, Widget) else None
        return widget.id or "left" if widget is not None else "left"
