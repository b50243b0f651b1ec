"""The prompt or full screen of the program around, as far as questions must know of it to be polite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import fragment_list_to_text, to_formatted_text

from allowly_harness.approvers.chat.taking import running_app
from allowly_harness.approvers.chat.text import terminal_output

MAX_POSTPONED_SECONDS: Final = 5.0
"""How long typing in a program that told nothing of its prompt may keep a question from opening."""


class BaseLine:
    """The line, or the screen, that a person types on while nothing is asked.

    Args:
        session: Reads it.
        draft: Tells whether something stands there unsent; by default, whether there is any text.
    """

    def __init__(
        self, session: PromptSession[Any] | Application[Any], *, draft: Callable[[], bool] | None = None
    ) -> None:
        self._session = session
        self._app: Application[Any] = session.app if isinstance(session, PromptSession) else session
        self._draft = draft
        self.last_key = float("-inf")
        self.changed: Callable[[], None] = lambda: None
        if isinstance(session, PromptSession):
            session.default_buffer.on_text_changed += self._touched
        else:
            self._app.key_processor.after_key_press += self._touched
        self._app.key_processor.before_key_press += self._touched

    @property
    def draft(self) -> bool:
        """Whether something stands there that was not sent."""
        if self._draft is not None:
            return self._draft()
        if isinstance(self._session, PromptSession):
            return bool(self._session.default_buffer.text)
        return bool(self._app.current_buffer.text)

    def write_again(self) -> None:
        """Write prompt and draft once more, on terminals where nothing is redrawn."""
        if not isinstance(self._session, PromptSession):
            return
        output = terminal_output()
        output.write(fragment_list_to_text(to_formatted_text(self._session.message)))
        output.write(self._session.default_buffer.text)
        output.flush()

    def leave(self) -> None:
        """Look at the line no more."""
        if isinstance(self._session, PromptSession):
            self._session.default_buffer.on_text_changed -= self._touched
        else:
            self._app.key_processor.after_key_press -= self._touched
        self._app.key_processor.before_key_press -= self._touched

    def _touched(self, _: object) -> None:
        self.last_key = asyncio.get_running_loop().time()
        self.changed()


class UnknownHost:
    """A program whose prompt was open when a question came, and that told nothing of it."""

    def __init__(self) -> None:
        self._app: Application[Any] | None = None
        self._last_key = float("-inf")

    def last_key(self, now: float) -> float:
        """When a key was pressed last, as far as it was seen; text that stood there already counts as typed now."""
        app = running_app()
        if app is not self._app:
            self.forget()
            self._app = app
            if app is not None:
                app.key_processor.before_key_press += self._touched
                self._last_key = now if app.current_buffer.text else float("-inf")
        return self._last_key

    def forget(self) -> None:
        """Look at no program any more."""
        if self._app is not None:
            self._app.key_processor.before_key_press -= self._touched
        self._app, self._last_key = None, float("-inf")

    def _touched(self, _: object) -> None:
        self._last_key = asyncio.get_running_loop().time()
