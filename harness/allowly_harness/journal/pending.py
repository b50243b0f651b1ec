"""Calls that wait for an answer, kept beside the chain in the journal's file until they end.

A row holds what is needed to make the very same call again, arguments included; there are no nonces and
no ids of escalations in it. Who works on a call holds its lease: one program at a time, and each
sending of the call is admitted by one statement that names the lease.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeAlias

from allowly_harness.journal.renewing import LEASE_SECONDS, Renewing
from allowly_harness.journal.running import is_running
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.errors import PendingError, PendingTaken, PendingUnknown
from allowly_harness.protocol.models import ApprovalOutcome, ToolCall

MAX_PENDING_CALLS: Final = 1_000
"""How many calls may wait at a time; those beyond it are not kept."""

MAX_PENDING_ARGUMENT_BYTES: Final = 64 * 1024
"""The longest canonical arguments of a call that is kept, in UTF-8; calls with longer ones are not kept."""

PENDING_DAYS: Final = 30
"""How long a call is kept that waits. One of which nobody knows whether it ran is kept until it is forgotten."""

COLUMNS: Final = (
    "token, server, tool, reach, arguments, original, bare, digest, kind, escalation_to, expires_at_ms, state, "
    "began_at_ms, owner, owner_pid, lease_until_ms"
)

Changing: TypeAlias = Callable[[], AbstractContextManager[sqlite3.Connection]]
Reading: TypeAlias = "Callable[[str, dict[str, Any]], list[tuple[Any, ...]]]"


class PendingState(StrEnum):
    """How a call that waits stands."""

    ASKING = "asking"
    """A person is asked, or was when the program ended."""
    WAITING = "waiting"
    """Somebody else is waited for."""
    DEFERRED = "deferred"
    """The question was left open, and the call has ended for now."""
    SENDING = "sending"
    """It is being sent after an approval; nobody else may send it."""
    UNKNOWN = "unknown"
    """It was sent, and nothing is known of an answer. It is never sent again."""


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that waits.

    Attributes:
        token: Names it: the conversation that it has in the journal, 32 hexadecimal digits.
        call: The call itself, as it would be sent.
        original: The call as the agent made it; another one where a person has changed it.
        bare: Whether it was sent without any arguments, rather than with none in an object.
        reach: How its server was reached, as JSON; `None` where a program embeds the session.
        kind: "confirm" or "escalate".
        escalation_to: Who must approve it, as far as that is known.
        expires_at: When the question ends, aware.
        state: How it stands.
        began_at: When the question was first put, aware.
        taken_by: Which running program works on it, in a few words; `None` where it is free.
    """

    token: str
    call: ToolCall
    original: ToolCall = field(repr=False)
    bare: bool
    reach: str | None = field(repr=False)
    kind: str
    escalation_to: str | None
    expires_at: datetime
    state: PendingState
    began_at: datetime
    taken_by: str | None = None

    @property
    def free(self) -> bool:
        """Whether it may be taken: nobody works on it, and it was not sent."""
        return self.taken_by is None and self.state is not PendingState.UNKNOWN


