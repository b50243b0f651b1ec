"""One approval question on a terminal line: the card, the answers, and what is said to every other line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from allowly_harness.approvers.base import Closure
from allowly_harness.approvers.chat.edit import Edit
from allowly_harness.approvers.chat.editor import EditFile
from allowly_harness.approvers.chat.offering import Offering
from allowly_harness.approvers.chat.reply import (
    EXPIRED_CHOICES,
    EXPIRED_ELSEWHERE,
    MEANINGS,
    MEANINGS_ELSEWHERE,
    DrawCode,
    Reply,
    Verb,
    choices_for,
    draw_code,
    parse_reply,
)
from allowly_harness.approvers.chat.text import QuestionLine, columns, draw, is_dumb, say
from allowly_harness.approvers.pending import PendingQuestion
from allowly_harness.approvers.showing import Pages
from allowly_harness.display.card import Card, build_card, full_view
from allowly_harness.display.escalated import EscalatedRequest
from allowly_harness.display.layout import Line, lay_out, lay_out_sections
from allowly_harness.display.sanitize import one_line
from allowly_harness.protocol.models import Answer, ApprovalRequest

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants

VIEW_LINES: Final = 200
"""How many lines of the full view one `view` prints; the next `view` goes on from there."""

DEAD_CARD_SECONDS: Final = 60.0
"""How long an ended question stays open on the terminal while others wait behind it."""

LAST_CALL_SECONDS: Final = 10.0
"""When the end is near, a line says so on terminals that redraw nothing."""

_TICK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class PutAside:
    """The person left the question open and wants the prompt back."""


class Question:
    """One question on the terminal. Opened again, it is a new one, with a new code.

    Args:
        item: What is asked.
        code: What a yes must name.
        has_prompt: Whether there is a main prompt, so that `later` can put the question aside.
        waiting: Tells how many others wait.
        edit_file: Opens an editor on a text; `None` where there is none.
        pages: Told what is printed of it.
        grants: Where a yes may be remembered; `None` where nothing is.
        draw_code: Draws the code that saves a rule.
    """

    def __init__(
        self,
        item: PendingQuestion,
        code: str,
        *,
        has_prompt: bool,
        waiting: Callable[[], int],
        edit_file: EditFile | None,
        pages: Pages | None = None,
        grants: Grants | None = None,
        draw_code: DrawCode = draw_code,
    ) -> None:
        request = item.request
        self._item, self._request = item, request
        self._elsewhere = isinstance(request, EscalatedRequest)
        self._has_prompt = has_prompt
        self._waiting = waiting
        self._edit_file = edit_file
        self._deadline = item.deadline
        self._choices = _choices_of(request, has_prompt=has_prompt)
        self._may_approve = Verb.APPROVE in self._choices
        self._card = build_card(request, code=code if self._may_approve else None)
        self._word = self._card.word
        self._offering = Offering(request, grants, draw_code, self._word)
        if self._may_approve and self._offering.open:
            self._choices = (*self._choices, Verb.REMEMBER)
        self._code = code
        self._view = _FullView(request, pages or Pages())
        self._line = QuestionLine(self._message)
        self._said_expired = False
        self._last_call = False

    async def run(self) -> Answer | PutAside:
        """Ask until something counts.

        Returns:
            `Answer.cancel()` on Ctrl-C, Ctrl-D and end of input.
        """
        self._draw_card()
        flush, resume = True, False
        try:
            while True:
                typed = await self._read(flush=flush, resume=resume)
                flush, resume = False, typed is None and not self._deadline.passed
                answer = self._say_unasked() if typed is None else await self._answer_to(typed)
                if answer is not None:
                    return answer
        except (KeyboardInterrupt, EOFError):
            say("Closed without an answer. Nothing was approved.", "warning")
            return Answer.cancel()
        except anyio.get_cancelled_exc_class():
            say(closing_words(self._item.closure), "warning")
            raise

    async def _read(self, *, flush: bool, resume: bool) -> str | None:
        """Read a line; `None` when the time has come to say something unasked."""
        with anyio.move_on_after(self._pause()):
            return await self._line.read(flush=flush, resume=resume)
        return None

    def _pause(self) -> float | None:
        left = self._deadline.remaining
        if left <= 0:
            return DEAD_CARD_SECONDS if self._said_expired else 0.0
        if is_dumb() and not self._last_call and left > LAST_CALL_SECONDS:
            return left - LAST_CALL_SECONDS
        return left + _TICK_SECONDS

    def _say_unasked(self) -> Answer | None:
        """Say that the end is near or there; close an ended question that others wait behind."""
        if not self._deadline.passed:
            if is_dumb() and not self._last_call:
                self._last_call = True
                say(f"{self._deadline.left} left.", "warning")
            return None
        if not self._said_expired:
            self._say_expired()
            return None
        if not self._waiting():
            return None
        say("Closed: others wait. Nothing was approved.", "note")
        return Answer.expired()

    async def _answer_to(self, typed: str) -> Answer | PutAside | None:
        # Judged now: a countdown on the screen may be late, this is not.
        if self._deadline.passed and not self._said_expired:
            self._say_expired()
            if self._parse(typed, self._choices).verb not in (Verb.NONE, Verb.VIEW):
                return None
        choices = self._left_choices if self._deadline.passed else self._choices
        reply = self._parse(typed, choices, pasted=self._line.pasted)
        match reply.verb:
            case Verb.APPROVE:
                return self._approve(reply)
            case Verb.VIEW | Verb.REVEAL:
                self._view.show_next(revealed=reply.verb is Verb.REVEAL)
            case Verb.EDIT | Verb.REMEMBER | Verb.SAVE:
                return await self._write(reply)
            case Verb.HELP:
                self._explain(choices)
            case Verb.NONE:
                say(f"{reply.text} Nothing was decided.", "warning")
                say(f"  {self._offers(choices)}", "note")
            case Verb.LATER if self._has_prompt:
                say(f"Put aside. The call waits on, until {self._deadline.local_time}.", "note")
                say(f"  /pending {self._item.number} opens it again", "note")
                return PutAside()
            case Verb.LATER | Verb.DEFER:
                ends = "Nothing was answered." if self._elsewhere else "This call ends here, and nothing ran."
                say(f"Left open. {ends}", "note")
                say(f"  Somebody may still answer it elsewhere, until {self._deadline.local_time}.", "note")
                return Answer.defer()
            case verb:
                return _plain_answer(verb, reply)
        return None

    def _parse(self, typed: str, choices: tuple[Verb, ...], *, pasted: bool = False) -> Reply:
        saving = self._offering.read(typed, pasted=pasted) if Verb.REMEMBER in choices else None
        return saving or parse_reply(typed, choices, self._code, word=self._word, pasted=pasted)

    def _approve(self, reply: Reply) -> Answer | None:
        if not self._may_approve:
            return None
        if self._card.folded and not self._view.complete:
            say("Part of the call is folded. Type view and read it first. Nothing was decided.", "warning")
            return None
        if self._request.kind == "confirm":
            return Answer.approve(self._card.ttl_seconds)
        return Answer.approve(self._card.ttl_seconds, note=reply.text or None)

    async def _write(self, reply: Reply) -> Answer | None:
        if reply.verb is Verb.EDIT:
            return await self._edit(reply.text)
        if reply.verb is Verb.SAVE:
            return await self._save()
        self._offering.show(reply.text)
        return None

    async def _save(self) -> Answer | None:
        """Keep the rule that was shown, and approve this call as a person's yes."""
        answer = self._approve(Reply(Verb.APPROVE))
        grant = await self._offering.save() if answer is not None else ""
        if not grant:
            return None
        if self._deadline.passed:
            await self._offering.take_back(grant)
            say("Taken back: the question had ended.", "warning")
            return None
        return answer

    async def _edit(self, words: str) -> Answer | None:
        arguments = await Edit(self._request, self._edit_file).run(words)
        if arguments is None:
            say("Nothing was changed; the question is still open.", "note")
            return None
        if self._deadline.passed:
            self._say_expired()
            say("The changed arguments were not sent.", "warning")
            return None
        say("Sent with your arguments, for a fresh decision.", "note")
        return Answer.edit(arguments)

    def _say_expired(self) -> None:
        self._said_expired = True
        say(f"EXPIRED at {self._deadline.local_time}. Nothing was approved and nothing ran.", "bad")
        if self._elsewhere:
            say("  whoever makes the call can ask again; close ends this one", "note")
        else:
            say("  again asks the server for a fresh question, close ends this one", "note")

    def _explain(self, choices: tuple[Verb, ...]) -> None:
        listed = [*choices, Verb.REVEAL, *([Verb.DEFER] if Verb.LATER in choices else [])]
        for choice in listed:
            typed, meaning = (MEANINGS_ELSEWHERE if self._elsewhere else MEANINGS)[choice]
            say(f"  {typed.format(code=self._wanted):<22} {meaning}")
        end = "it stays open" if self._elsewhere else "the call does not run"
        say(f"  Ctrl-C closes the question without an answer; {end}.", "note")

    @property
    def _left_choices(self) -> tuple[Verb, ...]:
        return EXPIRED_ELSEWHERE if self._elsewhere else EXPIRED_CHOICES

    @property
    def _wanted(self) -> str:
        return f"{self._code} {self._word}".strip()

    def _offers(self, choices: tuple[Verb, ...]) -> str:
        return " | ".join(MEANINGS[choice][0].format(code=self._wanted) for choice in (*choices, Verb.HELP))

    def _short_offers(self, choices: tuple[Verb, ...]) -> str:
        """The same without what may follow, so that there is room to type in a line of 80 columns."""
        words = [f"approve {self._wanted}" if choice is Verb.APPROVE else str(choice) for choice in choices]
        return " | ".join([*words, Verb.HELP])

    def _message(self) -> list[tuple[str, str]]:
        waiting = self._waiting()
        behind = f"(+{waiting} waiting) " if waiting else ""
        if self._deadline.passed:
            return [
                ("class:bad", f"EXPIRED, nothing ran {behind}"),
                ("", f" {self._short_offers(self._left_choices)}: "),
            ]
        left = ("class:time", f"{self._deadline.left} left {behind}")
        return [left, ("", f" {self._short_offers(self._choices)}: ")]

    def _draw_card(self) -> None:
        card = self._card
        say("")
        say(f" #{self._item.number} {card.title}  ({card.kind}) ", "title")
        if not self._deadline.passed:
            say(f"  expires in {self._deadline.left}, at {self._deadline.local_time} by this computer", "time")
        draw(lay_out(card, columns()))
        say("")
        self._draw_remarks(card)

    def _draw_remarks(self, card: Card) -> None:
        if card.word and self._may_approve:
            say(f"  A yes must name it: approve {self._wanted}", "warning")
        if card.folded and self._may_approve:
            say("  Part of the call is folded: view shows all of it, and is needed before a yes.", "warning")
        if card.masked:
            say("  Secrets are masked: view secrets shows them.", "note")


