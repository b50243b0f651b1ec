"""One connection to the database, and the group commit that all changes go through.

Changes asked for in the same turn of the event loop share one transaction and one flush to disk;
each stands or falls on its own savepoint. They run on the loop's thread: a thread of their own would
pay for the interpreter lock at every statement, which costs more than SQLite does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from allowly_authority.store.schema import StoreBusy, StoreError, prepare

LOCK_LIMIT_SECONDS: Final = 2.0
"""How long a change waits while another process holds the database, before it fails as busy."""

OPEN_LIMIT_SECONDS: Final = 10.0
"""How long opening waits while other processes open the same file."""

_LOCK_POLL_SECONDS: Final = 0.002
_OLDEST_SQLITE: Final = (3, 37)

ResultT = TypeVar("ResultT")
Change = Callable[[sqlite3.Connection], Any]


@dataclass(slots=True)
class _Waiting:
    change: Change
    durable: bool
    future: asyncio.Future[Any]
    deadline: float


class Database:
    """An open database. To be used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._synchronous = "FULL"
        self._waiting: list[_Waiting] = []
        self._timer: asyncio.Handle | None = None

    @classmethod
    def open(cls, path: Path | Literal[":memory:"]) -> Database:
        """Open the database, creating it (mode 0600, folders 0700) where there is none.

        Raises:
            StoreError: The file cannot be used; says why.
        """
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise StoreError(f"SQLite 3.37 or newer is needed, and this Python has {sqlite3.sqlite_version}.")
        problem = "it is locked by another program"
        limit = time.monotonic() + OPEN_LIMIT_SECONDS
        while time.monotonic() < limit:
            try:
                return cls(_connect(path))
            except sqlite3.OperationalError as error:
                problem = str(error)
                if not _is_busy(error):
                    break
                time.sleep(0.05)
            except (sqlite3.DatabaseError, OSError) as error:
                problem = str(error)
                break
        raise StoreError(f"{path} cannot be opened as a database: {problem}.")

    def close(self) -> None:
        """Close the database; changes that still wait fail as busy."""
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            _fail(item, StoreBusy("the authority is stopping"))
        self._connection.close()

    def read(self, query: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        """Run a query that changes nothing, outside of a transaction.

        Raises:
            StoreError: The database failed.
        """
        try:
            return query(self._connection)
        except sqlite3.OperationalError as error:
            if _is_busy(error):
                raise StoreBusy("another process holds the database") from error
            raise StoreError("the database failed") from error
        except sqlite3.Error as error:
            raise StoreError("the database failed") from error

    async def apply(self, change: Callable[[sqlite3.Connection], ResultT], *, durable: bool = True) -> ResultT:
        """Run a change in a transaction and return its result once it is committed.

        Args:
            change: Called with the connection, inside a transaction. What it raises is raised here,
                after its own writes were taken back.
            durable: Whether the commit must survive a loss of power. Otherwise it survives the end of
                the process only, which is enough for records that open nothing.

        Raises:
            StoreBusy: Another process held the database too long.
            StoreError: The database failed; nothing of the change is kept.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()
        self._waiting.append(_Waiting(change, durable, future, loop.time() + LOCK_LIMIT_SECONDS))
        if self._timer is None:
            self._timer = loop.call_soon(self._flush)
        return await future

    def _flush(self) -> None:
        self._timer = None
        batch, self._waiting = self._waiting, []
        try:
            with self._transaction(durable=any(item.durable for item in batch)):
                outcomes = [self._attempt(item.change) for item in batch]
        except sqlite3.OperationalError as error:
            if _is_busy(error):
                self._wait_for_lock(batch)
                return
            self._abandon(batch)
        except sqlite3.Error:
            self._abandon(batch)
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
            self._connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _attempt(self, change: Change) -> tuple[Any, Exception | None]:
        self._connection.execute("SAVEPOINT change")
        try:
            result = change(self._connection)
        except sqlite3.OperationalError:
            raise  # locked, full, unreadable: not the fault of this change, and not to be gone on from
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for the change
            self._connection.execute("ROLLBACK TO change")
            self._connection.execute("RELEASE change")
            return None, error
        self._connection.execute("RELEASE change")
        return result, None

    def _wait_for_lock(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for item in batch:
            if item.deadline <= now:
                _fail(item, StoreBusy("another process holds the database"))
        self._waiting[:0] = [item for item in batch if item.deadline > now]
        if self._waiting and self._timer is None:
            self._timer = loop.call_later(_LOCK_POLL_SECONDS, self._flush)

    def _abandon(self, batch: list[_Waiting]) -> None:
        for item in batch:
            _fail(item, StoreError("the database failed, and nothing was changed"))


def _fail(item: _Waiting, problem: Exception) -> None:
    if not item.future.done():
        item.future.set_exception(problem)


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _connect(path: Path | Literal[":memory:"]) -> sqlite3.Connection:
    if isinstance(path, Path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    # The file is opened by one thread and used by the server's.
    connection = sqlite3.connect(path, isolation_level=None, timeout=1.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        prepare(connection, str(path))
        # Only now: it rewrites the header, which in somebody else's file must stay as it is.
        connection.execute("PRAGMA journal_mode = WAL")
        # From here on waiting is done on the event loop, which a blocking wait would stop.
        connection.execute("PRAGMA busy_timeout = 0")
    except BaseException:
        connection.close()
        raise
    return connection