class PendingCalls:
    """The calls that wait, of one journal. Its methods may be called from any thread.

    Args:
        changing: Opens a transaction that no other program writes beside.
        reading: Runs a statement that only reads.
        append: Writes a step down, as a part of a transaction.
        path: The journal's file.
        program: The name of this run.
        clock: Returns seconds since 1970.
    """

    def __init__(
        self,
        changing: Changing,
        reading: Reading,
        append: Callable[[Record], object],
        *,
        path: Path,
        program: str,
        clock: Callable[[], float],
    ) -> None:
        self._changing = changing
        self._reading = reading
        self._append = append
        self._path = path
        self._program = program
        self._clock = clock
        self.renewing = Renewing(changing, program, clock)

    def list(self) -> list[PendingCall]:
        """Return all of them, the one whose question ends first at the front.

        Raises:
            JournalError: The file cannot be read.
        """
        statement = f"SELECT {COLUMNS} FROM pending WHERE {_RECENT} ORDER BY expires_at_ms, token"  # noqa: S608 - our own names
        return [self._call_of(row) for row in self._reading(statement, {"oldest": self._oldest()})]

    def count(self) -> int:
        """Return how many there are.

        Raises:
            JournalError: The file cannot be read.
        """
        statement = f"SELECT count(*) FROM pending WHERE {_RECENT}"  # noqa: S608 - our own names
        return int(self._reading(statement, {"oldest": self._oldest()})[0][0])

    def get(self, token: str) -> PendingCall:
        """Return one.

        Raises:
            PendingUnknown: There is none with this token.
            JournalError: The file cannot be read.
        """
        statement = f"SELECT {COLUMNS} FROM pending WHERE token = :token AND {_RECENT}"  # noqa: S608 - our own names
        rows = self._reading(statement, {"token": token, "oldest": self._oldest()})
        if not rows:
            raise PendingUnknown(token)
        return self._call_of(rows[0])

    def take(self, token: str) -> Lease:
        """Take a call over, so that this program alone may send it.

        Raises:
            PendingUnknown: There is none with this token.
            PendingTaken: A running program works on it, and has said so within `LEASE_SECONDS`.
            PendingError: Nobody knows whether it ran; it is never sent again.
            JournalError: The file cannot be written.
        """
        with self._changing() as connection:
            held = self._free(connection, token)
            lease = connection.execute(
                "UPDATE pending SET owner = :owner, owner_pid = :pid, lease = lease + 1, lease_until_ms = :until, "
                "state = 'asking' WHERE token = :token RETURNING lease",
                {"owner": self._program, "pid": os.getpid(), "until": self.lease_end(), "token": token},
            ).fetchone()[0]
        self.renewing.start()
        return Lease(held, lease, self._changing, self._program)

    def cancel(self, token: str) -> PendingCall:
        """Remove a call that nobody works on, write down that it was taken back, and return what it was.

        Raises:
            PendingUnknown: There is none with this token.
            PendingTaken: A running program works on it.
            PendingError: Nobody knows whether it ran.
            JournalError: The file cannot be written.
        """
        with self._changing() as connection:
            held = self._free(connection, token)
            connection.execute("DELETE FROM pending WHERE token = ?", (token,))
            self._append(Record("finished", held.call, {"outcome": ApprovalOutcome.CANCELLED.value}, token))
        return held

    def forget(self, token: str) -> PendingCall:
        """Remove a call of which nobody knows whether it ran, and return what it was.

        Raises:
            PendingUnknown: There is none with this token.
            PendingError: It is not such a one.
            JournalError: The file cannot be written.
        """
        with self._changing() as connection:
            held = self._held(connection, token)
            if held.state is not PendingState.UNKNOWN:
                raise PendingError("This call was not sent: cancel it, or resume it.")
            connection.execute("DELETE FROM pending WHERE token = ?", (token,))
        return held

    def remove_old(self, connection: sqlite3.Connection) -> None:
        """Remove what has waited for longer than `PENDING_DAYS`, as a part of a transaction."""
        connection.execute(
            "DELETE FROM pending WHERE began_at_ms < ? AND state NOT IN ('sending', 'unknown') AND lease_until_ms < ?",
            (self._oldest(), self.now_ms()),
        )

    def now_ms(self) -> int:
        """Return the time, in milliseconds since 1970."""
        return int(self._clock() * 1000)

    def lease_end(self) -> int:
        """Return when a lease ends that is taken now."""
        return self.now_ms() + int(LEASE_SECONDS * 1000)

    def _oldest(self) -> int:
        return self.now_ms() - PENDING_DAYS * 86_400_000

    def _held(self, connection: sqlite3.Connection, token: str) -> PendingCall:
        row = connection.execute(f"SELECT {COLUMNS} FROM pending WHERE token = ?", (token,)).fetchone()  # noqa: S608 - our own names
        if row is None:
            raise PendingUnknown(token)
        return self._call_of(row)

    def _free(self, connection: sqlite3.Connection, token: str) -> PendingCall:
        held = self._held(connection, token)
        if held.state is PendingState.UNKNOWN:
            raise PendingError(
                "This call was sent, and nobody knows whether it ran. It is not sent again: look at its effect, "
                "then: allowly-harness pending forget."
            )
        if held.taken_by is not None:
            raise PendingTaken(held.taken_by)
        return held

    def _call_of(self, row: tuple[Any, ...]) -> PendingCall:
        (token, server, tool, reach, arguments, original, bare, digest) = row[:8]
        (kind, target, expires_at_ms, state, began_at_ms, owner, pid, lease_until_ms) = row[8:]
        call = ToolCall(server, tool, json.loads(arguments))
        if call.digest != digest:
            raise PendingError(f"The call {token[:8]} that waits is not as it was written. Nothing is sent of it.")
        state = PendingState(state)
        running = bool(owner) and is_running(self._path, owner)
        if state is PendingState.SENDING and not running:
            state = PendingState.UNKNOWN
        # What is being sent stays with its program, however late that says so.
        taken = running and (lease_until_ms > self.now_ms() or state is PendingState.SENDING)
        return PendingCall(
            token=token,
            call=call,
            original=call if original is None else ToolCall(server, tool, json.loads(original)),
            bare=bool(bare),
            reach=reach,
            kind=kind,
            escalation_to=target,
            expires_at=_time(expires_at_ms),
            state=state,
            began_at=_time(began_at_ms),
            taken_by=f"process {pid}" if taken else None,
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to go on with a call. It is renewed as long as the journal is open in this program.

    Attributes:
        pending: The call.
        number: Counts who has taken it; whoever has an older number sends nothing.
    """

    pending: PendingCall
    number: int
    _changing: Changing = field(repr=False)
    _program: str = field(repr=False)

    def release(self) -> None:
        """Give it back, for whoever comes next. A call that was sent stays `unknown`.

        Raises:
            JournalError: The file cannot be written.
        """
        with self._changing() as connection:
            release(connection, self.pending.token, self._program, self.number)


def release(connection: sqlite3.Connection, token: str, owner: str, lease: int) -> None:
    """Free a call that its owner goes on with no further, as a part of a transaction."""
    connection.execute(
        "UPDATE pending SET owner = '', lease_until_ms = 0, "
        "state = CASE WHEN state IN ('sending', 'unknown') THEN 'unknown' ELSE 'deferred' END "
        "WHERE token = ? AND owner = ? AND lease = ?",
        (token, owner, lease),
    )


_RECENT: Final = "(began_at_ms >= :oldest OR state IN ('sending', 'unknown'))"


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
