"""Whether a journal is as it was written: the chain of digests, read from its first entry to its last.

The chain shows accidents, and changes by whoever does not know how it is made. Someone who may write the file
can write all of it anew; to notice that too, note the last digest elsewhere and give it to `verify`.
"""

from __future__ import annotations

from dataclasses import dataclass

from allowly_harness.journal.entries import FIRST_PREVIOUS, Entry
from allowly_harness.journal.journal import Journal
from allowly_harness.protocol.errors import JournalError


@dataclass(frozen=True, slots=True)
class Intact:
    """A journal in order.

    Attributes:
        entries: How many there are.
        removed: How many older ones were removed by retention.
        last: The digest of the last one, in hexadecimal; empty where there is none.
    """

    entries: int
    removed: int
    last: str


@dataclass(frozen=True, slots=True)
class Damage:
    """The first entry that is not as it was written.

    Attributes:
        seq: Its number.
        problem: A sentence for a person.
    """

    seq: int
    problem: str


def verify(journal: Journal, *, expected: str | None = None) -> Intact | Damage:
    """Read a journal through.

    Args:
        journal: What to read. Entries that are appended meanwhile are read too.
        expected: A digest that some entry must have, in hexadecimal: the last one, as it was noted earlier.
    """
    ends = journal.ends()
    removed, previous = ends.get("first", (0, FIRST_PREVIOUS))
    seq, seen = removed, expected is None
    try:
        for entry in journal.entries():
            problem = _problem(entry, seq, previous)
            if problem is not None:
                return Damage(seq + 1, problem)
            seq, previous = entry.seq, entry.digest
            seen = seen or previous.hex() == expected
    except JournalError as error:
        return Damage(seq + 1, str(error))
    if "last" in ends and ends["last"][0] > seq:
        return Damage(seq + 1, f"The entries {seq + 1} to {ends['last'][0]} are missing at the end.")
    if "last" in ends and seq == ends["last"][0] and previous != ends["last"][1]:
        return Damage(seq, "The last entry is not the one that was written last.")
    if "last" not in ends and seq > 0:
        return Damage(seq, "It is not written which entry is the last.")
    if not seen:
        return Damage(seq, "No entry has the digest that was expected: the journal was written anew, or cut off.")
    return Intact(seq - removed, removed, previous.hex() if seq else "")


def _problem(entry: Entry, before: int, previous: bytes) -> str | None:
    if entry.seq != before + 1:
        missing = f"{before + 1}" if entry.seq == before + 2 else f"{before + 1} to {entry.seq - 1}"
        return f"What is numbered {missing} is missing."
    if entry.previous != previous:
        return "It does not follow the entry before it: one of the two was changed or replaced."
    if entry.chained() != entry.digest:
        return "Its contents were changed after they were written."
    return None
