"""Measures how long a database lets changes and reads wait, and how long it takes to commit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from allowly_authority.store.port import Connection, Database
from allowly_authority.store.schema import StoreError
from allowly_authority.store.statements import Statement

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class DatabaseTimes:
    """What one change or read cost.

    Attributes:
        wait_seconds: Until it began; `None` where it never did.
        commit_seconds: From its last statement until it was committed; `None` for a read, and where it was not.
        failed: Whether the database refused it, for whatever reason of its own.
    """

    wait_seconds: float | None
    commit_seconds: float | None
    failed: bool


class TimedDatabase:
    """A database that tells what each change and read cost.

    Args:
        database: What does the work.
        observe: Told of each, on the thread of the event loop.
    """

    def __init__(self, database: Database, observe: Callable[[DatabaseTimes], None]) -> None:
        self._database = database
        self._observe = observe

    async def read(self, query: Callable[[Connection], ResultT]) -> ResultT:
        """Run a query that changes nothing."""
        work = _Clocked(query)
        failed = False
        try:
            return await self._database.read(work)
        except StoreError:
            failed = True
            raise
        finally:
            self._observe(DatabaseTimes(work.waited, None, failed))

    async def apply(self, change: Callable[[Connection], ResultT], *, durable: bool = True) -> ResultT:
        """Run a change and return its result once it is committed."""
        work = _Clocked(change)
        commit: float | None = None
        failed = False
        try:
            result = await self._database.apply(work, durable=durable)
            commit = time.perf_counter() - work.ended
        except StoreError:
            failed = True
            raise
        finally:
            self._observe(DatabaseTimes(work.waited, commit, failed))
        return result

    async def apply_one(self, statement: Statement, /, **values: Any) -> tuple[Any, ...] | None:
        """Run a change of one statement. What it takes counts as its commit: nothing else can be told apart."""
        began = time.perf_counter()
        taken: float | None = None
        try:
            row = await self._database.apply_one(statement, **values)
            taken = time.perf_counter() - began
        finally:
            self._observe(DatabaseTimes(None, taken, taken is None))
        return row

    def close(self) -> None:
        """Close the database."""
        self._database.close()


class _Clocked(Generic[ResultT]):
    """A change or read that remembers when it began and ended; the last time, where it was run again."""

    __slots__ = ("_asked", "_work", "ended", "waited")

    def __init__(self, work: Callable[[Connection], ResultT]) -> None:
        self._work = work
        self._asked = time.perf_counter()
        self.waited: float | None = None
        self.ended = self._asked

    def __call__(self, connection: Connection) -> ResultT:
        if self.waited is None:
            self.waited = time.perf_counter() - self._asked
        try:
            return self._work(connection)
        finally:
            self.ended = time.perf_counter()
