"""Answers for agents in other processes, line by line: a prompt under which their questions open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from allowly_harness.approvers.attached.agents import Agents
from allowly_harness.approvers.attached.attachment import Event
from allowly_harness.approvers.attached.sockets import SocketProblem
from allowly_harness.approvers.attached.told import History, line_of, time_of, title_of, tone_of
from allowly_harness.approvers.chat import ChatApprover, describe_pending
from allowly_harness.approvers.chat.text import draw, is_terminal, say
from allowly_harness.approvers.pending import Pending, PendingWait
from allowly_harness.chat.commands import CommandError, number_of
from allowly_harness.chat.desk import MAX_LISTED, CommandDesk, cancelled
from allowly_harness.display.sanitize import joined, one_line, plain
from allowly_harness.settings import TerminalSettings

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


class _Desk(CommandDesk):
    def __init__(self, approver: ChatApprover, path: Path | None, name: str) -> None:
        self.approver = approver
        super().__init__("approve", approver.console, COMMANDS, _ALIASES)
        self._agents = Agents(approver, self._told, path=path, name=name)
        self._history = History()

    async def run(self) -> int:
        agents = asyncio.create_task(self._agents.run(), name="allowly-harness agents")
        try:
            with ExitStack() as stack:
                stack.callback(self.approver.queue.listen(lambda _: self._prompt.refresh()))
                say("Answering for agents. /help lists the commands; questions open by themselves.", "heading")
                if self._agents.folder is not None:
                    say(f"  attached as they appear in {plain(str(self._agents.folder), 300)}", "note")
                await self.read_commands(agents)
        finally:
            # The agents first: what is closed after that is closed here only, and stays open there.
            ended = await cancelled(agents)
        if isinstance(ended, SocketProblem):
            raise ended
        return 0

    async def do(self, name: str, rest: str) -> Pending | None:
        """Do a command; return what it opens."""
        match name:
            case "pending":
                return self._pending(rest)
            case "agents":
                self._list_agents()
            case "history":
                self._list_history()
            case "help":
                self.list_commands("A question opens by itself while the line is empty. Ctrl-C on it leaves it open.")
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

    def toolbar(self) -> str:
        """Return how much waits, and for whom."""
        items = self.approver.queue.items
        if not items:
            return ""
        others = sum(1 for item in items if isinstance(item, PendingWait))
        return f"{len(items) - others} wait for you, {others} for somebody else: /pending"
