"""What a typed line means as the reply to a question. Pure, so that every line can be tried in tests."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from allowly_harness.protocol.models import ApprovalRequest

CODE_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without i, l, o, 0 and 1, which are read as one another."""

CODE_LENGTH: Final = 2
"""Characters of a code. It keeps an answer from meeting the wrong question; it is no password."""

DrawCode: TypeAlias = Callable[[], str]


class Verb(StrEnum):
    """What a person can do with a question on a line."""

    APPROVE = "approve"
    DENY = "deny"
    VIEW = "view"
    REVEAL = "view secrets"
    WAIT = "wait"
    LATER = "later"
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
        return (Verb.APPROVE, Verb.DENY, Verb.VIEW, Verb.LATER)
    if request.may_resolve:
        return (Verb.APPROVE, Verb.DENY, Verb.VIEW, Verb.LATER)
    return (Verb.WAIT, Verb.LATER, Verb.GIVE_UP, Verb.VIEW)


EXPIRED_CHOICES: Final = (Verb.AGAIN, Verb.CLOSE, Verb.VIEW)
"""What is left to do with a question that has ended."""


def parse_reply(line: str, choices: tuple[Verb, ...], code: str, *, pasted: bool = False) -> Reply:
    """Understand one typed line.

    Only `approve` followed by this question's code, typed by hand, approves. A note may follow the code.

    Args:
        line: As it was typed.
        choices: What may be answered now.
        code: The code of this question.
        pasted: Whether any of the line came from a paste.
    """
    words = line.split()
    if not words:
        return Reply(Verb.NONE, "Enter alone is not an answer.")
    verb, rest = words[0].lower(), " ".join(words[1:])
    if verb == Verb.APPROVE and Verb.APPROVE in choices:
        return _approval(words[1:], code, pasted=pasted)
    if verb == Verb.DENY and Verb.DENY in choices:
        return Reply(Verb.DENY, rest)
    plain = " ".join(words).lower()
    for choice in (*choices, Verb.REVEAL):
        if plain == choice and choice not in (Verb.NONE, Verb.APPROVE, Verb.DENY):
            return Reply(choice)
    return Reply(Verb.NONE, _why_not(verb, choices))


def _approval(words: list[str], code: str, *, pasted: bool) -> Reply:
    if pasted:
        return Reply(Verb.NONE, "Pasted text does not approve. Type it.")
    if not words:
        return Reply(Verb.NONE, f"Name the question: approve {code}")
    if words[0].lower() != code:
        return Reply(Verb.NONE, f"That is not the code of this question, which is {code}.")
    return Reply(Verb.APPROVE, " ".join(words[1:]))


def _why_not(verb: str, choices: tuple[Verb, ...]) -> str:
    if verb == Verb.APPROVE:
        return "This question cannot be approved here."
    said = "That is not an answer."
    return f"{said} To approve, type it out with the code." if Verb.APPROVE in choices else said
