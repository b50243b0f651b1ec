"""What became of a call, as far as its entries tell: the answer to "did it run?" after a crash at any point."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from allowly_harness.journal.entries import Entry
from allowly_harness.protocol.models import ApprovalOutcome


class Fate(StrEnum):
    """What became of a call."""

    NOT_RUN = "not run"
    """It was never sent, or each sending came back blocked: the server says that the tool was not entered."""
    RAN = "ran"
    """The server answered with the tool's own result, an error of the tool's included."""
    UNKNOWN = "unknown"
    """It was sent, and nothing is written of an answer. It may have run."""


_RAN: Final = frozenset({ApprovalOutcome.ALLOWED, ApprovalOutcome.APPROVED, ApprovalOutcome.APPROVED_EDITED})

# A forged question comes out of a tool that was entered; a lost reply proves nothing either way.
_UNKNOWN: Final = frozenset({ApprovalOutcome.UNKNOWN, ApprovalOutcome.SPOOFED})


def verdict_of(entries: Iterable[Entry]) -> Fate:
    """Return what became of a call.

    Args:
        entries: All entries of one conversation, in order. A program that was stopped at any point has
            written each step before it took it, so the last entry tells what can have happened since.
    """
    fate = Fate.NOT_RUN
    for entry in entries:
        match entry.step:
            case "dispatched":
                fate = Fate.UNKNOWN
            case "blocked":
                fate = Fate.NOT_RUN
            case "finished":
                fate = _final(entry, fate)
            case _:
                pass
    return fate


def _final(entry: Entry, before: Fate) -> Fate:
    outcome = entry.fact("outcome")
    if outcome in _RAN:
        return Fate.RAN
    return Fate.UNKNOWN if outcome in _UNKNOWN else before
