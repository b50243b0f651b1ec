"""The main screen: tools on the left, the call being written on the right, what was called below."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from allowly_harness.arguments import problem_with
from allowly_harness.display.card import Row, Section
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.sanitize import Shown, joined, one_line, own
from allowly_harness.tui.calls import MAX_CALLS, CallEntry
from allowly_harness.tui.lines import LinesView, content
from allowly_harness.tui.serverlog import ServerLog
from allowly_harness.tui.tools import ToolEntry

if TYPE_CHECKING:
    from allowly_harness.tui.app import HarnessApp

VALIDATE_SECONDS: Final = 0.3
"""How long typing must pause before arguments are checked."""


class MainScreen(Screen[None]):
    """Lists tools, writes calls, shows what came of them."""

    app: HarnessApp
    AUTO_FOCUS: ClassVar[str | None] = "#tools"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - as Textual
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (20, "-medium"), (32, "-tall")]  # noqa: RUF012 - as Textual
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "focus_on('search')", "search", key_display="/"),
        Binding("ctrl+r", "call", "call it", priority=True),
        Binding("e", "focus_on('editor')", "edit"),
        Binding("l", "focus_on('calls')", "calls"),
        Binding("w", "waiting", "waiting"),
        Binding("x", "cancel_call", "cancel call"),
        Binding("question_mark", "help", "keys", key_display="?"),
        Binding("escape", "focus_on('tools')", "tools", key_display="esc"),
        Binding("ctrl+q", "app.quit", "quit", show=True, priority=True),
    ]
    CSS = """
    MainScreen { layout: vertical; }
    #header { height: 1; background: $primary; color: $text; text-style: bold; padding: 0 1; }
    #panes { height: 1fr; }
    #left { width: 26; border-right: solid $panel-lighten-2; }
    .-wide #left { width: 36; }
    #search { height: 1; border: none; padding: 0 1; background: $panel; }
    #tools { height: 1fr; border: none; background: transparent; padding: 0; scrollbar-size-vertical: 1; }
    #count { height: 1; color: $text-muted; padding: 0 1; }
    #about { height: 4; padding: 0 1; }
    .-short #about { height: 2; }
    .-tall #about { height: 9; }
    #editor { height: 6; border: none; border-top: solid $panel-lighten-2; padding: 0 1; background: transparent; }
    .-short #editor { height: 3; border: none; }
    .-tall #editor { height: 9; }
    #check { height: 1; padding: 0 1; color: $text-muted; }
    #check.-bad { color: $text-warning; }
    #result { height: 1fr; border-top: solid $panel-lighten-2; padding: 0 1; }
    #result:focus { border-top: solid $accent; }
    .-short #result { border: none; }
    #calls { height: 5; border: none; border-top: solid $panel-lighten-2; background: transparent; padding: 0;
             scrollbar-size-vertical: 1; }
    #calls:focus { border-top: solid $accent; }
    .-short #calls { height: 2; border: none; }
    .-tall #calls { height: 9; }
    #log { height: 1; color: $text-muted; padding: 0 1; }
    .-short #log { display: none; }
    """

    def __init__(self, hints: Sequence[str], log: ServerLog) -> None:
        super().__init__()
        self._hints = tuple(hints)
        self._server_log = log
        self._tools: list[ToolEntry] = []
        self._listed: list[ToolEntry] = []
        self._drafts: dict[str, str] = {}
        self._tool: ToolEntry | None = None
        self._insisting: tuple[str, str] | None = None
        self._shown_call: CallEntry | None = None

    def compose(self) -> ComposeResult:
        """Compose the panes."""
        yield Static(Content(""), id="header", markup=False)
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield Input(id="search", placeholder="/ search tools", compact=True)
                yield OptionList(id="tools", markup=False)
                yield Static(Content("reading the tools..."), id="count", markup=False)
            with Vertical(id="right"):
                yield LinesView(id="about", focusable=True)
                yield TextArea("", id="editor", soft_wrap=True, tab_behavior="focus", show_line_numbers=False)
                yield Static(Content(""), id="check", markup=False)
                yield LinesView(self._result_lines, id="result", focusable=True)
        yield OptionList(id="calls", markup=False)
        yield Static(Content(""), id="log", markup=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Start the clock of the screen."""
        self.set_interval(1.0, self.tick)
        self.tick()

    def show_tools(self, tools: list[ToolEntry]) -> None:
        """List these tools."""
        self._tools = tools
        self._list("")

    def show_problem(self, text: Shown) -> None:
        """Say in the place of the tools why there are none."""
        self.query_one("#count", Static).update(content(text))

    def tick(self) -> None:
        """Bring everything that changes with time up to date."""
        self.draw_header()
        running = [entry for entry in self.app.calls if entry.running]
        for entry in running:
            self.draw_call(entry)
        if self._server_log.read():
            self.query_one("#log", Static).update(content(joined(["server log: ", self._server_log.last])))

    def add_call(self, entry: CallEntry) -> None:
        """Put a call at the end of the log and show it."""
        calls = self.query_one("#calls", OptionList)
        calls.add_option(Option(self._row(entry), id=str(entry.number)))
        if calls.option_count > MAX_CALLS:
            calls.remove_option_at_index(0)
        calls.highlighted = calls.option_count - 1
        self._show_call(entry)

    def draw_call(self, entry: CallEntry) -> None:
        """Bring one call's row, and its result if it is shown, up to date."""
        calls = self.query_one("#calls", OptionList)
        calls.replace_option_prompt(str(entry.number), self._row(entry))
        if self._shown_call is entry:
            self.query_one("#result", LinesView).show(self._result_lines, keep_place=True)
        self.draw_header()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter the tools as it is typed."""
        self._list(event.value)

    def on_input_submitted(self) -> None:
        """Go to the tools that were found."""
        self.set_focus(self.query_one("#tools"))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Describe the tool, or show the call, that the cursor is on."""
        if event.option_list.id == "tools":
            self._pick(self._listed[event.option_index])
        elif event.option.id is not None and (entry := self.app.call(int(event.option.id))):
            self._show_call(entry)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Write the call of the tool, or open the call in full."""
        if event.option_list.id == "tools":
            self.set_focus(self.query_one("#editor"))
        elif self._shown_call is not None:
            self.app.open_call(self._shown_call)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Keep the draft of this tool, and check it when typing pauses."""
        if self._tool is not None:
            self._drafts[self._tool.name] = event.text_area.text
        self.set_timer(VALIDATE_SECONDS, self._check)

    def on_key(self, event: events.Key) -> None:
        """Leave the search line downwards."""
        if event.key == "down" and self.focused is self.query_one("#search"):
            event.stop()
            self.set_focus(self.query_one("#tools"))

    def action_focus_on(self, pane: str) -> None:
        """Go to a pane."""
        # Not `focus()`, which waits its turn: keys typed at once would still go to the old pane.
        self.set_focus(self.query_one(f"#{pane}"))

    def action_call(self) -> None:
        """Call the tool with what stands in the editor; a second time in spite of a complaint."""
        tool = self._tool
        if tool is None:
            return
        text = self.query_one("#editor", TextArea).text
        arguments, problem = self._parsed(tool, text)
        if arguments is None:
            self._say_check(problem or "", bad=True)
            return
        if problem is not None and self._insisting != (tool.name, text):
            self._insisting = (tool.name, text)
            self._say_check(f"^r again sends it all the same: {problem}", bad=True)
            return
        self._insisting = None
        self.app.start_call(tool.name, arguments)

    def action_cancel_call(self) -> None:
        """Cancel the call that the cursor is on, or the last one that runs."""
        running = [entry for entry in self.app.calls if entry.running]
        shown = self._shown_call
        if shown is not None and shown.running:
            self.app.cancel_call(shown)
        elif running:
            self.app.cancel_call(running[-1])

    def action_waiting(self) -> None:
        """Open what waits for somebody else."""
        self.app.open_next_wait()

    def action_help(self) -> None:
        """Show what the keys do."""
        self.app.open_help()

    def _list(self, words: str) -> None:
        self._listed = [tool for tool in self._tools if tool.matches(words)]
        tools = self.query_one("#tools", OptionList)
        tools.clear_options()
        tools.add_options([Option(content(tool.label)) for tool in self._listed])
        odd = sum(1 for tool in self._tools if tool.label.odd)
        shown = f"{len(self._listed)} of {len(self._tools)} tools" if words.strip() else f"{len(self._tools)} tools"
        text = shown + (f", {odd} unusual {'name' if odd == 1 else 'names'}" if odd else "")
        self.query_one("#count", Static).update(Content(text))
        if self._listed:
            tools.highlighted = 0

    def _pick(self, tool: ToolEntry) -> None:
        if tool is self._tool:
            return
        self._tool = tool
        self.query_one("#about", LinesView).show(lambda width: lay_out_sections(tool.sections(), width))
        self.query_one("#editor", TextArea).text = self._drafts.get(tool.name) or tool.draft()
        self._check()

    def _check(self) -> None:
        if self._tool is None or not self.is_attached:
            return
        arguments, problem = self._parsed(self._tool, self.query_one("#editor", TextArea).text)
        if problem is None:
            self._say_check("fits the tool's schema   ^r calls it", bad=False)
        else:
            self._say_check(problem, bad=arguments is None or bool(problem))

    def _parsed(self, tool: ToolEntry, text: str) -> tuple[dict[str, Any] | None, str | None]:
        try:
            value: Any = json.loads(text or "{}", object_pairs_hook=_no_duplicates)
        except json.JSONDecodeError as error:
            return None, f"no JSON: {error.msg}, line {error.lineno}, column {error.colno}"
        except (ValueError, RecursionError) as error:
            return None, f"no JSON: {str(error)[:100]}"
        if not isinstance(value, dict):
            return None, "the arguments must be a JSON object: {...}"
        arguments = cast("dict[str, Any]", value)
        return arguments, problem_with(arguments, tool.schema)

    def _say_check(self, text: str, *, bad: bool) -> None:
        check = self.query_one("#check", Static)
        check.set_class(bad, "-bad")
        check.update(content(joined(["! " if bad else "ok: ", one_line(text, 300)])))

    def _show_call(self, entry: CallEntry) -> None:
        self._shown_call = entry
        self.query_one("#result", LinesView).show(self._result_lines)

    def _result_lines(self, width: int) -> tuple[Line, ...]:
        if self._shown_call is not None:
            return lay_out_sections(self._shown_call.sections(), width)
        rows = tuple(Row(Shown(), one_line(hint, 300)) for hint in self._hints)
        return lay_out_sections((Section(own("TRY"), rows),), width) if rows else ()

    def _row(self, entry: CallEntry) -> Content:
        return content(entry.row(self.app.clock.monotonic(), max(40, self.size.width - 4)))

    def draw_header(self) -> None:
        """Say where we are, and how many questions are open."""
        waiting = self.app.waiting
        parts: list[Shown | str] = ["allowly-harness  ", one_line(self.app.server.name, 60), "  connected"]
        if self.size.width >= 100 and self.app.server.configured:  # noqa: PLR2004 - as the breakpoint above
            parts += ["  (", one_line(self.app.server.configured, 60), ")"]
        if waiting:
            parts.append(f"   {waiting} WAITING (w)")
        self.query_one("#header", Static).update(content(joined(parts)))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return made
