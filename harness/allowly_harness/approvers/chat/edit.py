"""Changing the arguments of a call on a terminal line: in the person's editor, on the line, or one by one.

What is changed is checked against the tool's schema and shown beside the old before it is sent. Sending
it approves nothing: the changed call is a new one, and is decided afresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from allowly_harness.approvers.chat.arguments import ArgumentsError, change_arguments
from allowly_harness.approvers.chat.editor import EditFile, EditorFailed
from allowly_harness.approvers.chat.text import MAX_DRAFT_CHARACTERS, QuestionLine, columns, draw, is_dumb, say
from allowly_harness.arguments import problem_with
from allowly_harness.display.diff import diff_sections
from allowly_harness.display.layout import lay_out_sections
from allowly_harness.display.sanitize import plain
from allowly_harness.forms.coerce import coercer
from allowly_harness.forms.json_text import JSONTextError, parse_json_object, write_json
from allowly_harness.protocol.models import ApprovalRequest, ToolCall

_WHAT_NOW: Final = "send | edit | edit NAME=text | back: "


class Edit:
    """One change of a call's arguments, until it is sent or given up.

    Args:
        request: Whose call is changed.
        edit_file: Opens an editor; `None` where there is none.
    """

    def __init__(self, request: ApprovalRequest, edit_file: EditFile | None) -> None:
        self._request = request
        self._edit_file = edit_file
        self._old: Mapping[str, Any] = request.call.payload()
        self._draft = write_json(self._old)
        self._new: dict[str, Any] | None = None
        self._coerce = coercer(request.tool.input_schema)

    async def run(self, words: str) -> dict[str, Any] | None:
        """Edit; return what is to be sent, or `None` for nothing.

        Args:
            words: What was typed behind `edit`.

        Raises:
            KeyboardInterrupt: Ctrl-C at the question what to do with it.
            EOFError: Ctrl-D there.
        """
        await self._change(words)
        line = QuestionLine(lambda: [("", _WHAT_NOW)])
        while True:
            typed = (await line.read(flush=True)).strip()
            verb, _, rest = typed.partition(" ")
            match verb.lower():
                case "back":
                    return None
                case "send" if not rest and self._new is not None:
                    return self._new
                case "send":
                    say("There is nothing to send yet.", "warning")
                case "edit":
                    await self._change(rest)
                case _:
                    say("Type send, edit, edit NAME=text, or back (nothing is changed).", "warning")

    async def _change(self, words: str) -> None:
        if words:
            self._change_some(words)
            return
        try:
            text = await self._written()
        except EditorFailed as error:
            say(plain(f"{error}. Nothing was changed.", 300), "bad")
            say("  edit NAME=text changes one argument, without an editor", "note")
            return
        if text is None:
            return
        self._draft = text
        try:
            self._take(parse_json_object(text))
        except JSONTextError as error:
            self._new = None
            say(f"Not sent: {plain(str(error), 300)}. edit opens it again.", "bad")

    def _change_some(self, words: str) -> None:
        try:
            new = change_arguments(self._new if self._new is not None else self._old, words, coerce=self._coerce)
        except ArgumentsError as error:
            say(f"{plain(str(error), 300)}. Nothing was changed.", "warning")
            return
        self._draft = write_json(new)
        self._take(new)

    async def _written(self) -> str | None:
        if self._edit_file is not None:
            return await self._edit_file(self._draft, ".json")
        if is_dumb():
            raise EditorFailed("no editor is set ($VISUAL or $EDITOR)")
        say("Change the JSON. Alt-Enter (or Escape, then Enter) ends it, Ctrl-C leaves it as it was.", "note")
        line = QuestionLine(lambda: [("", "")], multiline=True, refresh=False, limit=MAX_DRAFT_CHARACTERS)
        try:
            return await line.read(default=self._draft)
        except (KeyboardInterrupt, EOFError):
            return None

    def _take(self, new: dict[str, Any]) -> None:
        self._new = None
        try:
            call = ToolCall(self._request.call.server, self._request.call.tool, new)
        except ValueError as error:
            say(f"It cannot be sent: {plain(str(error), 300)}. edit opens it again.", "bad")
            return
        if call == self._request.call:
            say("These are the arguments as they were.", "warning")
            return
        problem = problem_with(new, self._request.tool.input_schema)
        draw(lay_out_sections(diff_sections(self._old, new), columns()))
        if problem is not None:
            say(f"It does not fit the tool: {plain(problem, 300)}. edit opens it again.", "bad")
            return
        self._new = call.payload()
        say("  it fits the tool's schema; send asks for a fresh decision on it", "note")
