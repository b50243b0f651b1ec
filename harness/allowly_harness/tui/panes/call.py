"""The call that is being written: what the server says of the tool, and its arguments.

What was typed for a tool stays with it while another one is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from allowly_harness.arguments import problem_with
from allowly_harness.display.layout import lay_out_sections
from allowly_harness.display.sanitize import joined, one_line
from allowly_harness.forms.json_text import JSONTextError, parse_json_object
from allowly_harness.tui.lines import LinesView, content
from allowly_harness.workbench.tools import ToolEntry

VALIDATE_SECONDS: Final = 0.3
"""How long typing must pause before arguments are checked."""

_EMPTY: Final[Mapping[str, Any]] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
    "object": {},
}


class CallPane(Vertical):
    """Writes a call; says so when it is to be made."""

    DEFAULT_CSS = """
    CallPane #about { height: 4; padding: 0 1; }
    CallPane #editor { height: 1fr; border: none; padding: 0 1; background: $surface; }
    CallPane #check { height: 1; padding: 0 1; color: $text-muted; }
    CallPane #check.-bad { color: $text-warning; }
    """

    class Wanted(Message):
        """A tool is to be called."""

        def __init__(self, tool: ToolEntry, arguments: Mapping[str, Any]) -> None:
            super().__init__()
            self.tool = tool
            self.arguments = arguments

    def __init__(self) -> None:
        super().__init__(id="call")
        self.tool: ToolEntry | None = None
        self._drafts: dict[str, str] = {}
        self._insisting: tuple[str, str] | None = None

    def compose(self) -> ComposeResult:
        """Compose description, editor and verdict."""
        yield LinesView(id="about", focusable=True)
        yield TextArea("", id="editor", soft_wrap=True, tab_behavior="focus", show_line_numbers=False)
        yield Static(Content(""), id="check", markup=False)

    def show(self, tool: ToolEntry, arguments: Mapping[str, Any] | None = None) -> None:
        """Write a call of this tool: with these arguments, or with what was typed for it before."""
        if tool is self.tool and arguments is None:
            return
        self.tool = tool
        self.query_one("#about", LinesView).show(lambda width: lay_out_sections(tool.sections(), width))
        if arguments is not None:
            self._drafts[tool.name] = json.dumps(arguments, indent=2, ensure_ascii=True)
        self.query_one("#editor", TextArea).text = self._drafts.get(tool.name) or _draft(tool)
        self.border_title = content(joined([" ", tool.label, " "]))
        self._check()

    def focus_arguments(self) -> None:
        """Go to the first argument."""
        self.screen.set_focus(self.query_one("#editor"))

    def call(self) -> None:
        """Ask for the call; in spite of a complaint about the arguments only at the second attempt."""
        tool = self.tool
        if tool is None:
            return
        text = self.query_one("#editor", TextArea).text
        arguments, problem = self._parsed(tool, text)
        if arguments is None:
            self._say(problem, bad=True)
        elif problem and self._insisting != (tool.name, text):
            self._insisting = (tool.name, text)
            self._check()
        else:
            self._insisting = None
            self.post_message(self.Wanted(tool, arguments))

    @on(TextArea.Changed, "#editor")
    def typed(self, event: TextArea.Changed) -> None:
        """Keep what was typed for this tool, and check it when typing pauses."""
        if self.tool is not None:
            self._drafts[self.tool.name] = event.text_area.text
        self.set_timer(VALIDATE_SECONDS, self._check)

    def _check(self) -> None:
        if self.tool is None or not self.is_attached:
            return
        text = self.query_one("#editor", TextArea).text
        _, problem = self._parsed(self.tool, text)
        if problem and self._insisting == (self.tool.name, text):
            problem = f"once more sends it all the same: {problem}"
        self._say(problem or "fits the tool's schema", bad=bool(problem))

    def _parsed(self, tool: ToolEntry, text: str) -> tuple[dict[str, Any] | None, str]:
        try:
            arguments = parse_json_object(text if text.strip() else "{}")
        except JSONTextError as error:
            return None, f"no JSON: {error}"
        return arguments, problem_with(arguments, tool.schema) or ""

    def _say(self, text: str, *, bad: bool) -> None:
        check = self.query_one("#check", Static)
        check.set_class(bad, "-bad")
        check.update(content(joined(["! " if bad else "ok: ", one_line(text, 300)])))


def _draft(tool: ToolEntry) -> str:
    properties = tool.schema.get("properties")
    if not isinstance(properties, Mapping):
        return "{}"
    fields = {name: _EMPTY.get(str(_kind(schema))) for name, schema in properties.items() if name in tool.required}
    return json.dumps(fields, indent=2, ensure_ascii=True)


def _kind(schema: object) -> object:
    return schema.get("type") if isinstance(schema, Mapping) else None
