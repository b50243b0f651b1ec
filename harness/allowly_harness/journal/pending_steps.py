"""What each step of a conversation means for the call that waits: kept, sent, left open, or over."""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import datetime
from typing import Any, Final

from allowly_harness.journal.entries import MAX_TEXT_CHARACTERS, storable
from allowly_harness.journal.keeping import Keeping
from allowly_harness.journal.pending import (
    MAX_PENDING_ARGUMENT_BYTES,
    MAX_PENDING_CALLS,
    PendingCalls,
    PendingState,
    release,
)
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.errors import PendingError, PendingTaken
from allowly_harness.protocol.models import ApprovalOutcome, ToolCall

_INSERT: Final = (
    "INSERT INTO pending (token, server, tool, reach, arguments, original, bare, digest, kind, escalation_to, "
    "expires_at_ms, state, began_at_ms, owner, owner_pid, lease, lease_until_ms) VALUES (:token, :server, :tool, "
    ":reach, :arguments, :original, :bare, :digest, :kind, :to, :expires, 'asking', :now, :owner, :pid, :lease, :until)"
)

FIRST_LEASE: Final = 1
"""The lease of the program that asked first."""

_MINE: Final = "WHERE token = :token AND owner = :owner AND lease = :lease"
_CALL: Final = "arguments = :arguments, original = :original, bare = :bare, digest = :digest"

_ASK_AGAIN: Final = (
    f"UPDATE pending SET {_CALL}, kind = :kind, escalation_to = :to, expires_at_ms = :expires, "  # noqa: S608 - our own words
    f"state = 'asking' {_MINE}"
)

_SEND: Final = f"UPDATE pending SET {_CALL}, state = 'sending' {_MINE} AND state IN ('asking', 'waiting')"  # noqa: S608 - our own words
_MOVE: Final = f"UPDATE pending SET state = :state {_MINE} AND state != 'unknown'"  # noqa: S608 - our own words


class PendingSteps:
    """Follows the conversations of one program.

    Args:
        calls: The calls that wait.
        program: The name of this run.
    """

    def __init__(self, calls: PendingCalls, program: str) -> None:
        self._calls = calls
        self._program = program
        self._leases: dict[str, int] = {}
        self._lock = threading.Lock()

    def hold(self, token: str, lease: int) -> None:
        """Follow a call from now on: it is kept, or was taken over, under this lease."""
        with self._lock:
            self._leases[token] = lease
        self._calls.renewing.start()

    def holds(self, token: str) -> bool:
        """Tell whether a call is kept that this program works on."""
        return token in self._leases

    def let_go(self, token: str) -> int | None:
        """Follow a call no further; return the number of its lease, if it was followed."""
        with self._lock:
            return self._leases.pop(token, None)

    def follow(self, connection: sqlite3.Connection, record: Record, keeping: Keeping) -> str:
        """Do what a step means for its call, as a part of the transaction that writes the step down.

        What is followed does not change here: it is not known yet whether the transaction stands.

        Returns:
            Why the call is not kept; empty where it is, or has ended.

        Raises:
            PendingTaken: Another program has taken the call over.
        """
        token = record.conversation
        lease = self._leases.get(token)
        if record.step == "asked" and lease is None:
            return self._keep(connection, record, keeping)
        if lease is None:
            return ""
        match record.step:
            case "asked":
                values = self._call(record, keeping) | self._question(record) | self._mine(record, lease)
                self._change(connection, _ASK_AGAIN, values)
            case "answered":
                state = PendingState.WAITING if record.facts.get("answer") == "wait" else PendingState.ASKING
                self._move(connection, record, lease, state)
            case "dispatched":
                # The one statement that admits a sending: whoever has an older lease stops here.
                self._change(connection, _SEND, self._call(record, keeping) | self._mine(record, lease))
            case "blocked":
                self._move(connection, record, lease, PendingState.ASKING)
            case "finished":
                self._end(connection, record, lease)
            case _:
                pass
        return ""

    def _keep(self, connection: sqlite3.Connection, record: Record, keeping: Keeping) -> str:
        self._calls.remove_old(connection)
        problem = keeping.why_not or _problem_with(record.call)
        if problem:
            return problem
        if connection.execute("SELECT count(*) FROM pending").fetchone()[0] >= MAX_PENDING_CALLS:
            return f"{MAX_PENDING_CALLS} calls wait already"
        connection.execute(
            _INSERT,
            self._call(record, keeping)
            | self._question(record)
            | {
                **self._mine(record, FIRST_LEASE),
                "server": record.call.server,
                "tool": record.call.tool,
                "reach": keeping.reach,
                "now": self._calls.now_ms(),
                "pid": os.getpid(),
                "until": self._calls.lease_end(),
            },
        )
        return ""

    def _call(self, record: Record, keeping: Keeping) -> dict[str, Any]:
        call = record.call
        edited = call != keeping.original
        return {
            "arguments": call.canonical,
            "original": keeping.original.canonical if edited else None,
            "bare": keeping.bare and not edited,
            "digest": call.digest,
        }

    def _question(self, record: Record) -> dict[str, Any]:
        facts, to = record.facts, record.facts.get("to")
        return {
            "kind": facts["kind"],
            "to": None if to is None else storable(str(to)[:MAX_TEXT_CHARACTERS]),
            "expires": int(datetime.fromisoformat(facts["expires_at"]).timestamp() * 1000),
        }

    def _mine(self, record: Record, lease: int) -> dict[str, Any]:
        return {"token": record.conversation, "owner": self._program, "lease": lease}

    def _move(self, connection: sqlite3.Connection, record: Record, lease: int, state: PendingState) -> None:
        self._change(connection, _MOVE, self._mine(record, lease) | {"state": state.value})

    def _change(self, connection: sqlite3.Connection, statement: str, values: dict[str, Any]) -> None:
        if connection.execute(statement, values).rowcount == 1:
            return
        row = connection.execute("SELECT owner_pid FROM pending WHERE token = ?", (values["token"],)).fetchone()
        if row is None:
            raise PendingError(
                "Another program has taken this call over, and has ended it. Nothing was sent from here."
            )
        raise PendingTaken(f"process {row[0]}")

    def _end(self, connection: sqlite3.Connection, record: Record, lease: int) -> None:
        mine = (record.conversation, self._program, lease)
        match record.facts.get("outcome"):
            case ApprovalOutcome.DEFERRED:
                release(connection, *mine)
            case ApprovalOutcome.UNKNOWN:
                connection.execute(
                    "UPDATE pending SET state = 'unknown', owner = '', lease_until_ms = 0 "
                    "WHERE token = ? AND owner = ? AND lease = ?",
                    mine,
                )
            case _:
                connection.execute("DELETE FROM pending WHERE token = ? AND owner = ? AND lease = ?", mine)


def _problem_with(call: ToolCall) -> str:
    """Return why a call cannot be kept as it is, in a few words; empty where it can."""
    if len(call.canonical.encode()) > MAX_PENDING_ARGUMENT_BYTES:
        return f"its arguments are longer than {MAX_PENDING_ARGUMENT_BYTES // 1024} KiB"
    if any(storable(name) != name for name in (call.server, call.tool)):
        return "its name cannot be written down"
    return ""