def _choices_of(request: ApprovalRequest, *, has_prompt: bool) -> tuple[Verb, ...]:
    """Return what may be answered. Without a prompt to go back to nothing is put aside: the call would end."""
    return tuple(Verb.DEFER if choice is Verb.LATER and not has_prompt else choice for choice in choices_for(request))


def closing_words(closure: Closure | None) -> str:
    """Say why a question was closed that nobody answered here."""
    if closure is None:
        return "The question was withdrawn. Nothing was approved."
    if closure.told:
        return one_line(closure.told, 200).text
    if closure.kind == "withdrawn":
        return "The question was withdrawn by the agent. Nothing was approved."
    who = f' by "{one_line(closure.by, 80).text}"' if closure.by else ""
    return f"Answered elsewhere{who}: {'approved' if closure.approved else 'denied'}."


def _plain_answer(verb: Verb, reply: Reply) -> Answer | None:
    match verb:
        case Verb.DENY:
            return Answer.deny(reply.text or None)
        case Verb.RESPOND:
            return Answer.respond(reply.text)
        case Verb.WAIT:
            return Answer.wait()
        case Verb.GIVE_UP:
            return Answer.deny("given up")
        case Verb.AGAIN:
            return Answer.ask_again()
        case Verb.CLOSE:
            return Answer.expired()
        case _:
            return None


class _FullView:
    """Prints the whole call in portions, and knows when all of it was printed."""

    def __init__(self, request: ApprovalRequest, pages: Pages) -> None:
        self.complete = False
        self._request = request
        self._pages = pages
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
            self._pages.note(self._request, full=True, revealed=revealed)
            say("  that is all of it", "note")
