"""`run_chat`: a prompt around one connected session, line by line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

import anyio
from prompt_toolkit.history import History

from allowly_harness.approvers.chat import ChatApprover
from allowly_harness.approvers.chat.console import Console
from allowly_harness.approvers.chat.editor import EditFile, edit_file_with, editor_command
from allowly_harness.approvers.chat.interrupts import on_ctrl_c
from allowly_harness.approvers.chat.text import is_terminal, say
from allowly_harness.approvers.pending import PendingWait
from allowly_harness.chat.calls import Calls
from allowly_harness.chat.commands import Command, CommandError, parse_command
from allowly_harness.chat.completion import CommandCompleter, Names
from allowly_harness.chat.handlers import Handlers
from allowly_harness.chat.history import PrivateHistory
from allowly_harness.chat.offers import Offers
from allowly_harness.chat.prompt import MainPrompt
from allowly_harness.display.sanitize import one_line, plain
from allowly_harness.settings import TerminalSettings
from allowly_harness.workbench.feed import LEVELS, LogLine, ServerFeed
from allowly_harness.workbench.port import ServerSession

MAX_UNASKED: Final = 10
"""Most lines about what the server does by itself that are printed between two commands, each once."""

_OWN_SOURCE: Final = "allowly-harness"


async def run_chat(
    session: ServerSession,
    *,
    hints: Sequence[str] = (),
    history: History | None = None,
    feed: ServerFeed | None = None,
    settings: TerminalSettings | None = None,
    terminal: Callable[[], bool] = is_terminal,
    approver: ChatApprover | None = None,
    edit_file: EditFile | None = None,
) -> int:
    """Read commands until the person leaves.

    Args:
        session: Opened, and closed again, by the caller.
        hints: What to try, a few words each.
        history: Where typed lines are kept; by default a private file in the user's state folder.
        feed: What the server says by itself.
        settings: How the person is told that something waits.
        terminal: Tells whether there is a person.
        approver: Who asks on this terminal; by default the session's own.
        edit_file: Opens an editor; by default `$VISUAL` or `$EDITOR`.

    Returns:
        The exit code: 0, or 2 without a terminal.
    """
    if not terminal():
        return 2
    if approver is None:
        found = getattr(getattr(session, "desk", None), "approver", None)
        found = getattr(found, "person", found)  # behind what is remembered
        approver = found if isinstance(found, ChatApprover) else None
    chat = _Chat(session, history or PrivateHistory(), feed, approver, edit_file)
    chat.console.rings = settings is None or settings.notify != "off"
    chat.console.has_prompt = True
    try:
        return await chat.run(hints)
    finally:
        chat.console.has_prompt = False
        await chat.calls.log.close()


class _Chat:
    def __init__(
        self,
        session: ServerSession,
        history: History,
        feed: ServerFeed | None,
        approver: ChatApprover | None,
        edit_file: EditFile | None,
    ) -> None:
        self._session, self._approver, self._feed = session, approver, feed
        self.console = approver.console if approver is not None else Console()
        self.calls = Calls(session, self.console, approver, approver.clock if approver else None)
        self._offers = Offers(session, feed)
        self._handlers = Handlers(self.calls, self._offers, approver, edit_file or edit_file_with(editor_command()))
        self._name = one_line(session.server.name, 40).text
        completer = CommandCompleter(self._offers.schemas, self._names())
        self._asked_to_leave = False
        self._told: set[str] = set()
        self._prompt = MainPrompt(self._name, self.console, history, completer, self._toolbar)

    async def run(self, hints: Sequence[str]) -> int:
        say(f"connected  {self._name}", "heading")
        with ExitStack() as stack:
            stack.callback(self.calls.leave)
            if self._approver is not None:
                stack.callback(self._approver.queue.listen(lambda _: self._prompt.refresh()))
            if self._feed is not None:
                stack.callback(self._feed.listen(on_line=self._feed_line, on_change=self._feed_change))
            until_lost = getattr(self._session, "until_lost", None)
            if until_lost is not None:
                lost = asyncio.create_task(self._say_lost(until_lost), name="until lost")
                stack.callback(lost.cancel)
            await self._offers.read_tools()
            for hint in hints:
                say(f"  try: {plain(hint, 300)}", "note")
            say("  /help lists the commands", "note")
            while await self._one_command():
                pass
        return 0

    async def _one_command(self) -> bool:
        """Read and do one command; `False` at the end."""
        try:
            line = await self._prompt.read()
        except KeyboardInterrupt:
            return True
        except EOFError:
            return not self._may_leave()
        self._told.clear()
        async with self.console.own_turn():
            try:
                command = parse_command(line)
                if command.name == "quit":
                    return not self._may_leave()
                if command.name and not await self._done(command):
                    return True
            except CommandError as error:
                say(plain(str(error), 300), "warning")
                return True
            except (KeyboardInterrupt, EOFError):
                return True
        if command.name:
            await self._after(self._handlers)
        return True

    async def _done(self, command: Command) -> bool:
        """Do a command; `False` where Ctrl-C stopped it. The session and everything else in it goes on."""
        with anyio.CancelScope() as scope, on_ctrl_c(scope.cancel):
            await self._handlers.do(command)
        if scope.cancelled_caught:
            say("stopped; the session goes on", "note")
        return not scope.cancelled_caught

    async def _after(self, done: Handlers) -> None:
        if done.prefill:
            self._prompt.prefill(done.prefill)
        if done.opened is not None and not await self.console.open(done.opened):
            say("it has been closed meanwhile", "note")
        if done.followed is not None:
            await self.calls.follow(done.followed)

    def _may_leave(self) -> bool:
        """Ask once more where something would be taken back by leaving."""
        running = len(self.calls.log.running)
        if not running or self._asked_to_leave:
            return True
        self._asked_to_leave = True
        calls = "1 call runs" if running == 1 else f"{running} calls run"
        say(
            f"{calls} or waits. Leaving takes that back; /quit once more leaves.",
            "warning",
        )
        return False

    def _toolbar(self) -> str:
        """Say how much waits; not for how long, because the line is drawn at changes only."""
        if self._approver is None:
            return ""
        items, grants = self._approver.queue.items, self._approver.queue.grants
        others = sum(1 for item in items if isinstance(item, PendingWait))
        parts = [f"{len(items) - others} wait for you, {others} for somebody else: /pending"] if items else []
        parts += [f"{grants.count} approved without asking: /grants"] if grants is not None and grants.count else []
        return "   ".join(parts)

    def _names(self) -> Mapping[str, Names]:
        def calls() -> Iterable[str]:
            return [str(entry.number) for entry in self.calls.log.entries]

        def pending() -> Iterable[str]:
            return [str(item.number) for item in self._approver.queue.items] if self._approver is not None else ()

        def prompts() -> Iterable[str]:
            known = self._offers.catalogue
            return [entry.name for entry in known.prompts.entries] if known is not None else ()

        numbers = dict.fromkeys(("log", "result", "save", "again", "cancel"), calls)
        return {**numbers, "pending": pending, "prompt": prompts}

    def _feed_line(self, line: LogLine) -> None:
        """Print our own warnings, such as a refused request; what the server writes is for /server."""
        if line.source.text == _OWN_SOURCE and line.level in LEVELS and LEVELS.index(line.level) >= _WARNING:
            self._later(line.text.text, "warning")

    def _feed_change(self, what: str) -> None:
        if what == "tools":
            self._offers.stale = True
        self._later(f"the server's {plain(what, 40)} have changed: /{plain(what, 40)} lists them", "note")

    def _later(self, text: str, style: str) -> None:
        if text in self._told or len(self._told) >= MAX_UNASKED:
            return
        self._told.add(text)
        if len(self._told) == MAX_UNASKED:
            text, style = "the server says more than is printed here; /server lists what it said", "note"
        # The feed tells in the connection's own task, which must not wait for the terminal.
        asyncio.get_running_loop().call_soon(self.console.notice, text, style)

    async def _say_lost(self, until_lost: Callable[[], Awaitable[str]]) -> None:
        why = await until_lost()
        self.console.notice(f"the connection is lost: {plain(why, 200)}. /quit, then connect again", "bad")


_WARNING: Final = LEVELS.index("warning")
