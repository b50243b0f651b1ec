"""The call that is being written: what the server says of the tool, and its arguments.

What was typed for a tool stays with it while another one is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from allowly_harness.display.layout import lay_out_sections
from allowly_harness.display.sanitize import joined
from allowly_harness.tui.filling.arriving import after_typing
from allowly_harness.tui.lines import LinesView, content
from allowly_harness.workbench.tools import ToolEntry

if TYPE_CHECKING:
    from allowly_harness.tui.filling.form import FormDraft, FormPane

MAX_DRAFTS: Final = 200
"""For how many tools drafts are kept; the one that was left longest ago goes first."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was typed for a tool: for which schema, all of it, and what it came to (`None` if to nothing)."""

    schema: Mapping[str, Any]
    draft: FormDraft
    value: Mapping[str, Any] | None


class AboutView(LinesView):
    """Shows a description in no more lines than it has, and in no more than a quarter of the pane."""

    _height = 1

    def _fit(self) -> None:
        super()._fit()
        pane = self.parent
        quarter = pane.size.height // 4 if isinstance(pane, Widget) else 0
        height = max(1, min(self.line_count, quarter))
        if height != self._height:
            self._height = height
            self.styles.height = height


class CallPane(Vertical):
    """Writes a call; says so when it is to be made."""

    DEFAULT_CSS = """
    CallPane #about { height: 1; padding: 0 1; }
    CallPane FormPane { padding: 0 1; }
    CallPane #insist { height: 1; padding: 0 1; color: $text-warning; display: none; }
    CallPane.-insisting #insist { display: block; }
    """

    class Wanted(Message):
        """A tool is to be called."""

        def __init__(self, tool: ToolEntry, arguments: Mapping[str, Any]) -> None:
            super().__init__()
            self.tool = tool
            self.arguments = arguments

    def __init__(self, call_key: str) -> None:
        super().__init__(id="call")
        self.tool: ToolEntry | None = None
        self._call_key = call_key
        self._drafts: dict[str, _Kept] = {}
        self._worth_keeping = False

    def compose(self) -> ComposeResult:
        """Compose the description; the form comes with `add_form`."""
        yield AboutView(id="about", focusable=True)
        insist = f"{self._call_key} once more sends it all the same"
        yield Static(Content(insist), id="insist", markup=False)

    async def add_form(self) -> None:
        """Put the form in: it and what it needs take longer to load than all else on the screen."""
        from allowly_harness.tui.filling.form import FormPane

        await self.mount(FormPane(id="arguments"), after="#about")

    @property
    def form(self) -> FormPane:
        """The arguments; there once `add_form` was awaited."""
        return cast("FormPane", self.query_one("#arguments"))

    def show(self, tool: ToolEntry, arguments: Mapping[str, Any] | None = None) -> None:
        """Write a call of this tool: with these arguments, or with what was typed for it before."""
        if tool is self.tool and arguments is None:
            return
        if (
            arguments is None
            and self.tool is not None
            and tool.name == self.tool.name
            and tool.schema == self.tool.schema
        ):
            # Listed again: nobody who is typing is to notice.
            self._describe(tool)
            return
        self.keep_draft()
        self._describe(tool)
        self.remove_class("-insisting")
        kept = self._drafts.pop(tool.name, None)
        self._worth_keeping = arguments is not None or kept is not None
        if arguments is not None:
            self.form.show(tool.schema, arguments)
        elif kept is not None and kept.schema == tool.schema:
            self.form.show(tool.schema, draft=kept.draft)
        else:
            # The server has another schema by now: what was typed stays, in the form or as JSON beside it.
            self.form.show(tool.schema, kept.value if kept is not None else None)

    def keep_draft(self) -> None:
        """Keep what was typed for the tool that is shown now."""
        if self.tool is None or not (self.form.dirty or self._worth_keeping):
            return
        self._drafts[self.tool.name] = _Kept(self.tool.schema, self.form.draft(), self.form.examination.value)
        while len(self._drafts) > MAX_DRAFTS:
            del self._drafts[next(iter(self._drafts))]

    def _describe(self, tool: ToolEntry) -> None:
        self.tool = tool
        self.border_title = content(joined([" ", tool.label, " "]))
        self.query_one("#about", LinesView).show(lambda width: lay_out_sections(tool.about(), width))

    def focus_arguments(self) -> None:
        """Go to the first argument."""
        self.form.focus_first()

    def call(self) -> None:
        """Ask for the call; in spite of a complaint about the arguments only at the second attempt."""
        if self.tool is not None:
            name = self.tool.name
            after_typing(self.form, lambda: self._call(name))

    def _call(self, name: str) -> None:
        tool = self.tool
        if tool is None or tool.name != name:  # another one was chosen meanwhile
            return
        arguments = self.form.read(insist=self.has_class("-insisting"))
        if arguments is not None:
            self.remove_class("-insisting")
            self.form.mark_sent()
            self._worth_keeping = True
            self.post_message(self.Wanted(tool, arguments))
        elif self.form.examination.value is not None:
            self.add_class("-insisting")

    def on_form_pane_changed(self) -> None:
        """Take the insisting back: other arguments, another complaint."""
        self.remove_class("-insisting")
