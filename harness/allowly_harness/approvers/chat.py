"""The chat approver: asks on a terminal line, alone or inside another prompt-toolkit program.

An approval is `approve k7`, where the code is drawn anew for each question. So neither a key typed
ahead, nor Enter, nor an answer meant for the question before can approve. Without a terminal nobody
is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio
from prompt_toolkit.application import in_terminal

from allowly_harness.approvers.base import WaitStatus
from allowly_harness.approvers.chat_reply import (
    EXPIRED_CHOICES,
    DrawCode,
    Reply,
    Verb,
    choices_for,
    draw_code,
    parse_reply,
)
from allowly_harness.approvers.chat_text import QuestionLine, columns, draw, is_terminal, say
from allowly_harness.display.card import Card, build_card, full_view
from allowly_harness.display.clock import Clock, Deadline, duration
from allowly_harness.display.layout import Line, lay_out, lay_out_sections
from allowly_harness.display.sanitize import one_line
from allowly_harness.protocol.models import Answer, ApprovalRequest

VIEW_LINES: Final = 200
"""How many lines of the full view one `view` prints; the next `view` goes on from there."""

_EXPLANATION: Final = {
    Verb.APPROVE: "approve {code}",
    Verb.DENY: "deny [reason]",
    Verb.VIEW: "view",
    Verb.WAIT: "wait",
    Verb.LATER: "later",
    Verb.GIVE_UP: "give up",
    Verb.AGAIN: "again",
    Verb.CLOSE: "close",
}


class ChatApprover:
    """Asks a person on the terminal.

    Args:
        clock: Where the time comes from.
        draw_code: Draws the code of a question.
        terminal: Tells whether there is a person to ask; by default, whether standard input and
            output are terminals.
    """

    handles_expiry = True

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        draw_code: DrawCode = draw_code,
        terminal: Callable[[], bool] = is_terminal,
    ) -> None:
        self._clock = clock or Clock()
        self._draw_code = draw_code
        self._terminal = terminal

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Show the card and read answers until one counts.

        Returns:
            `Answer.unattended()` without a terminal; `Answer.cancel()` on Ctrl-C, Ctrl-D and end of input.
        """
        if not self._terminal():
            return Answer.unattended()
        async with in_terminal():
            return await _Question(request, self._clock, self._draw_code()).run()

    async def watch(self, request: ApprovalRequest, status: WaitStatus) -> Answer:
        """Show that somebody else is asked; ends with `later`, `give up` or the decision."""
        if not self._terminal():
            await anyio.sleep_forever()
        async with in_terminal():
            return await _Waiting(request, status, self._clock).run()


class _Question:
    """One question on the screen."""

    def __init__(self, request: ApprovalRequest, clock: Clock, code: str) -> None:
        self._request = request
        self._code = code
        self._deadline = Deadline(request.expires_at, clock)
        self._choices = choices_for(request)
        self._card = build_card(request, code=code if Verb.APPROVE in self._choices else None)
        self._may_approve = Verb.APPROVE in self._choices
        self._view = _FullView(request)
        self._line = QuestionLine(self._message)
        self._said_expired = False

    async def run(self) -> Answer:
        _draw_card(self._card, self._deadline, self._request)
        flush = True
        try:
            while True:
                typed = await self._line.read(flush=flush)
                flush = False
                answer = self._answer_to(typed)
                if answer is not None:
                    return answer
        except (KeyboardInterrupt, EOFError):
            say("Closed without an answer. Nothing was approved.", "warning")
            return Answer.cancel()
        except anyio.get_cancelled_exc_class():
            say("The question was withdrawn. Nothing was approved.", "warning")
            raise

    def _answer_to(self, typed: str) -> Answer | None:
        # Judged now: a countdown on the screen may be late, this is not.
        expired = self._deadline.passed
        choices = EXPIRED_CHOICES if expired else self._choices
        if expired and not self._said_expired:
            self._said_expired = True
            self._say_expired()
            if parse_reply(typed, self._choices, self._code).verb not in (Verb.NONE, Verb.VIEW):
                return None
        reply = parse_reply(typed, choices, self._code, pasted=self._line.pasted)
        match reply.verb:
            case Verb.APPROVE:
                return self._approve(reply)
            case Verb.VIEW | Verb.REVEAL:
                self._view.show_next(revealed=reply.verb is Verb.REVEAL)
            case Verb.NONE:
                say(f"{reply.text} Nothing was decided.", "warning")
                say(f"  {self._offers(choices)}", "note")
            case verb:
                return _plain_answer(verb, reply)
        return None

    def _approve(self, reply: Reply) -> Answer | None:
        if not self._may_approve:
            return None
        if self._card.folded and not self._view.complete:
            say("Part of the call is folded. Type view and read it first. Nothing was decided.", "warning")
            return None
        if self._request.kind == "confirm":
            return Answer.approve(self._card.ttl_seconds)
        return Answer.approve(self._card.ttl_seconds, note=reply.text or None)

    def _say_expired(self) -> None:
        say(f"EXPIRED at {self._deadline.local_time}. Nothing was approved and nothing ran.", "bad")
        say("  again asks the server for a fresh question, close ends this one", "note")

    def _offers(self, choices: tuple[Verb, ...]) -> str:
        return " | ".join(_EXPLANATION[choice].format(code=self._code) for choice in choices)

    def _message(self) -> list[tuple[str, str]]:
        if self._deadline.passed:
            return [("class:bad", "EXPIRED, nothing ran "), ("", f" {self._offers(EXPIRED_CHOICES)}: ")]
        left = ("class:time", f"{self._deadline.left} left ")
        return [left, ("", f" {self._offers(self._choices)}: ")]


