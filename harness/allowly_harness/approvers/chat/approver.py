"""The chat approver: asks on a terminal line, alone or inside another prompt-toolkit program.

An approval is `approve k7`, where the code is drawn anew for each question. So neither a key typed
ahead, nor Enter, nor an answer meant for the question before can approve. Without a terminal nobody
is asked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application

from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.chat.console import Console, Place
from allowly_harness.approvers.chat.editor import EditFile, edit_file_with, editor_command
from allowly_harness.approvers.chat.elicit import ask_for
from allowly_harness.approvers.chat.hosts import BaseLine
from allowly_harness.approvers.chat.question import PutAside, Question, closing_words
from allowly_harness.approvers.chat.reply import DrawCode, draw_code
from allowly_harness.approvers.chat.text import columns, is_terminal, say
from allowly_harness.approvers.chat.waiting import Waiting
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.approvers.pending import (
    Pending,
    PendingElicitation,
    PendingQuestion,
    PendingQueue,
    PendingWait,
    QueueFull,
)
from allowly_harness.display.card import Row, Section, summary_of
from allowly_harness.display.clock import Clock
from allowly_harness.display.layout import Line, lay_out_sections
from allowly_harness.display.sanitize import Shown, identifier, joined, one_line, own
from allowly_harness.protocol.models import Answer, AnswerKind, ApprovalRequest

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants, Used

GRACE_SECONDS: Final = 1.0
"""How long after its end a question may still come to the screen, where it says that it has ended."""


class ChatApprover:
    """Asks a person on the terminal.

    Several questions may be asked at a time; they are listed together and opened one by one, soonest
    end first.

    Args:
        clock: Where the time comes from.
        draw_code: Draws the code of a question.
        terminal: Tells whether there is a person to ask; by default, whether standard input and
            output are terminals.
        console: Who may use the terminal; a program with a prompt of its own shares it.
        edit_file: Opens an editor for changed arguments; by default `$VISUAL` or `$EDITOR`, and without
            either a prompt of several lines.
        keeps_open: Whether Ctrl-C, Ctrl-D and the end of input put a question aside instead of closing it:
            for a terminal with a prompt, whose questions others may answer as well.
    """

    handles_expiry = True
    handles_many = True
    surface = "chat"

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        draw_code: DrawCode = draw_code,
        terminal: Callable[[], bool] = is_terminal,
        console: Console | None = None,
        edit_file: EditFile | None = None,
        keeps_open: bool = False,
    ) -> None:
        self.clock = clock or Clock()
        self.queue = PendingQueue(self.clock)
        self.console = console or Console()
        self.console.describe = describe_pending
        self.console.announce = self._announcement
        self._draw_code = draw_code
        self._terminal = terminal
        self._keeps_open = keeps_open
        self.edit_file = edit_file or edit_file_with(editor_command())

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Show the card when its turn has come, and read answers until one counts.

        Returns:
            `Answer.unattended()` without a terminal; `Answer.cancel()` on Ctrl-C, Ctrl-D and end of input.
        """
        if not self._terminal():
            return Answer.unattended()
        try:
            item = self.queue.add_question(request)
        except QueueFull:
            return Answer.unattended()
        place = self.console.place_for(item)
        try:
            answer = await self._asked(item, place)
            return answer if self.queue.settle(item, answer) else Answer.cancel()
        finally:
            self.queue.remove(item)
            self.console.leave(place)

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        """Show that somebody else is asked; ends with `defer`, `give up` or the decision."""
        if not self._terminal():
            await anyio.sleep_forever()
        try:
            item = self.queue.add_wait(request, status)
        except QueueFull:
            await anyio.sleep_forever()
            raise  # never reached
        place = self.console.place_for(item, aside=True)
        try:
            return await Waiting(item, self.console, place, self.clock, keeps_open=self._keeps_open).run()
        finally:
            self.queue.remove(item)
            self.console.leave(place)

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        """Show what a server asks for while a tool runs."""
        if not self._terminal():
            return ElicitationReply.cancel()
        try:
            item = self.queue.add_elicitation(request)
        except QueueFull:
            return ElicitationReply.cancel()
        place = self.console.place_for(item)
        try:
            reply: ElicitationReply | None = None
            while reply is None:
                await self._turn(item, place)
                async with self.console.holding(place):
                    reply = await ask_for(item, self.edit_file, has_prompt=self.console.has_prompt)
                    if reply is not None and reply.action == "cancel" and self._keeps_open:
                        reply = None
                    if reply is None:
                        self.console.put_aside(place)
            return reply if self.queue.settle(item, reply) else ElicitationReply.cancel()
        finally:
            self.queue.remove(item)
            self.console.leave(place)

    def closing(self, request: ApprovalRequest | ElicitationRequest, closure: Closure) -> None:
        """Note why a question is about to be cancelled, so that the line about it can say so."""
        self.queue.withdraw(request, closure)

    def shown(self, request: ApprovalRequest) -> str:
        """Return what was printed of a question: the card, and the full view once it was printed to its end."""
        return self.queue.pages.text(request)

    def remember_with(self, grants: Grants) -> None:
        """Offer to remember a yes from now on, and print a line for each that was given without asking."""
        self.queue.grants = grants
        grants.listen(self._say_used)

    def _say_used(self, used: Used) -> None:
        from allowly_harness.grants.words import grant_words

        summary = summary_of(used.request).text
        self.console.notice(f"approved without asking ({used.number} in this session): {summary}", "warning")
        revoke = "/revoke" if self.console.has_prompt else "allowly-harness grants revoke"
        self.console.notice(f"  grant {used.grant.id}: {grant_words(used.grant).text}", "note")
        self.console.notice(f"  {revoke} {used.grant.id} takes it back", "note")

    @asynccontextmanager
    async def beside(
        self, prompt: PromptSession[Any] | Application[Any], *, draft: Callable[[], bool] | None = None
    ) -> AsyncGenerator[None]:
        """Read a line of your own program: `async with approver.beside(session): await session.prompt_async()`.

        Waits first until no question is open, so that two prompts never read one terminal. Inside, questions
        open over the prompt, but not over a draft: then a line above it says that one waits, and it opens
        when the draft is sent or emptied. Without this, a question opens once nothing was typed for 0.4 s, or
        after 5 s.

        Args:
            prompt: What reads; it is hidden while a question is open, and comes back with what stood there.
            draft: Tells whether something stands there unsent; by default, whether there is any text.
        """
        await self.console.idle()
        base = BaseLine(prompt, draft=draft)
        try:
            with self.console.reading(base):
                yield
        finally:
            base.leave()

    async def _asked(self, item: PendingQuestion, place: Place) -> Answer:
        while True:
            with anyio.move_on_after(item.deadline.remaining + GRACE_SECONDS):
                await self._turn(item, place)
            if not place.granted.is_set():
                self.console.notice(f"#{item.number} EXPIRED at {item.deadline.local_time}. Nothing ran.", "bad")
                return Answer.expired()
            async with self.console.holding(place):
                question = Question(
                    item,
                    self._draw_code(),
                    has_prompt=self.console.has_prompt,
                    waiting=lambda: self._others(item),
                    edit_file=self.edit_file,
                    pages=self.queue.pages,
                    grants=self.queue.grants,
                    draw_code=self._draw_code,
                )
                answer = await question.run()
                if isinstance(answer, Answer) and answer.kind is AnswerKind.CANCEL and self._keeps_open:
                    say(f"  #{item.number} stays open for others; /pending {item.number} opens it again", "note")
                    answer = PutAside()
                if isinstance(answer, PutAside):
                    self.console.put_aside(place)
                    continue
            return answer

    async def _turn(self, item: PendingQuestion | PendingElicitation, place: Place) -> None:
        try:
            await place.granted.wait()
        except anyio.get_cancelled_exc_class():
            if item.closure is not None:
                self.console.notice(f"#{item.number} {closing_words(item.closure)}", "warning")
            raise

    def _announcement(self, items: list[Pending]) -> str:
        first = items[0]
        name = (
            one_line(first.request.server.name, 40).text
            if isinstance(first, PendingElicitation)
            else identifier(first.request.call.tool).text
        )
        left = "" if isinstance(first, PendingElicitation) else f", {first.deadline.left} left"
        more = f" and {len(items) - 1} more" if len(items) > 1 else ""
        how = "/pending opens it" if self.console.has_prompt else "it opens when your line is sent or empty"
        return f"approval waiting: #{first.number} {name}{left}{more}: {how}"

    def _others(self, item: Pending) -> int:
        return sum(1 for one in self.queue.items if one is not item and not isinstance(one, PendingWait))


def describe_pending(items: list[Pending]) -> list[Line]:
    """Return what waits as lines: number, what it is, time left."""
    rows = tuple(Row(own(f"#{item.number}"), joined([_state(item), "  ", title_of_pending(item)])) for item in items)
    return list(lay_out_sections((Section(own(f"WAITING: {len(items)}"), rows),), columns()))


def title_of_pending(item: Pending) -> Shown:
    """Say in one line what an item asks for."""
    if isinstance(item, PendingElicitation):
        what = "asks you to visit a page" if item.request.mode == "url" else "asks you for values"
        return joined([one_line(item.request.server.name, 60), f" {what}"])
    return summary_of(item.request)


def _state(item: Pending) -> Shown:
    if isinstance(item, PendingElicitation):
        return own("you, no end")
    if isinstance(item, PendingWait):
        who = one_line(item.request.escalation_to or "an approver", 40)
        return joined([f"{item.deadline.left} left, waits for ", '"', who, '"'])
    return own(f"{item.deadline.left} left, you")
