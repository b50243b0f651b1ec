"""The approver's inbox line by line: a prompt, a list, and one question at a time, opened by its number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from allowly_authority.errors import AuthorityError
from allowly_harness.approvers.base import Closure
from allowly_harness.approvers.chat.console import Console
from allowly_harness.approvers.chat.question import Question
from allowly_harness.approvers.chat.reply import DrawCode, draw_code
from allowly_harness.approvers.chat.text import columns, draw, is_terminal, say
from allowly_harness.approvers.pending import PendingQuestion
from allowly_harness.chat.commands import CommandError, number_of
from allowly_harness.chat.desk import MAX_LISTED, CommandDesk, cancelled
from allowly_harness.display.clock import Deadline
from allowly_harness.display.layout import Piece, Role
from allowly_harness.display.sanitize import joined, one_line, plain
from allowly_harness.inbox.holder import TELLS_NOBODY_APART
from allowly_harness.inbox.question import OpenQuestion, QuestionClosed, QuestionRefused
from allowly_harness.inbox.reminders import Reminders
from allowly_harness.inbox.rows import change_words, chosen, decided_lines, left_of, listed_row, title_of
from allowly_harness.inbox.verdicts import closure_of
from allowly_harness.inbox.written import FrontEnd
from allowly_harness.protocol.models import Answer, AnswerKind

if TYPE_CHECKING:
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_harness.inbox.inbox import AuthorityInbox
    from allowly_harness.inbox.listing import Change
    from allowly_harness.settings import TerminalSettings

REMIND_SECONDS: Final = 5.0
"""How often it is looked whether a reminder is due."""

COMMANDS: Final = {
    "pending": ("/pending [N]", "what waits, the first to run out first; N opens one"),
    "find": ("/find WORDS", "what waits and fits: tool, agent, user"),
    "history": ("/history", "what you have decided"),
    "help": ("/help", "this list"),
    "quit": ("/quit", "leave (also Ctrl-D); every question stays open"),
}
"""The commands; the slash may be left out."""

_ALIASES: Final = {"exit": "quit", "?": "help", "open": "pending", "list": "pending", "log": "history"}
_ANSWERS: Final = (AnswerKind.APPROVE, AnswerKind.DENY)


async def run_inbox_chat(
    inbox: AuthorityInbox,
    *,
    settings: TerminalSettings | None = None,
    terminal: Callable[[], bool] = is_terminal,
    draw_code: DrawCode = draw_code,
) -> int:
    """Show what waits and answer it, line by line, until the person leaves.

    Args:
        inbox: What waits; nobody else runs it.
        settings: How the person is told that something waits.
        terminal: Tells whether there is a person.
        draw_code: Draws the code of a question.

    Returns:
        The exit code: 0, or 2 without a terminal.

    Raises:
        InboxProblem: The authority tells no list.
        AuthorityError: It refuses this key from now on.
    """
    if not terminal():
        say("inbox --chat needs standard output to be a terminal, too", "warning")
        return 2
    console = Console()
    console.rings = settings is None or settings.notify != "off"
    console.has_prompt = True
    return await _Desk(inbox, console, draw_code).run()


@dataclass(eq=False)
class _Asked:
    """The question that is open.

    Attributes:
        scope: Cancelled where it ends elsewhere.
        ended: How it did.
    """

    question: OpenQuestion
    pending: PendingQuestion
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: PromptItem | None = None

    def close(self, closure: Closure) -> None:
        """End it: no answer counts from now on."""
        if self.pending.closure is None:
            self.pending.closure = closure
            self.scope.cancel()


class _Desk(CommandDesk):
    def __init__(self, inbox: AuthorityInbox, console: Console, draw_code: DrawCode) -> None:
        self._inbox = inbox
        super().__init__("inbox", console, COMMANDS, _ALIASES)
        self._draw_code = draw_code
        self._reminders = Reminders()
        self._numbers: dict[str, int] = {}
        self._last = 0
        self._asked: _Asked | None = None
        self._front = FrontEnd("chat")

    async def run(self) -> int:
        listening = asyncio.create_task(self._inbox.run(), name="allowly-harness inbox")
        reminding = asyncio.create_task(self._remind(), name="allowly-harness reminders")
        try:
            with ExitStack() as stack:
                stack.callback(self._inbox.listen(self._told))
                who = joined(["Inbox for ", one_line(self._inbox.holder.label, 120), ". /help lists the commands."])
                say(who.text, "heading")
                if self._inbox.holder.everybody:
                    say(f"  {TELLS_NOBODY_APART}", "warning")
                await self.read_commands(listening)
        finally:
            ended = await cancelled(listening)
            await cancelled(reminding)
        if isinstance(ended, Exception):
            raise ended
        return 0

    async def do(self, name: str, rest: str) -> None:
        """Do a command."""
        match name:
            case "pending" if rest:
                await self._open(number_of(rest))
            case "pending":
                self._list(self._inbox.items)
            case "find":
                self._list(chosen(self._inbox.items, self._inbox.holder, words=rest, mine=False))
            case "history":
                await self._history()
            case "help":
                self.list_commands("Nothing opens by itself. Ctrl-C on a question leaves it open.")
            case _:
                pass

    def _list(self, items: tuple[PromptItem, ...]) -> None:
        if not self._inbox.connected:
            say(f"  NOT CONNECTED, trying again: {plain(self._inbox.problem, 200)}", "warning")
        now = self._inbox.now()
        for item in items[:MAX_LISTED]:
            row = listed_row(item, self._inbox.holder, now, max(50, columns() - 6))
            draw([(Piece(f"{f'#{self._number(item)}':>5} ", Role.LABEL), *row)])
        if len(items) > MAX_LISTED:
            say(f"  ... +{len(items) - MAX_LISTED} more", "note")
        say("  /pending N opens one" if items else "  nothing waits", "note")

    async def _history(self) -> None:
        try:
            items = await self._inbox.history()
        except AuthorityError as error:
            say(f"  it cannot be read: {plain(str(error), 200)}", "warning")
            return
        draw([line for item in items[:MAX_LISTED] for line in decided_lines(item, columns())])
        if not items:
            say("  nothing was decided yet", "note")

    async def _open(self, number: int) -> None:
        prompt_id = next((one for one, given in self._numbers.items() if given == number), None)
        item = None if prompt_id is None else self._inbox.get(prompt_id)
        if item is None:
            raise CommandError("nothing of that number waits; /pending lists what does")
        if not self._inbox.holder.may_decide(item):
            raise CommandError("that one is not answered here")
        try:
            question = await self._inbox.question(item.prompt_id, showing=self._front)
        except QuestionClosed as error:
            raise CommandError(f"it is over: {error}") from None
        except (QuestionRefused, AuthorityError) as error:
            raise CommandError(f"it cannot be opened: {error}") from None
        answer = await self._ask(question, number)
        if answer is None:
            say(f"  #{number} stays open; /pending {number} opens it again", "note")
            return
        verdict = await self._inbox.answer(question, answer)
        say(plain(verdict.words, 300), "good" if verdict.counts else "warning")

    async def _ask(self, question: OpenQuestion, number: int) -> Answer | None:
        """Show the card and read until there is a yes or a no; `None` where the question ended, or stays open."""
        clock, loop = self._inbox.clock, asyncio.get_running_loop()
        deadline = Deadline(question.request.expires_at, clock)
        pending = PendingQuestion(number, question.request, loop.create_future(), clock.monotonic(), deadline)
        self._asked = asked = _Asked(question, pending)
        over = Closure("withdrawn", told=f"EXPIRED at {deadline.local_time}. Nothing was approved.")
        timer = loop.call_later(deadline.remaining, asked.close, over)
        code, pages = self._draw_code(), self._front.pages
        card = Question(pending, code, has_prompt=True, waiting=self._others, edit_file=None, pages=pages)
        answer: object = None
        try:
            with asked.scope:
                answer = await card.run()
        finally:
            timer.cancel()
            self._asked = None
        if isinstance(answer, Answer) and answer.kind in _ANSWERS and pending.closure is None:
            return answer
        await self._inbox.leave(question, asked.ended)
        return None

    def _others(self) -> int:
        asked = self._asked.question.prompt_id if self._asked is not None else ""
        return sum(1 for item in self._inbox.mine if item.prompt_id != asked)

    def _told(self, change: Change) -> None:
        item = change.item
        if item is not None and change.kind == "ended" and self._is_open(item):
            if self._asked is not None:
                self._asked.ended = item
                self._asked.close(closure_of(item))
        elif item is None or self._inbox.holder.may_decide(item) or item.prompt_id in self._numbers:
            self._say_changed(change)
        if item is not None and change.kind == "ended":
            self._numbers.pop(item.prompt_id, None)
        self._prompt.refresh()

    def _say_changed(self, change: Change) -> None:
        number = f"#{self._number(change.item)} " if change.item is not None else ""
        said = joined([number, change_words(change, self._inbox.holder, self._inbox.now())])
        style = "warning" if change.kind in ("arrived", "lost") else "note"
        how = f"   /pending {self._number(change.item)}" if change.item is not None and change.kind == "arrived" else ""
        self._console.notice(said.text + how, style, ring=change.kind == "arrived")

    def _is_open(self, item: PromptItem) -> bool:
        return self._asked is not None and self._asked.question.prompt_id == item.prompt_id

    def _number(self, item: PromptItem) -> int:
        if item.prompt_id not in self._numbers:
            self._last += 1
            self._numbers[item.prompt_id] = self._last
        return self._numbers[item.prompt_id]

    async def _remind(self) -> None:
        while True:
            await asyncio.sleep(REMIND_SECONDS)
            now = self._inbox.now()
            for item in list(self._reminders.due(self._inbox.mine, now))[:3]:
                said = joined([f"still unanswered: #{self._number(item)} ", title_of(item)]).text
                self._console.notice(f"{said}, {left_of(item, now)} left", "warning", ring=True)

    def toolbar(self) -> str:
        """Return how many wait, or that the connection is lost."""
        if self._inbox.complete and not self._inbox.connected:
            return "NOT CONNECTED, trying again"
        mine = len(self._inbox.mine)
        return f"{mine} {'waits' if mine == 1 else 'wait'} for you: /pending" if mine else ""
