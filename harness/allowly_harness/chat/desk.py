"""A prompt with a handful of commands, for terminals in which nothing but questions is worked on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import InMemoryHistory

from allowly_harness.approvers.chat.console import Console
from allowly_harness.approvers.chat.text import say
from allowly_harness.approvers.pending import Pending
from allowly_harness.chat.commands import CommandError, nearest
from allowly_harness.chat.prompt import MainPrompt
from allowly_harness.display.sanitize import plain

MAX_LISTED: Final = 64
"""Most lines of one list."""


class CommandDesk:
    """Reads commands and does them, one after the other, beside a task that the program lives by.

    Args:
        name: What stands in front of the prompt.
        console: Where questions and notices go; it is told to leave the prompt its line.
        commands: By name: how it is typed, and what it does. "quit" is one of them.
        aliases: Other names of them.
    """

    def __init__(
        self, name: str, console: Console, commands: Mapping[str, tuple[str, str]], aliases: Mapping[str, str]
    ) -> None:
        self._console = console
        self._commands = commands
        self._aliases = aliases
        words = WordCompleter([f"/{one}" for one in commands], sentence=True)
        self._prompt = MainPrompt(name, console, InMemoryHistory(), words, self.toolbar)

    def toolbar(self) -> str:
        """Return what stands below the prompt."""
        raise NotImplementedError

    async def do(self, name: str, rest: str) -> Pending | None:
        """Do a command; return what it opens once the screen is free again.

        Raises:
            CommandError: It cannot be done; the text says why.
        """
        raise NotImplementedError

    async def read_commands(self, living: asyncio.Task[None]) -> None:
        """Go on until the person leaves, or until `living` has ended."""
        going = True
        while going:
            command = asyncio.create_task(self._one_command())
            await asyncio.wait([command, living], return_when=asyncio.FIRST_COMPLETED)
            if not command.done():
                await cancelled(command)
                return
            going = command.result()

    def list_commands(self, note: str) -> None:
        """Say what can be typed."""
        for typed, meaning in self._commands.values():
            say(f"  {typed:<16} {meaning}")
        say(f"  {note}", "note")

    async def _one_command(self) -> bool:
        """Read and do one command; `False` at the end."""
        try:
            line = await self._prompt.read()
        except KeyboardInterrupt:
            return True
        except EOFError:
            return False
        opened: Pending | None = None
        async with self._console.own_turn():
            try:
                name, rest = self._parse(line)
                if name == "quit":
                    return False
                opened = await self.do(name, rest)
            except CommandError as error:
                say(plain(str(error), 300), "warning")
        if opened is not None and not await self._console.open(opened):
            say("it has been closed meanwhile", "note")
        return True

    def _parse(self, line: str) -> tuple[str, str]:
        words = line.strip().split(maxsplit=1)
        if not words:
            return "", ""
        typed = words[0].removeprefix("/").lower()
        name = self._aliases.get(typed, typed)
        if name not in self._commands:
            near = nearest(name, self._commands)
            raise CommandError(f"there is no such command; {f'do you mean /{near}? ' if near else ''}/help lists them")
        return name, words[1].strip() if len(words) > 1 else ""


async def cancelled(task: asyncio.Task[Any]) -> object:
    """End a task, and return what it raised; cancelling it is no failure."""
    task.cancel()
    results: list[object] = list(await asyncio.gather(task, return_exceptions=True))
    return results[0]
