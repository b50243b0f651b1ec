"""What the services know of a database: statements on a connection, and changes that stand or fall whole.

Which kind of database runs, how many connections it has and on which threads, is known behind this port
only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from allowly_authority.store.statements import Statement

ResultT = TypeVar("ResultT")


class Connection(Protocol):
    """Runs statements inside of one read or one change. Not to be kept for longer."""

    def row(self, statement: Statement, /, **values: Any) -> tuple[Any, ...] | None:
        """Run a statement and return its first row, if it has one.

        Args:
            statement: What to run.
            values: One for each placeholder.
        """
        ...

    def rows(self, statement: Statement, /, **values: Any) -> list[tuple[Any, ...]]:
        """Run a statement and return all its rows."""
        ...

    def run(self, statement: Statement, /, **values: Any) -> None:
        """Run a statement whose result nobody needs. It may be sent along with the next one."""
        ...

    def ahead(self, statement: Statement, /, **values: Any) -> None:
        """Say that a query will be run, with these values, before anything is changed.

        Where the way to the database is long it is sent along with what comes next, and its result kept until the
        query is run. Any other statement in between makes this void, so that nothing is ever read too early.

        Args:
            statement: A query that changes nothing.
            values: One for each placeholder.
        """
        ...

    def take_turns(self, name: bytes) -> None:
        """Let no other change that names the same go on until this one has ended.

        Args:
            name: Any bytes; changes that name different ones hardly ever wait for each other.
        """
        ...


class Database(Protocol):
    """An open database. `read` and `apply` belong to one event loop.

    What a change may rely on: it sees all that was committed before it began, its own statements take
    effect together or not at all, and a conditional statement that returns a row has won against every
    other change. It must not rely on anything else staying as it was read, except where it took turns
    or locked a row. It may be run more than once, if others came in between, so it must do nothing but
    to run statements.
    """

    async def read(self, query: Callable[[Connection], ResultT]) -> ResultT:
        """Run a query that changes nothing.

        Raises:
            StoreBusy: The database was held too long.
            StoreError: The database failed.
        """
        ...

    async def apply(self, change: Callable[[Connection], ResultT], *, durable: bool = True) -> ResultT:
        """Run a change and return its result once it is committed.

        Args:
            change: What it raises is raised here, after its own writes were taken back.
            durable: Whether the commit must survive a loss of power. Otherwise it survives the end of
                the process at least, which is enough for records that open nothing.

        Raises:
            StoreBusy: The database was held too long.
            StoreUncertain: The connection was lost while the change was being committed.
            StoreError: The database failed; nothing of the change is kept.
        """
        ...

    async def apply_one(self, statement: Statement, /, **values: Any) -> tuple[Any, ...] | None:
        """Run a change of one statement, and return its first row once it is committed.

        It takes one turn to the database and back. It survives the end of the process, and not a loss of power. It
        may have been run twice where the connection was lost, so it must be one that opens nothing and uses nothing up.

        Raises:
            StoreBusy: The database was held too long.
            StoreError: The database failed.
        """
        ...

    def close(self) -> None:
        """Close the database; changes that still wait fail as busy."""
        ...
