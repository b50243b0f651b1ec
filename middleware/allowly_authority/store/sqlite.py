"""One SQLite connection, and the group commit that all changes go through.

Changes asked for in the same turn of the event loop share one transaction and one flush to disk;
each stands or falls on its own savepoint. They run on the loop's thread: a thread of their own would
pay for the interpreter lock at every statement, which costs more than SQLite does.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from allowly_authority.store.port import Connection
from allowly_authority.store.schema import StoreBusy
from allowly_authority.store.sqlite_file import Location, as_store_error, is_busy, open_connection
from allowly_authority.store.statements import Statement

LOCK_LIMIT_SECONDS: Final = 2.0
"""How long a change waits while another process holds the database, before it fails as busy."""

_LOCK_POLL_SECONDS: Final = 0.002

ResultT = TypeVar("ResultT")
Change = Callable[[Connection], Any]


class SqliteConnection:
    """Runs statements on the open connection; one transaction at a time is all that SQLite knows."""

    __slots__ = ("raw",)

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw

    def row(self, statement: Statement, /, **values: Any) -> tuple[Any, ...] | None:
        """Run a statement and return its first row, if it has one."""
        form = statement.form("sqlite")
        cursor = self.raw.execute(form.sql, form.arguments(values))
        found: tuple[Any, ...] | None = cursor.fetchone()
        # Closed at once: what was not read to its end would keep the transaction from being committed.
        cursor.close()
        return found

    def rows(self, statement: Statement, /, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement and return all its rows."""
        form = statement.form("sqlite")
        return self.raw.execute(form.sql, form.arguments(values)).fetchall()

    def run(self, statement: Statement, /, **values: Any) -> None:
        """Run a statement whose result nobody needs."""
        form = statement.form("sqlite")
        self.raw.execute(form.sql, form.arguments(values))

    def ahead(self, statement: Statement, /, **values: Any) -> None:
        """Do nothing: asking later takes no longer."""

    def take_turns(self, name: bytes) -> None:
        """Do nothing: changes come one after the other here."""


@dataclass(slots=True)
class _Waiting:
    change: Change
    durable: bool
    future: asyncio.Future[Any]
    deadline: float
    of_one: bool


class SqliteDatabase:
    """An open SQLite database. To be used by one thread at a time."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self._connection = SqliteConnection(raw)
        self._synchronous = "FULL"
        self._waiting: list[_Waiting] = []
        self._timer: asyncio.Handle | None = None

    @classmethod
    def open(cls, location: Location) -> SqliteDatabase:
        """Open the database, creating it where there is none.

        Raises:
            StoreError: The file cannot be used; says why.
        """
        raw = open_connection(location)
        # From here on waiting is done on the event loop, which a blocking wait would stop.
        raw.execute("PRAGMA busy_timeout = 0")
        return cls(raw)

    def close(self) -> None:
        """Close the database; changes that still wait fail as busy."""
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            _fail(item, StoreBusy("the authority is stopping"))
        self._raw.close()

    async def read(self, query: Callable[[Connection], ResultT]) -> ResultT:
        """Run a query that changes nothing, outside of a transaction.

        Raises:
            StoreError: The database failed.
        """
        try:
            return query(self._connection)
        except sqlite3.Error as error:
            raise as_store_error(error) from error

    async def apply(self, change: Callable[[Connection], ResultT], *, durable: bool = True) -> ResultT:
        """Run a change in a transaction and return its result once it is committed.

        Args:
            change: What it raises is raised here, after its own writes were taken back.
            durable: Whether the commit must survive a loss of power.

        Raises:
            StoreBusy: Another process held the database too long.
            StoreError: The database failed; nothing of the change is kept.
        """
        return await self._queued(change, durable=durable)

    async def apply_one(self, statement: Statement, /, **values: Any) -> tuple[Any, ...] | None:
        """Run a change of one statement, which need not survive a loss of power.

        Raises:
            StoreBusy: Another process held the database too long.
            StoreError: The database failed.
        """
        return await self._queued(lambda connection: connection.row(statement, **values), durable=False, of_one=True)

    def _queued(
        self, change: Callable[[Connection], ResultT], *, durable: bool, of_one: bool = False
    ) -> asyncio.Future[ResultT]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()
        self._waiting.append(_Waiting(change, durable, future, loop.time() + LOCK_LIMIT_SECONDS, of_one))
        if self._timer is None:
            self._timer = loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        self._timer = None
        batch, self._waiting = self._waiting, []
        try:
            with self._transaction(durable=any(item.durable for item in batch)):
                outcomes = [self._attempt(item) for item in batch]
        except sqlite3.Error as error:
            if is_busy(error):
                self._wait_for_lock(batch)
                return
            for item in batch:
                _fail(item, as_store_error(error))
        else:
            for item, (result, problem) in zip(batch, outcomes, strict=True):
                if problem is not None:
                    _fail(item, problem)
                elif not item.future.done():
                    item.future.set_result(result)

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool) -> Generator[None]:
        wanted = "FULL" if durable else "NORMAL"
        if wanted != self._synchronous:
            self._raw.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        self._raw.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._raw.execute("COMMIT")
        except BaseException:
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
            raise

    def _attempt(self, item: _Waiting) -> tuple[Any, Exception | None]:
        if item.of_one:
            # One statement stands or falls whole by itself.
            try:
                return item.change(self._connection), None
            except sqlite3.IntegrityError as error:
                return None, as_store_error(error)
        self._raw.execute("SAVEPOINT change")
        try:
            result = item.change(self._connection)
        except sqlite3.IntegrityError as error:
            return None, self._taken_back(as_store_error(error))
        except sqlite3.Error:
            raise  # locked, full, unreadable: not the fault of this change, and not to be gone on from
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for the change
            return None, self._taken_back(error)
        self._raw.execute("RELEASE change")
        return result, None

    def _taken_back(self, problem: Exception) -> Exception:
        self._raw.execute("ROLLBACK TO change")
        self._raw.execute("RELEASE change")
        return problem

    def _wait_for_lock(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for item in batch:
            if item.deadline <= now:
                _fail(item, StoreBusy("another process holds the database"))
        self._waiting[:0] = [item for item in batch if item.deadline > now]
        if self._waiting and self._timer is None:
            self._timer = loop.call_later(_LOCK_POLL_SECONDS, self._flush)


def _fail(item: _Waiting, problem: Exception) -> None:
    if not item.future.done():
        item.future.set_exception(problem)
