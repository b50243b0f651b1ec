"""Exit codes, and everything that goes to standard error. Standard output is for data alone."""

from __future__ import annotations

import sys
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class ExitCode(IntEnum):
    """How the program ended, for scripts."""

    DONE = 0
    TOOL_FAILED = 1
    """The tool ran, or was not guarded, and reported an error."""
    USAGE = 2
    DENIED_BY_POLICY = 3
    """The policy, or one of our own rules, said no."""
    DENIED_BY_PERSON = 4
    NOBODY_THERE = 5
    """Nobody was there to ask, or the question was left open."""
    EXPIRED = 6
    AUTHORITY_UNREACHABLE = 7
    SERVER_UNREACHABLE = 8
    UNKNOWN_OUTCOME = 9
    """The approved call was sent and may have run."""
    INTERRUPTED = 130


OUTCOME_CODES: Final = MappingProxyType(
    {
        "allowed": ExitCode.DONE,
        "approved": ExitCode.DONE,
        "approved_edited": ExitCode.DONE,
        "responded": ExitCode.DENIED_BY_PERSON,
        "denied_by_policy": ExitCode.DENIED_BY_POLICY,
        "denied_by_person": ExitCode.DENIED_BY_PERSON,
        "expired": ExitCode.EXPIRED,
        "cancelled": ExitCode.INTERRUPTED,
        "unattended": ExitCode.NOBODY_THERE,
        "deferred": ExitCode.NOBODY_THERE,
        "superseded": ExitCode.DENIED_BY_PERSON,
        "spoofed": ExitCode.DENIED_BY_POLICY,
        "unreachable": ExitCode.AUTHORITY_UNREACHABLE,
        "too_many_rounds": ExitCode.DENIED_BY_POLICY,
        "unknown": ExitCode.UNKNOWN_OUTCOME,
    }
)
"""The exit code of a one-shot call, by its `ApprovalOutcome`; as text, to keep `--help` light."""


def say(message: str) -> None:
    """Write a line for a person, to standard error."""
    print(message, file=sys.stderr, flush=True)


def fail(message: str, code: ExitCode) -> int:
    """Say what went wrong, in one inert line, and return the code to exit with.

    Servers and authorities word some of these messages, and a terminal may be reading them (G8).
    """
    from allowly_harness.display.sanitize import plain

    say(f"allowly-harness: {plain(message)}")
    return int(code)
