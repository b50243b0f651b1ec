"""Drawing and reading on a plain terminal line with prompt-toolkit, for the chat approver and front end."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app_session
from prompt_toolkit.clipboard import InMemoryClipboard
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import DummyHistory
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import Output
from prompt_toolkit.output.plain_text import PlainTextOutput
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import is_dumb_terminal

from allowly_harness.display.layout import MIN_WIDTH, Line, Piece, Role
from allowly_harness.display.sanitize import plain

STYLE: Final = Style.from_dict(
    {
        Role.PLAIN: "",
        Role.HEADING: "bold",
        Role.LABEL: "ansicyan",
        Role.VALUE: "",
        Role.NOTE: "ansibrightblack",
        Role.WARNING: "bold ansiyellow",
        Role.GUTTER: "ansimagenta",
        Role.FOREIGN: "",
        Role.ALTERED: "reverse",
        "title": "bold reverse",
        "time": "bold",
        "good": "ansigreen",
        "bad": "bold ansired",
    }
)
"""The terminal's own sixteen colours only; `NO_COLOR` is honoured by prompt-toolkit."""

MAX_TYPED_CHARACTERS: Final = 2_000
"""Longest line that is read as the answer to a question."""

MAX_DRAFT_CHARACTERS: Final = 1024 * 1024
"""Longest text of several lines that is read."""

PASTED_CHARACTERS: Final = 8
"""So many characters in one read make a line a pasted one, on a terminal that does not mark pastes."""


def is_terminal() -> bool:
    """Tell whether a person can be asked: standard input and output are both terminals."""
    try:
        return sys.stdin.isatty() and sys.stdout.isatty()
    except (AttributeError, ValueError):  # closed or replaced streams
        return False


def terminal_output() -> Output:
    """Return what is written to. On a terminal that only prints, it writes no escape sequence."""
    session = get_app_session()
    if is_dumb() and session._output is None:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - it has no setter
        # The usual output would begin with two sequences as soon as a prompt is made.
        session._output = PlainTextOutput(sys.stdout)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return session.output


def columns() -> int:
    """Return how many columns may be written without reaching the last one."""
    return max(MIN_WIDTH, terminal_output().get_size().columns - 1)


def is_dumb() -> bool:
    """Tell whether the terminal can do nothing but print: no colours, nothing is ever redrawn."""
    return is_dumb_terminal()


def say(text: str, style: str = "") -> None:
    """Print one line. The text must be ours, or sanitised."""
    draw([(Piece(text),)] if not style else [], styled=[(f"class:{style}", text)] if style else None)


def draw(lines: Iterable[Line], *, styled: list[tuple[str, str]] | None = None) -> None:
    """Print lines at once, also while another prompt is hidden by `in_terminal`.

    `prompt_toolkit.print_formatted_text` would queue them behind that prompt.
    """
    fragments = [*styled, ("", "\n")] if styled else []
    for line in lines:
        fragments += [(f"class:{piece.role}", piece.text) for piece in line]
        fragments.append(("", "\n"))
    output = terminal_output()
    if is_dumb():
        output.write("".join(text for _, text in fragments))
    else:
        print_formatted_text(output, FormattedText(fragments), STYLE)
    output.flush()


def drop_typed_ahead() -> None:
    """Throw away the keys that prompt-toolkit read behind the end of a line, and keeps for the next prompt."""
    clear_typeahead(get_app_session().input)


def flush_input(session: PromptSession[str]) -> None:
    """Throw away what was typed before now: in prompt-toolkit's own store and in the terminal's buffer."""
    source = session.app.input
    clear_typeahead(source)
    with contextlib.suppress(Exception):  # no terminal settings, or no file behind the input
        import termios  # not on Windows

        termios.tcflush(source.fileno(), termios.TCIFLUSH)
    source.flush_keys()


class QuestionLine:
    """Reads one line after another as answers, and knows whether anything was pasted into a line.

    Deleting the pasted text does not make the line a typed one: what was deleted can be brought back
    (Ctrl-Y, undo). The next line starts clean, with an empty kill ring.

    Args:
        message: Makes the text before the cursor, anew for every drawing; it carries the countdown,
            because a toolbar is not drawn on terminals that do not report the cursor position.
        multiline: Whether Enter begins a new line; Alt-Enter, or Escape and then Enter, ends the text.
        limit: Longest text that is read, in characters.
        refresh: Whether the message is drawn anew every second.
    """

    def __init__(
        self,
        message: Callable[[], list[tuple[str, str]]],
        *,
        multiline: bool = False,
        limit: int = MAX_TYPED_CHARACTERS,
        refresh: bool = True,
    ) -> None:
        terminal_output()
        self.pasted = False
        self._limit = limit
        self._multiline = multiline
        self._typing = _Typing()
        self.session: PromptSession[str] = PromptSession(
            lambda: FormattedText(message()),
            history=DummyHistory(),  # no key brings back an earlier answer
            key_bindings=self._bindings(),
            refresh_interval=1.0 if refresh else 0.0,
            multiline=multiline,
            style=STYLE,
            enable_suspend=True,
        )
        self.session.default_buffer.on_text_changed += self._typing.changed

    async def read(self, *, flush: bool = False, default: str = "", resume: bool = False) -> str:
        """Read one line.

        Args:
            flush: Throw away first what was typed up to now.
            default: What stands there already.
            resume: Go on with a line whose reading was cancelled, and with what is known of it.

        Raises:
            EOFError: Ctrl-D, or the input ended.
            KeyboardInterrupt: Ctrl-C.
        """
        if resume:
            default = self.session.default_buffer.text
        else:
            self.pasted = False
            self.session.clipboard = InMemoryClipboard()
            self._typing.begin()
        if flush:
            flush_input(self.session)
        # The caller's handlers for SIGINT and for errors of the loop stay; Ctrl-C comes as a key.
        line = await self.session.prompt_async(handle_sigint=False, set_exception_handler=False, default=default)
        if is_dumb() and self._typing.came_at_once:
            self.pasted = True
        return line[: self._limit]

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()

        @bindings.add(Keys.BracketedPaste)
        def _(event: KeyPressEvent) -> None:
            clean = plain_lines if self._multiline else plain
            event.current_buffer.insert_text(clean(event.data, self._limit))
            self.pasted = True

        return bindings


class _Typing:
    """Tells typing from pasting on terminals that do not mark a paste: nobody's keys come all at once."""

    def __init__(self) -> None:
        self._at_once = self._most = 0

    def begin(self) -> None:
        """A new line begins."""
        self._at_once = self._most = 0

    def changed(self, _: object) -> None:
        """A character came or went."""
        if self._at_once == 0:
            # What the terminal hands over in one read is handled before the loop turns again.
            asyncio.get_running_loop().call_soon(self._next_read)
        self._at_once += 1
        self._most = max(self._most, self._at_once)

    def _next_read(self) -> None:
        self._at_once = 0

    @property
    def came_at_once(self) -> bool:
        """Whether so many characters came in one read that they were pasted."""
        return self._most >= PASTED_CHARACTERS


def plain_lines(text: str, limit: int) -> str:
    """Return pasted text as safe lines; a carriage return, which terminals paste, is a line break."""
    lines = text[:limit].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(plain(line, limit) for line in lines)
