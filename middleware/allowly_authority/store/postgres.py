"""PostgreSQL: a few threads, each with a connection of its own.

Each change runs in one transaction at READ COMMITTED. What needs no answer is sent along with what comes
next: opening a transaction with its first read, the receipt with the commit, and queries that were asked ahead
with each other. So a change takes one round trip for each question whose answer the next one hangs on, and one
more to end. At READ COMMITTED each statement sees what was committed before it began, so that what is sent at once
reads no less than what is sent one by one: a query behind a lock waits for the lock, and then reads.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, TypeVar

import psycopg

from allowly_authority.store.location import DatabaseUrl
from allowly_authority.store.port import Connection
from allowly_authority.store.postgres_server import Link, connect, failure_of, prepare
from allowly_authority.store.schema import StoreBusy, StoreError, StoreRaced, StoreUncertain
from allowly_authority.store.statements import Statement

CONNECTIONS: Final = 8
"""Most connections to the server, for each authority process."""

QUEUE_LIMIT_SECONDS: Final = 2.0
"""How long a read or change waits for a connection, before it fails as busy."""

ANSWER_LIMIT_SECONDS: Final = 30.0
"""How long a read or change may take in all. The server's own limits are shorter, so that this one is
reached only where the server is gone without a word."""

MAX_TRIES: Final = 5
"""How often a change is begun because others came in between, before it fails as busy."""

ResultT = TypeVar("ResultT")

_Cursor = psycopg.Cursor[tuple[Any, ...]]

_RACED: Final = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.UniqueViolation,
)


class PostgresConnection:
    """Runs statements on a connection, which may be in a pipeline.

    Attributes:
        answered: Whether the server has answered anything yet.
    """

    __slots__ = ("_ahead", "_in_pipeline", "_link", "_turns", "answered")

    def __init__(self, link: Link, *, in_pipeline: bool = False) -> None:
        self._link = link
        self._in_pipeline = in_pipeline
        self._ahead: dict[tuple[Any, ...], _Cursor] = {}
        self._turns: set[int] = set()
        self.answered = False

    def row(self, statement: Statement, /, **values: Any) -> tuple[Any, ...] | None:
        """Run a statement and return its first row, if it has one."""
        found = self._asked(statement, values).fetchone()
        self.answered = True
        return found

    def rows(self, statement: Statement, /, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement and return all its rows."""
        found = self._asked(statement, values).fetchall()
        self.answered = True
        return found

    def run(self, statement: Statement, /, **values: Any) -> None:
        """Run a statement whose result nobody needs; if it fails, so does what comes next."""
        self._ahead.clear()
        self._executed(statement, values)

    def ahead(self, statement: Statement, /, **values: Any) -> None:
        """Send a query along with what comes next; outside of a pipeline there is nothing to gain."""
        if self._in_pipeline:
            self._ahead[_name(statement, values)] = self._executed(statement, values)

    def take_turns(self, name: bytes) -> None:
        """Let no other change that names the same go on until this one has ended."""
        number = int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)
        if number not in self._turns:
            self._turns.add(number)
            self._ahead.clear()
            self._link.execute("SELECT pg_advisory_xact_lock(%s)", (number,))

    def _asked(self, statement: Statement, values: dict[str, Any]) -> _Cursor:
        sent = self._ahead.pop(_name(statement, values), None) if self._ahead else None
        if sent is not None:
            return sent
        # This one may change what was read ahead, or was only to be read after it.
        self._ahead.clear()
        return self._executed(statement, values)

    def _executed(self, statement: Statement, values: dict[str, Any]) -> _Cursor:
        form = statement.form("postgresql")
        return self._link.execute(form.sql.encode(), form.arguments(values))


