"""Statements written once in SQLAlchemy Core, and compiled once for each kind of database.

The compiled text goes straight to the driver. Executing through SQLAlchemy's own connection costs about
50 microseconds more for each statement than the 6 that SQLite takes for a lookup, and a check has several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from allowly_authority.store.schema import Engine


class Form(NamedTuple):
    """A statement in the words of one database.

    Attributes:
        sql: With the driver's placeholders.
        names: What each placeholder stands for, in order.
    """

    sql: str
    names: Sequence[str]

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """Return the values in the order of the placeholders."""
        return [values[name] for name in self.names]


class Statement:
    """One Core expression, whose bind parameters are named.

    Args:
        expression: Constants in it must be `word`s: a placeholder would hide from the planner that a
            partial index fits.
    """

    __slots__ = ("_expression", "_forms")

    def __init__(self, expression: sa.ClauseElement) -> None:
        self._expression = expression
        self._forms: dict[Engine, Form] = {}

    def form(self, engine: Engine) -> Form:
        """Return the statement in the words of a database."""
        form = self._forms.get(engine)
        if form is None:
            form = self._forms[engine] = _compiled(self._expression, engine)
        return form


def word(text: str) -> sa.ColumnElement[str]:
    """Return a constant that stands in the SQL itself.

    Args:
        text: A word of ours, never of a request: lower-case letters and underscores only.
    """
    if not text.replace("_", "").isalpha():
        raise ValueError("a constant in a statement consists of letters")
    return sa.literal_column(f"'{text}'", sa.Text)


def given(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.BigInteger) -> sa.BindParameter[Any]:
    """Return a placeholder for a value that is not compared with a column of its own type."""
    return sa.bindparam(name, type_=kind)


def pick(table: sa.TableClause, names: str) -> list[sa.ColumnClause[Any]]:
    """Return columns of a table, by their names between spaces, in this order."""
    return [table.c[name] for name in names.split()]


def insertion(table: sa.TableClause, names: str) -> Statement:
    """Return the statement that inserts a row with a placeholder for each of the columns."""
    return Statement(sa.insert(table).values({name: sa.bindparam(name) for name in names.split()}))


def first(select: sa.Select[Any]) -> sa.Select[Any]:
    """Return the same query for its first row alone."""
    return select.limit(sa.literal_column("1")).offset(sa.literal_column("0"))


_DIALECTS: Final[dict[Engine, Dialect]] = {}


def _compiled(expression: sa.ClauseElement, engine: Engine) -> Form:
    compiled = expression.compile(dialect=_dialect(engine))
    if not isinstance(compiled, SQLCompiler) or compiled.positiontup is None:
        raise TypeError("not a statement with positional placeholders")
    return Form(compiled.string, tuple(compiled.positiontup))


def _dialect(engine: Engine) -> Dialect:
    """Make a dialect; a server process loads that of its own database only."""
    if engine not in _DIALECTS:
        if engine == "sqlite":
            from sqlalchemy.dialects.sqlite.pysqlite import dialect

            _DIALECTS[engine] = dialect()
        else:
            from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect

            _DIALECTS[engine] = psycopg_dialect(  # type: ignore[no-untyped-call]
                paramstyle="format"
            )
    return _DIALECTS[engine]
