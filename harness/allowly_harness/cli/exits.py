"""Exit codes, and everything that goes to standard error. Standard output is for data alone."""

from __future__ import annotations

import sys
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from allowly_harness.protocol.models import ApprovalOutcome


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
        ApprovalOutcome.ALLOWED: ExitCode.DONE,
        ApprovalOutcome.APPROVED: ExitCode.DONE,
        ApprovalOutcome.APPROVED_EDITED: ExitCode.DONE,
        ApprovalOutcome.RESPONDED: ExitCode.DENIED_BY_PERSON,
        ApprovalOutcome.DENIED_BY_POLICY: ExitCode.DENIED_BY_POLICY,
        ApprovalOutcome.DENIED_BY_PERSON: ExitCode.DENIED_BY_PERSON,
        ApprovalOutcome.EXPIRED: ExitCode.EXPIRED,
        ApprovalOutcome.CANCELLED: ExitCode.INTERRUPTED,
        ApprovalOutcome.UNATTENDED: ExitCode.NOBODY_THERE,
        ApprovalOutcome.DEFERRED: ExitCode.NOBODY_THERE,
        ApprovalOutcome.SUPERSEDED: ExitCode.DENIED_BY_PERSON,
        ApprovalOutcome.SPOOFED: ExitCode.DENIED_BY_POLICY,
        ApprovalOutcome.UNREACHABLE: ExitCode.AUTHORITY_UNREACHABLE,
        ApprovalOutcome.TOO_MANY_ROUNDS: ExitCode.DENIED_BY_POLICY,
        ApprovalOutcome.UNKNOWN: ExitCode.UNKNOWN_OUTCOME,
    }
)
"""The exit code of a one-shot call, by how it ended."""


def say(message: str) -> None:
    """Write a line for a person, to standard error."""
    print(message, file=sys.stderr, flush=True)


def fail(message: str, code: ExitCode) -> int:
    """Say what went wrong and return the code to exit with."""
    say(f"allowly-harness: {message}")
    return int(code)
