"""Answers for agents in other processes, line by line: a prompt under which their questions open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import InMemoryHistory

from allowly_harness.approvers.attached.agents import Agents
from allowly_harness.approvers.attached.attachment import Event
from allowly_harness.approvers.attached.sockets import SocketProblem
from allowly_harness.approvers.attached.told import History, line_of, time_of, title_of, tone_of
from allowly_harness.approvers.chat import ChatApprover, describe_pending
from allowly_harness.approvers.chat.text import draw, is_terminal, say
from allowly_harness.approvers.pending import Pending, PendingWait
from allowly_harness.chat.commands import CommandError, nearest, number_of
from allowly_harness.chat.prompt import MainPrompt
from allowly_harness.display.sanitize import joined, one_line, plain
from allowly_harness.settings import TerminalSettings

MAX_LISTED: Final = 64
"""Most lines of one list."""

COMMANDS: Final = {
    "pending": ("/pending [N]", "what waits for you or for somebody else; N opens one"),
    "agents": ("/agents", "which agents are attached, and which could not be"),
    "history": ("/history", "what was decided since this terminal is here"),
    "help": ("/help", "this list"),
    "quit": ("/quit", "leave (also Ctrl-D); every question stays open at its agent"),
}
"""The commands; the slash may be left out."""

_ALIASES: Final = {"exit": "quit", "?": "help", "log": "history"}


async def run_approve_chat(
    path: Path | None = None,
    *,
    name: str = "",
    settings: TerminalSettings | None = None,
    terminal: Callable[[], bool] = is_terminal,
    approver: ChatApprover | None = None,
) -> int:
    """Attach agents and answer for them, until the person leaves.

    Args:
        path: The socket of one agent; `None` for all agents of this user.
        name: Who answers here, for the other terminals and the agents to read.
        settings: How the person is told that something waits.
        terminal: Tells whether there is a person.
        approver: Who asks; its questions are put aside, never closed, by Ctrl-C.

    Returns:
        The exit code: 0, or 2 without a terminal.

    Raises:
        SocketProblem: There is no agent at `path`, or the folder is not the user's own.
    """
    if not terminal():
        say("approve --chat needs standard output to be a terminal, too", "warning")
        return 2
    desk = _Desk(approver or ChatApprover(keeps_open=True), path, name)
    desk.approver.console.rings = settings is None or settings.notify != "off"
    desk.approver.console.has_prompt = True
    return await desk.run()


class _Desk:
    def __init__(self, approver: ChatApprover, path: Path | None, name: str) -> None:
        self.approver = approver
        self._console = approver.console
        self._agents = Agents(approver, self._told, path=path, name=name)
        self._history = History()
        words = [f"/{one}" for one in COMMANDS]
        self._prompt = MainPrompt(
            "approve", self._console, InMemoryHistory(), WordCompleter(words, sentence=True), self._toolbar
        )

    async def run(self) -> int:
        agents = asyncio.create_task(self._agents.run(), name="allowly-harness agents")
        try:
            with ExitStack() as stack:
                stack.callback(self.approver.queue.listen(lambda _: self._prompt.refresh()))
                say("Answering for agents. /help lists the commands; questions open by themselves.", "heading")
                if self._agents.folder is not None:
                    say(f"  attached as they appear in {plain(str(self._agents.folder), 300)}", "note")
                await self._read_commands(agents)
        finally:
            # The agents first: what is closed after that is closed here only, and stays open there.
            agents.cancel()
            (ended,) = await asyncio.gather(agents, return_exceptions=True)
        if isinstance(ended, SocketProblem):
            raise ended
        return 0

    async def _read_commands(self, agents: asyncio.Task[None]) -> None:
        going = True
        while going:
            command = asyncio.create_task(self._one_command())
            await asyncio.wait([command, agents], return_when=asyncio.FIRST_COMPLETED)
            if not command.done():
                command.cancel()
                await asyncio.gather(command, return_exceptions=True)
                return
            going = command.result()

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
                name, rest = _parse(line)
                if name == "quit":
                    return False
                opened = self._do(name, rest)
            except CommandError as error:
                say(plain(str(error), 300), "warning")
        if opened is not None and not await self._console.open(opened):
            say("it has been closed meanwhile", "note")
        return True

    def _do(self, name: str, rest: str) -> Pending | None:
        """Do a command; return what it opens."""
        match name:
            case "pending":
                return self._pending(rest)
            case "agents":
                self._list_agents()
            case "history":
                self._list_history()
            case "help":
                for typed, meaning in COMMANDS.values():
                    say(f"  {typed:<16} {meaning}")
                say("  A question opens by itself while the line is empty. Ctrl-C on it leaves it open.", "note")
            case _:
                pass
        return None

    def _pending(self, rest: str) -> Pending | None:
        items = self.approver.queue.items
        if rest:
            found = self.approver.queue.find(number_of(rest))
            if found is None:
                raise CommandError("nothing of that number waits; /pending lists what does")
            return found
        if not items:
            say("  nothing waits", "note")
            return None
        draw(describe_pending(list(items[:MAX_LISTED])))
        say("  /pending N opens one", "note")
        return None

    def _list_agents(self) -> None:
        for agent in self._agents.attached[:MAX_LISTED]:
            name = joined(["  ", one_line(agent.agent, 40), "  ", one_line(agent.process, 60)]).text
            say(f"{name}  {len(agent.waiting)} waiting")
            for request in agent.waiting[:MAX_LISTED]:
                say(f"    {title_of(request).text}", "note")
        for problem in tuple(self._agents.problems.values())[:MAX_LISTED]:
            say(f"  not attached: {plain(problem, 300)}", "warning")
        if not self._agents.attached:
            say("  no agent is attached", "note")

    def _list_history(self) -> None:
        events = self._history.events[-MAX_LISTED:]
        for event in events:
            say(f"  {time_of(event)}  {line_of(event).text}", tone_of(event))
        if not events:
            say("  nothing was decided yet", "note")

    def _told(self, event: Event) -> None:
        self._history.add(event)
        # What closes elsewhere is told by the approver itself, and a question by opening.
        if event.kind in {"attached", "gone", "said", "void"}:
            self._console.notice(line_of(event).text, tone_of(event))

    def _toolbar(self) -> str:
        items = self.approver.queue.items
        if not items:
            return ""
        others = sum(1 for item in items if isinstance(item, PendingWait))
        return f"{len(items) - others} wait for you, {others} for somebody else: /pending"


def _parse(line: str) -> tuple[str, str]:
    words = line.strip().split(maxsplit=1)
    if not words:
        return "", ""
    typed = words[0].removeprefix("/").lower()
    name = _ALIASES.get(typed, typed)
    if name not in COMMANDS:
        near = nearest(name, COMMANDS)
        raise CommandError(f"there is no such command; {f'do you mean /{near}? ' if near else ''}/help lists them")
    return name, words[1].strip() if len(words) > 1 else ""