class PostgresDatabase:
    """The database of a PostgreSQL server."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="allowly-database")
        self._own = threading.local()
        self._links: set[Link] = set()
        self._guard = threading.Lock()

    @classmethod
    def open(cls, url: DatabaseUrl) -> PostgresDatabase:
        """Connect once, and create or migrate the tables.

        Raises:
            StoreError: The database cannot be used; says why.
        """
        with connect(url) as link:
            try:
                prepare(link, str(url))
            except psycopg.Error as error:
                raise failure_of(error, f"{url} cannot be prepared: {type(error).__name__}.") from None
        return cls(url)

    def close(self) -> None:
        """Let changes under way end, and disconnect; those that still wait fail as busy."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        with self._guard:
            for link in self._links:
                link.close()
            self._links.clear()

    async def read(self, query: Callable[[Connection], ResultT]) -> ResultT:
        """Run a query that changes nothing, outside of a transaction.

        Raises:
            StoreBusy: No connection became free in time.
            StoreError: The database failed.
        """
        return await self._on_thread(lambda link: query(PostgresConnection(link)))

    async def apply(self, change: Callable[[Connection], ResultT], *, durable: bool = True) -> ResultT:
        """Run a change in a transaction and return its result once it is committed.

        Args:
            change: What it raises is raised here, after its own writes were taken back.
            durable: Whether the commit must survive a loss of power.

        Raises:
            StoreBusy: Others held the database too long.
            StoreUncertain: The connection was lost while the change was being committed.
            StoreError: The database failed; nothing of the change is kept.
        """
        return await self._on_thread(lambda link: _committed(link, change, durable=durable))

    async def apply_one(self, statement: Statement, /, **values: Any) -> tuple[Any, ...] | None:
        """Run a change of one statement, in one round trip; it need not survive a loss of power.

        Raises:
            StoreBusy: No connection became free in time, or others held the database too long.
            StoreError: The database failed.
        """
        # Outside of a pipeline and of a transaction: what is committed with a statement needs no COMMIT of its own.
        return await self._on_thread(lambda link: PostgresConnection(link).row(statement, **values))

    async def _on_thread(self, work: Callable[[Link], ResultT]) -> ResultT:
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + QUEUE_LIMIT_SECONDS
        try:
            done = loop.run_in_executor(self._threads, self._tried, work, deadline)
        except RuntimeError:
            raise StoreBusy("the authority is stopping") from None
        try:
            return await asyncio.wait_for(done, ANSWER_LIMIT_SECONDS)
        except TimeoutError:
            raise StoreUncertain("the database does not answer") from None
        except asyncio.CancelledError:
            if done.cancelled() and not _is_cancelling():
                raise StoreBusy("the authority is stopping") from None
            raise

    def _tried(self, work: Callable[[Link], ResultT], deadline: float) -> ResultT:
        if time.monotonic() > deadline:
            raise StoreBusy("no connection to the database became free")
        fresh = False
        for _ in range(MAX_TRIES):
            link, fresh = self._link()
            try:
                return work(link)
            except (StoreRaced, *_RACED):
                continue
            except psycopg.Error as error:
                # A connection that idled may have died since: what was asked on it was not done.
                if link.closed and not fresh:
                    continue
                raise failure_of(error) from error
        raise StoreBusy("other changes kept coming in between")

    def _link(self) -> tuple[Link, bool]:
        link: Link | None = getattr(self._own, "link", None)
        if link is not None and not link.closed:
            return link, False
        fresh = connect(self._url)
        with self._guard:
            if link is not None:
                self._links.discard(link)
            self._links.add(fresh)
        self._own.link = fresh
        return fresh, True


def _committed(link: Link, change: Callable[[Connection], ResultT], *, durable: bool) -> ResultT:
    run = _Run(link, change, durable=durable)
    try:
        # What fails in a pipeline must not leave it as an exception: psycopg would log what the server said,
        # which may quote values.
        with link.pipeline() as pipeline:
            run.to_its_end(pipeline)
    except psycopg.Error as error:
        run.problem = run.problem or error
    if run.problem is not None:
        if run.committing and link.closed:
            raise StoreUncertain("the connection was lost during a commit") from run.problem
        _roll_back(link)
        raise run.problem
    if run.ended is None or run.ended.statusmessage != "COMMIT":
        raise StoreError("the database did not commit, and nothing was changed")
    return run.result


def _name(statement: Statement, values: dict[str, Any]) -> tuple[Any, ...]:
    return statement, frozenset(values.items())


class _Run(Generic[ResultT]):
    """One change in a pipeline: from BEGIN to COMMIT, or to the first problem.

    Attributes:
        committing: Whether COMMIT may have been sent. Until then nothing can have been changed.
    """

    result: ResultT

    def __init__(self, link: Link, change: Callable[[Connection], ResultT], *, durable: bool) -> None:
        self._link, self._change, self._durable = link, change, durable
        self.committing = False
        self.problem: BaseException | None = None
        self.ended: psycopg.Cursor[tuple[Any, ...]] | None = None

    def to_its_end(self, pipeline: psycopg.Pipeline) -> None:
        try:
            self._link.execute("BEGIN")
            if not self._durable:
                self._link.execute("SET LOCAL synchronous_commit = off")
            connection = PostgresConnection(self._link, in_pipeline=True)
            self.result = self._change(connection)
            if not connection.answered:
                # A connection that died while it idled must be found out before COMMIT is sent.
                pipeline.sync()
            self.committing = True
            self.ended = self._link.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - raised again once the pipeline is closed
            self.problem = error


def _roll_back(link: Link) -> None:
    try:
        if not link.closed and link.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            link.execute("ROLLBACK")
    except psycopg.Error:
        link.close()


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