def _plain_answer(verb: Verb, reply: Reply) -> Answer | None:
    match verb:
        case Verb.DENY:
            return Answer.deny(reply.text or None)
        case Verb.WAIT:
            return Answer.wait()
        case Verb.LATER:
            return Answer.defer()
        case Verb.GIVE_UP:
            return Answer.deny("given up")
        case Verb.AGAIN:
            return Answer.ask_again()
        case Verb.CLOSE:
            return Answer.expired()
        case _:
            return None


def _draw_card(card: Card, deadline: Deadline, request: ApprovalRequest) -> None:
    width = columns()
    say("")
    say(f" {card.title}  ({card.kind}) ", "title")
    if not deadline.passed:
        say(f"  expires in {deadline.left}, at {deadline.local_time} by this computer", "time")
    draw(lay_out(card, width))
    say("")
    if card.folded and (request.kind == "confirm" or request.may_resolve):
        say("  Part of the call is folded: view shows all of it, and is needed before a yes.", "warning")
    if card.masked:
        say("  Secrets are masked: view secrets shows them.", "note")


class _FullView:
    """Prints the whole call in portions, and knows when all of it was printed."""

    def __init__(self, request: ApprovalRequest) -> None:
        self.complete = False
        self._request = request
        self._revealed = False
        self._lines: tuple[Line, ...] = ()
        self._shown = 0

    def show_next(self, *, revealed: bool) -> None:
        if not self._lines or revealed != self._revealed or self._shown >= len(self._lines):
            self._revealed = revealed
            self._lines = lay_out_sections(full_view(self._request, revealed=revealed), columns())
            self._shown = 0
        end = min(self._shown + VIEW_LINES, len(self._lines))
        draw(self._lines[self._shown : end])
        self._shown = end
        if end < len(self._lines):
            say(f"  {end:,} of {len(self._lines):,} lines; view shows the next", "warning")
        else:
            self.complete = True
            say("  that is all of it", "note")


class _Waiting:
    """The line that is shown while somebody else decides."""

    def __init__(self, request: ApprovalRequest, status: WaitStatus, clock: Clock) -> None:
        self._status = status
        self._clock = clock
        self._started = clock.monotonic()
        self._deadline = Deadline(request.expires_at, clock)
        self._who = one_line(request.escalation_to or "an approver", 60).text
        self._line = QuestionLine(self._message)

    async def run(self) -> Answer:
        say(f'Waiting for "{self._who}", until {self._deadline.local_time}.', "heading")
        flush = True
        try:
            while True:
                typed = " ".join((await self._line.read(flush=flush)).lower().split())
                flush = False
                if typed == "later":
                    return Answer.defer()
                if typed == "give up":
                    return Answer.cancel()
                if typed == "check":
                    self._status.check_now()
                elif typed:
                    say("Type check, later (leave it open) or give up (take the call back).", "warning")
        except KeyboardInterrupt:
            return Answer.cancel()
        except EOFError:
            return Answer.defer()

    def _message(self) -> list[tuple[str, str]]:
        waited = duration(self._clock.monotonic() - self._started)
        checked = "not checked yet"
        if self._status.last_checked is not None:
            seconds = (self._clock.now() - self._status.last_checked).total_seconds()
            checked = f"checked {max(0, round(seconds))} s ago"
        return [("class:time", f"waited {waited}"), ("", f", {checked}  check | later | give up: ")]
