"""The main prompt: one line, more of them while a bracket is open, with completion and a kept history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import Completer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.shortcuts import CompleteStyle

from allowly_harness.approvers.chat.arguments import is_unfinished
from allowly_harness.approvers.chat.console import Console
from allowly_harness.approvers.chat.hosts import BaseLine
from allowly_harness.approvers.chat.text import STYLE, is_dumb, plain_lines, say, terminal_output
from allowly_harness.chat.commands import MAX_COMMAND_CHARACTERS

CONTINUATION: Final = "... "
"""Stands before every further line of one command."""


class MainPrompt:
    """Reads commands. Questions open over it while nothing stands in it.

    Args:
        name: The server's name, safe to draw.
        console: Who may use the terminal.
        history: Where typed lines are kept.
        completer: Completes them.
        toolbar: What the line at the bottom says, or nothing; never anything that is not printed, too.
    """

    def __init__(
        self, name: str, console: Console, history: History, completer: Completer, toolbar: Callable[[], str]
    ) -> None:
        terminal_output()
        self._console = console
        self._toolbar = toolbar
        self._default = ""
        self._session: PromptSession[str] = PromptSession(
            FormattedText([("class:label", f"{name}> ")]),
            history=history,
            completer=completer,
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            enable_history_search=False,
            multiline=Condition(_goes_on),
            prompt_continuation=CONTINUATION,
            key_bindings=_bindings(),
            style=STYLE,
            enable_suspend=True,
        )
        self._base = BaseLine(self._session)

    def prefill(self, text: str) -> None:
        """Let the next prompt begin with a text, to be changed and sent by the person."""
        self._default = text

    def refresh(self) -> None:
        """Draw the line at the bottom anew; it is there only while it says something."""
        self._session.bottom_toolbar = self._toolbar if self._toolbar() else None
        self._session.app.invalidate()

    async def read(self) -> str:
        """Read one command.

        Raises:
            EOFError: Ctrl-D on an empty line, or the input ended.
            KeyboardInterrupt: Ctrl-C.
        """
        default, self._default = self._default, ""
        await self._console.idle()
        if default and is_dumb():
            say(f"in the prompt, Enter sends it: {default}")  # such a terminal does not show what stands there
        with self._console.reading(self._base):
            line = await self._session.prompt_async(set_exception_handler=False, default=default)
        return line[:MAX_COMMAND_CHARACTERS]


def _goes_on() -> bool:
    """Tell whether Enter begins a new line: a bracket is open, and the last line is not empty."""
    text = get_app().current_buffer.text
    return bool(text.rsplit("\n", 1)[-1].strip()) and is_unfinished(text)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add(Keys.BracketedPaste)
    def _(event: KeyPressEvent) -> None:
        # What is pasted is foreign text: a control character in it would be drawn, or would act, later.
        event.current_buffer.insert_text(plain_lines(event.data, MAX_COMMAND_CHARACTERS))

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return bindings
