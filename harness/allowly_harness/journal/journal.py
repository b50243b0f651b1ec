"""The journal: entries are appended one by one, by any number of harnesses, and read in pages."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, Self

import anyio.to_thread

from allowly_harness.journal.entries import FIRST_PREVIOUS, Entry, chain_digest, facts_text, storable
from allowly_harness.journal.file import as_journal_error, open_file
from allowly_harness.journal.keeping import Keeping
from allowly_harness.journal.pending import Lease, PendingCalls, release
from allowly_harness.journal.pending_steps import FIRST_LEASE, PendingSteps
from allowly_harness.journal.running import counted_as_running
from allowly_harness.journal.writing import to_its_end
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.errors import JournalError

PAGE: Final = 500
"""How many entries are read at a time."""

COLUMNS: Final = "seq, at_ms, program, conversation, step, server, tool, call_digest, facts, previous, digest"


class Journal:
    """An open journal. Its methods may be called from any thread; `record` from any event loop.

    Args:
        path: The file.
        connection: As `open_file` returns it; closed with the journal.
        program: The name of this run.
        clock: Returns seconds since 1970.

    Attributes:
        pending: The calls that wait, beside the chain.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, program: str, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self.program = program
        self._connection = connection
        self._clock = clock
        self._lock = threading.Lock()
        self._file = _identity(path)
        self.pending = PendingCalls(self._changing, self._rows, self._append, path=path, program=program, clock=clock)
        self._steps = PendingSteps(self.pending, program)

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, *, clock: Callable[[], float] = time.time) -> AsyncGenerator[Self]:
        """Open a journal for as long as the block lasts; it is made where there is none.

        Raises:
            JournalError: The file cannot be used; says why.
        """
        with ExitStack() as stack:
            connection = await anyio.to_thread.run_sync(open_file, path)
            stack.callback(connection.close)
            try:
                program = stack.enter_context(counted_as_running(path))
            except OSError as error:
                raise JournalError(f"The journal {path} cannot be used: {error.strerror or error}.") from None
            journal = cls(path, connection, program, clock)
            stack.callback(journal.pending.renewing.stop)
            yield journal

    async def record(self, record: Record) -> None:
        """Write a step down; once this returns it survives a loss of power. What sessions take as `journal=`.

        Raises:
            JournalError: It cannot be written, so the step must not be taken.
        """
        await to_its_end(self.append, record)

    async def record_resumable(self, record: Record, keeping: Keeping) -> str:
        """Write a step down, and beside it, as one, what it means for the call that waits.

        Args:
            record: The step.
            keeping: What is needed to make the call again, beside the call.

        Returns:
            Why the call is not kept; empty where it is, or has ended.

        Raises:
            PendingTaken: Another program has taken the call over: the step must not be taken.
            JournalError: It cannot be written, so the step must not be taken.
        """
        return await to_its_end(self._append_resumable, record, keeping)

    def _append_resumable(self, record: Record, keeping: Keeping) -> str:
        problem = ""
        with self._changing() as connection:
            problem = self._steps.follow(connection, record, keeping)
            self._append(record)
        if record.step == "asked" and not problem and not self._steps.holds(record.conversation):
            self._steps.hold(record.conversation, FIRST_LEASE)
        elif record.step == "finished":
            self._steps.let_go(record.conversation)
        return problem

    def follow(self, lease: Lease) -> None:
        """Go on with a call that was taken over: its steps are written down with `record_resumable`."""
        self._steps.hold(lease.pending.token, lease.number)

    def keeps(self, token: str) -> bool:
        """Tell whether a call is kept that this program works on."""
        return self._steps.holds(token)

    def let_go(self, token: str) -> None:
        """Go on no further with a call, if it is kept: it is free for whoever comes next.

        Raises:
            JournalError: The file cannot be written.
        """
        lease = self._steps.let_go(token)
        if lease is not None:
            with self._changing() as connection:
                release(connection, token, self.program, lease)

    def append(self, record: Record) -> Entry:
        """Write a step down and return the entry.

        Raises:
            JournalError: It cannot be written.
        """
        with self._changing():
            return self._append(record)

    def _append(self, record: Record) -> Entry:
        last = self._connection.execute("SELECT seq, digest FROM ends WHERE which = 'last'").fetchone()
        seq, previous = (last[0] + 1, last[1]) if last else (1, FIRST_PREVIOUS)
        call = record.call
        fields = (
            seq,
            int(self._clock() * 1000),
            self.program,
            record.conversation,
            record.step,
            storable(call.server),
            storable(call.tool),
            call.digest,
            facts_text(record.facts),
        )
        entry = Entry(*fields, previous, chain_digest(*fields, previous.hex()))
        self._connection.execute(
            f"INSERT INTO entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own names
            (*fields, entry.previous, entry.digest),
        )
        self._connection.execute(
            "INSERT INTO ends VALUES ('last', ?, ?) ON CONFLICT (which) DO UPDATE SET seq = excluded.seq, "
            "digest = excluded.digest",
            (seq, entry.digest),
        )
        return entry

    def entries(self, *, after: int = 0, conversation: str | None = None) -> Iterator[Entry]:
        """Yield entries in order, as many as there are when each page is read.

        Args:
            after: Begin behind this one.
            conversation: Those of one call only.

        Raises:
            JournalError: The file cannot be read.
        """
        condition = "" if conversation is None else "AND conversation = :conversation"
        statement = f"SELECT {COLUMNS} FROM entries WHERE seq > :after {condition} ORDER BY seq LIMIT :page"  # noqa: S608
        while True:
            values = {"after": after, "conversation": conversation, "page": PAGE}
            rows = self._rows(statement, values)
            yield from (Entry(*row) for row in rows)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def ends(self) -> dict[str, tuple[int, bytes]]:
        """Return where the journal begins ("first": what was removed last) and ends ("last").

        Raises:
            JournalError: The file cannot be read.
        """
        return {which: (seq, digest) for which, seq, digest in self._rows("SELECT which, seq, digest FROM ends", {})}

    def remove_before(self, at_ms: int) -> int:
        """Remove entries that were written before a time, whole calls only, and return how many.

        The chain then begins at the last one that was removed, whose digest is kept.

        Args:
            at_ms: Milliseconds since 1970.

        Raises:
            JournalError: The file cannot be written.
        """
        # Each start of a program comes here. Where the first entry is recent nothing goes before it: no lock is taken.
        first = self._rows("SELECT at_ms FROM entries ORDER BY seq LIMIT 1", {})
        if not first or first[0][0] >= at_ms:
            return 0
        with self._changing():
            return self._remove_before(at_ms)

    def _remove_before(self, at_ms: int) -> int:
        # The first entry that stays: recent itself, or of a call with one that is.
        kept = self._connection.execute(
            "SELECT min(seq) FROM entries WHERE at_ms >= :at_ms OR conversation IN "
            "(SELECT conversation FROM entries WHERE at_ms >= :at_ms)",
            {"at_ms": at_ms},
        ).fetchone()[0]
        bound = kept if kept is not None else self._connection.execute("SELECT max(seq) + 1 FROM entries").fetchone()[0]
        if bound is None:
            return 0
        last = self._connection.execute(
            "SELECT seq, digest FROM entries WHERE seq < ? ORDER BY seq DESC LIMIT 1", (bound,)
        ).fetchone()
        if last is None:
            return 0
        self._connection.execute(
            "INSERT INTO ends VALUES ('first', ?, ?) ON CONFLICT (which) DO UPDATE SET seq = excluded.seq, "
            "digest = excluded.digest",
            last,
        )
        removed: int = self._connection.execute("DELETE FROM entries WHERE seq < ?", (bound,)).rowcount
        return removed

    @contextmanager
    def _changing(self) -> Generator[sqlite3.Connection]:
        """Let no other program write until the block has ended; what it did stands, or nothing of it."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    self._check_file()
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise as_journal_error(error, self.path) from None

    def _check_file(self) -> None:
        # SQLite goes on in a file that has no name any more: what it writes there nobody finds again.
        if _identity(self.path) != self._file:
            raise JournalError(f"The journal {self.path} was removed or replaced. Start this program again.")

    def _rows(self, statement: str, values: Mapping[str, int | str | None]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise as_journal_error(error, self.path) from None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return which file stands at a path; `None` for none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
