"""What a typed line means as the reply to a question. Pure, so that every line can be tried in tests."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from allowly_harness.protocol.models import MAX_REASON_CHARACTERS, ApprovalRequest

CODE_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without i, l, o, 0 and 1, which are read as one another."""

CODE_LENGTH: Final = 2
"""Characters of a code. It keeps an answer from meeting the wrong question; it is no password."""

DrawCode: TypeAlias = Callable[[], str]


class Verb(StrEnum):
    """What a person can do with a question on a line."""

    APPROVE = "approve"
    DENY = "deny"
    RESOLVE = "resolve"
    """The same as `approve`, for an escalation."""
    EDIT = "edit"
    RESPOND = "answer"
    REMEMBER = "remember"
    SAVE = "save"
    """Keep the rule that `remember` has shown, and approve."""
    VIEW = "view"
    REVEAL = "view secrets"
    WAIT = "wait"
    LATER = "later"
    """The call waits on; without a main prompt to go back to it means `defer`."""
    DEFER = "defer"
    """The call ends."""
    HELP = "?"
    GIVE_UP = "give up"
    AGAIN = "again"
    CLOSE = "close"
    NONE = ""
    """Not an answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One typed line, understood.

    Attributes:
        text: The reason or note that was typed, or why the line is not an answer.
    """

    verb: Verb
    text: str = ""


def draw_code() -> str:
    """Draw the code of one question."""
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def choices_for(request: ApprovalRequest) -> tuple[Verb, ...]:
    """Return what may be answered. A yes to an escalation is offered to its named approver alone."""
    if request.kind == "confirm":
        return (Verb.APPROVE, Verb.DENY, Verb.EDIT, Verb.RESPOND, Verb.VIEW, Verb.LATER)
    if request.may_resolve:
        return (Verb.APPROVE, Verb.DENY, Verb.VIEW, Verb.LATER)
    return (Verb.WAIT, Verb.EDIT, Verb.RESPOND, Verb.LATER, Verb.GIVE_UP, Verb.VIEW)


EXPIRED_CHOICES: Final = (Verb.AGAIN, Verb.CLOSE, Verb.VIEW)
"""What is left to do with a question that has ended."""

EXPIRED_ELSEWHERE: Final = (Verb.CLOSE, Verb.VIEW)
"""The same where another program makes the call, and it alone can ask again."""

_UNLISTED: Final = (Verb.REVEAL, Verb.HELP)
"""Always understood, and not worth the room in the row of answers."""

MEANINGS: Final = {
    Verb.APPROVE: ("approve {code}", "run this call once, exactly as shown"),
    Verb.DENY: ("deny [reason]", "refuse; the model reads the reason"),
    Verb.EDIT: ("edit [NAME=text]", "change the arguments; the changed call is decided afresh"),
    Verb.RESPOND: ("answer TEXT", "answer the model yourself; the tool does not run"),
    Verb.REMEMBER: ("remember ...", "show the rule by which calls like this one would be approved without asking"),
    Verb.SAVE: ("save CODE", "keep that rule, and run this call"),
    Verb.VIEW: ("view", "print the whole call, page by page"),
    Verb.REVEAL: ("view secrets", "the same, with secrets"),
    Verb.WAIT: ("wait", "let the named approver decide, and wait for it"),
    Verb.LATER: ("later", "put it aside; the call waits on, and /pending opens it again"),
    Verb.DEFER: ("defer", "end this call now; the question stays open for an answer from elsewhere"),
    Verb.GIVE_UP: ("give up", "take the call back"),
    Verb.AGAIN: ("again", "ask the server for a fresh question"),
    Verb.CLOSE: ("close", "end this one; nothing runs"),
    Verb.HELP: ("?", "this list"),
}
"""How each answer is typed, and what it does. `{code}` stands for what this question wants typed."""

MEANINGS_ELSEWHERE: Final = {
    **MEANINGS,
    Verb.APPROVE: (
        "approve {code} [note]",
        "let this call through once, exactly as shown; whoever asked reads the note",
    ),
    Verb.DENY: ("deny [reason]", "refuse; whoever asked, and the model, read the reason"),
    Verb.DEFER: ("defer", "put it away; the question stays open, here and elsewhere"),
}
"""The same for a question about a call that another program makes."""


def parse_reply(line: str, choices: tuple[Verb, ...], code: str, *, word: str = "", pasted: bool = False) -> Reply:
    """Understand one typed line.

    Only `approve` followed by this question's code, and by its word where it has one, typed by hand,
    approves. A note may follow.

    Args:
        line: As it was typed.
        choices: What may be answered now.
        code: The code of this question.
        word: For a dangerous call, the word that a yes must name too.
        pasted: Whether any of the line came from a paste.
    """
    words = line.split()
    if not words:
        return Reply(Verb.NONE, "Enter alone is not an answer.")
    verb, rest = words[0].lower(), line.strip()[len(words[0]) :].strip()
    if verb in (Verb.APPROVE, Verb.RESOLVE) and Verb.APPROVE in choices:
        return _approval(verb, words[1:], code, word, pasted=pasted)
    if verb in (Verb.DENY, Verb.EDIT, Verb.RESPOND, Verb.REMEMBER) and verb in choices:
        return _with_text(Verb(verb), rest)
    plain = " ".join(words).lower()
    leaving = (Verb.LATER, Verb.DEFER) if {Verb.LATER, Verb.DEFER} & set(choices) else ()
    for choice in (*choices, *_UNLISTED, *leaving):
        if plain == choice and choice not in (Verb.NONE, Verb.APPROVE, Verb.RESOLVE, Verb.DENY, Verb.RESPOND):
            return Reply(choice)
    return Reply(Verb.NONE, _why_not(verb, choices))


def _with_text(verb: Verb, text: str) -> Reply:
    if verb is Verb.RESPOND and not text:
        return Reply(Verb.NONE, "Type the text after it: answer TEXT.")
    if verb is Verb.RESPOND and len(text) > MAX_REASON_CHARACTERS:
        return Reply(Verb.NONE, f"The model is given {MAX_REASON_CHARACTERS} characters at most; this is {len(text)}.")
    return Reply(verb, text)


def _approval(verb: str, words: list[str], code: str, word: str, *, pasted: bool) -> Reply:
    wanted = f"{verb} {code} {word}".strip()
    if pasted:
        return Reply(Verb.NONE, "Pasted text does not approve. Type it.")
    if not words:
        return Reply(Verb.NONE, f"Name the question: {wanted}.")
    if words[0].lower() != code:
        return Reply(Verb.NONE, f"That is not the code of this question, which is {code}.")
    rest = words[1:]
    if word:
        if not rest or rest[0].lower() != word.lower():
            return Reply(Verb.NONE, f"This call is dangerous. Name what it does, too: {wanted}.")
        rest = rest[1:]
    return Reply(Verb.APPROVE, " ".join(rest))


def _why_not(verb: str, choices: tuple[Verb, ...]) -> str:
    if verb in (Verb.APPROVE, Verb.RESOLVE):
        return "This question cannot be approved here."
    said = "That is not an answer."
    return f"{said} To approve, type it out with the code." if Verb.APPROVE in choices else said
