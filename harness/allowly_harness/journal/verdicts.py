"""What became of a call, as far as its entries tell: the answer to "did it run?" after a crash at any point."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from allowly_harness.journal.entries import ELSEWHERE, MADE, Entry
from allowly_harness.protocol.models import AnswerKind, ApprovalOutcome


class Fate(StrEnum):
    """What became of a call."""

    NOT_RUN = "not run"
    """It was never sent, or each sending came back blocked: the server says that the tool was not entered."""
    RAN = "ran"
    """The server answered with the tool's own result, an error of the tool's included."""
    UNKNOWN = "unknown"
    """It was sent, and nothing is written of an answer. It may have run.

    Of a call that another program makes: the answer to its question was sent, and nothing is written of a reply.
    """
    NOT_HERE = "not here"
    """Another program makes the call, and keeps a journal of its own; here its question was answered, or was open."""


_RAN: Final = frozenset({ApprovalOutcome.ALLOWED, ApprovalOutcome.APPROVED, ApprovalOutcome.APPROVED_EDITED})

# A forged question comes out of a tool that was entered; a lost reply proves nothing either way.
_UNKNOWN: Final = frozenset({ApprovalOutcome.UNKNOWN, ApprovalOutcome.SPOOFED})

_POSTED: Final = frozenset({AnswerKind.APPROVE, AnswerKind.DENY})


def verdict_of(entries: Iterable[Entry]) -> Fate:
    """Return what became of a call.

    Args:
        entries: All entries of one conversation, in order. A program that was stopped at any point has
            written each step before it took it, so the last entry tells what can have happened since.
    """
    fate, elsewhere = Fate.NOT_RUN, False
    for entry in entries:
        elsewhere = elsewhere or is_made_elsewhere(entry)
        match entry.step:
            case _ if elsewhere:
                fate = _of_answer(entry)
            case "dispatched":
                fate = Fate.UNKNOWN
            case "blocked":
                fate = Fate.NOT_RUN
            case "finished":
                fate = _final(entry, fate)
            case _:
                pass
    return fate


def is_made_elsewhere(first: Entry) -> bool:
    """Tell from the first entry of a conversation whether the call is another program's."""
    return first.step == "asked" and first.fact(MADE) == ELSEWHERE


def _of_answer(entry: Entry) -> Fate:
    lost = entry.step == "posted" and entry.fact("status") == "unknown"
    given = entry.step == "answered" and entry.fact("answer") in _POSTED
    return Fate.UNKNOWN if lost or given else Fate.NOT_HERE


def _final(entry: Entry, before: Fate) -> Fate:
    outcome = entry.fact("outcome")
    if outcome in _RAN:
        return Fate.RAN
    return Fate.UNKNOWN if outcome in _UNKNOWN else before
