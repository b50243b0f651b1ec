"""The file of all grants of a user, shared by all harnesses that run at the same time.

A use is taken in one transaction before anything is posted, so of two programs that want the last one, one gets
it. What is not certain raises `GrantError`, and whoever called asks a person.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from allowly_harness.database import DatabaseKind, database_error, open_database
from allowly_harness.grants import moments
from allowly_harness.grants.moments import Moment
from allowly_harness.grants.rules import Binding, Ends, Rule, Scope
from allowly_harness.protocol.errors import HarnessError
from allowly_harness.protocol.models import ToolCall

MAX_GRANTS: Final = 200
"""Most grants that stand at one time."""

MAX_RULE_CHARACTERS: Final = 64 * 1024
"""Longest canonical JSON of the arguments in one rule."""

KEPT_DAYS: Final = 30
"""How long a grant is listed after its end."""

CLOCK_TOLERANCE_MS: Final = 2_000
"""How far the wall clock may step back unnoticed; a clock that is kept right by the network does so."""

_DAY_MS: Final = 86_400_000

_MIGRATIONS: Final = (
    (
        """CREATE TABLE grants (
            id TEXT PRIMARY KEY,
            server TEXT NOT NULL,
            configured TEXT NOT NULL,
            tool TEXT NOT NULL,
            definition TEXT NOT NULL,
            authority TEXT NOT NULL,
            authorization TEXT NOT NULL,
            granted_by TEXT NOT NULL,
            scope TEXT NOT NULL CHECK (scope IN ('call', 'values', 'tool')),
            arguments TEXT NOT NULL,
            others TEXT NOT NULL,
            session TEXT,
            uses_left INTEGER CHECK (uses_left BETWEEN 0 AND 100),
            made_ms INTEGER NOT NULL,
            until_ms INTEGER NOT NULL,
            until_up_ms INTEGER NOT NULL,
            boot TEXT NOT NULL,
            call_digest TEXT NOT NULL,
            used INTEGER NOT NULL DEFAULT 0,
            used_ms INTEGER,
            ended TEXT NOT NULL DEFAULT ''
        ) STRICT""",
        "CREATE INDEX grants_by_tool ON grants (server, tool)",
        "CREATE TABLE clocks (which TEXT PRIMARY KEY CHECK (which = 'seen'), wall_ms INTEGER NOT NULL) STRICT",
    ),
)

_COLUMNS: Final = (
    "id, server, configured, tool, definition, authority, authorization, granted_by, scope, arguments, others, "
    "session, uses_left, made_ms, until_ms, until_up_ms, boot, call_digest, used, used_ms, ended"
)

REVOKED: Final = "revoked"
CHANGED: Final = "the tool's definition changed"
CLOCK_SET_BACK: Final = "the clock was set back"


class GrantError(HarnessError):
    """The grants cannot be used, so a person is asked. The text is a sentence for a person."""


KIND: Final = DatabaseKind("file of grants", 0x41_6C_77_47, _MIGRATIONS, GrantError)


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as it is kept.

    Attributes:
        id: Names it: 8 hexadecimal digits.
        session: The session that it ends with; `None` for one that ends by itself.
        uses_left: How often it answers yet; `None` without such a limit.
        made_ms: When it was given, in milliseconds since 1970.
        until_ms: When it ends at the latest, by the wall clock.
        until_up_ms: The same, in milliseconds since the start of the computer that `boot` names.
        call_digest: Of the call at whose question it was given; see `ToolCall.digest`.
        used: How often it has answered.
        used_ms: When it did last.
        ended: Why it was ended before its time; empty if it was not.
    """

    id: str
    binding: Binding
    rule: Rule
    session: str | None
    uses_left: int | None
    made_ms: int
    until_ms: int
    until_up_ms: int
    boot: str
    call_digest: str
    used: int
    used_ms: int | None
    ended: str

    def objection(self, at: Moment, session: str | None) -> str:
        """Say why it does not answer at a moment, in a session; empty if it does."""
        if self.ended:
            return self.ended
        if self.uses_left == 0:
            return "used up"
        if at.wall_ms >= self.until_ms or (at.boot and at.boot == self.boot and at.up_ms >= self.until_up_ms):
            return "expired"
        if self.session is not None and self.session != session:
            return "for another session"
        return ""


class GrantStore:
    """An open file of grants. Its methods may be called from any thread.

    Args:
        path: The file; made where there is none.
        clock: Returns the moment.

    Attributes:
        session: Names this run; grants that end with it carry the name.

    Raises:
        GrantError: The file cannot be used; says why. So do all methods.
    """

    def __init__(self, path: Path, *, clock: Callable[[], Moment] = moments.now) -> None:
        self.path = path
        self.session = secrets.token_hex(8)
        self._clock = clock
        self._lock = threading.Lock()
        self._connection = open_database(path, KIND)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the grants of this session, and close the file."""
        try:
            with self._changing() as at:
                self._end("session = ?", (self.session,), "the session ended")
                self._connection.execute("DELETE FROM grants WHERE until_ms < ?", (at.wall_ms - KEPT_DAYS * _DAY_MS,))
        except GrantError:
            pass  # a session's grants answer in no other one, whether that is written down or not
        finally:
            self._connection.close()

    def add(self, binding: Binding, rule: Rule, ends: Ends, call: ToolCall) -> Grant:
        """Keep a grant."""
        if len(rule.arguments) > MAX_RULE_CHARACTERS:
            raise GrantError(f"A rule holds {MAX_RULE_CHARACTERS} characters of arguments at most.")
        with self._changing() as at:
            standing = [grant for grant in self._all() if not grant.objection(at, self.session)]
            if len(standing) >= MAX_GRANTS:
                raise GrantError(f"{MAX_GRANTS} grants stand already; revoke some first.")
            grant = Grant(
                id=secrets.token_hex(4),
                binding=binding,
                rule=rule,
                session=self.session if ends.session else None,
                uses_left=ends.uses,
                made_ms=at.wall_ms,
                until_ms=at.wall_ms + ends.life_ms,
                until_up_ms=at.up_ms + ends.life_ms,
                boot=at.boot,
                call_digest=call.digest,
                used=0,
                used_ms=None,
                ended="",
            )
            self._connection.execute(
                f"INSERT INTO grants ({_COLUMNS}) VALUES ({', '.join('?' * 21)})",  # noqa: S608 - our own names
                _row_of(grant),
            )
        return grant

    def take(self, binding: Binding, call: ToolCall) -> Grant | None:
        """Use the narrowest grant that stands for a call, once; `None` where there is none.

        A grant for this tool with another definition ends here, for good.
        """
        with self._changing() as at:
            same = "server = ? AND configured = ? AND tool = ?"
            named = (binding.server, binding.configured, binding.tool)
            self._end(f"{same} AND definition <> ?", (*named, binding.definition), CHANGED)
            fitting = [
                grant
                for grant in self._all(same, named)
                if grant.binding == binding and not grant.objection(at, self.session) and grant.rule.fits(call)
            ]
            for grant in sorted(fitting, key=lambda one: (_WIDTHS[one.rule.scope], one.made_ms, one.id)):
                taken = self._connection.execute(
                    "UPDATE grants SET uses_left = uses_left - 1, used = used + 1, used_ms = ? "
                    "WHERE id = ? AND ended = '' AND (uses_left IS NULL OR uses_left > 0)",
                    (at.wall_ms, grant.id),
                ).rowcount
                if taken == 1:
                    left = None if grant.uses_left is None else grant.uses_left - 1
                    return replace(grant, uses_left=left, used=grant.used + 1, used_ms=at.wall_ms)
        return None

    def all(self) -> tuple[tuple[Grant, str], ...]:
        """Return every grant with why it does not answer any more, newest first; empty for one that does."""
        with self._changing() as at:
            return tuple((grant, grant.objection(at, self.session)) for grant in self._all())

    def revoke(self, grant_id: str | None = None) -> int:
        """End a grant, or all, and return how many that were."""
        with self._changing():
            if grant_id is None:
                return self._end("TRUE", (), REVOKED)
            return self._end("id = ?", (grant_id,), REVOKED)

    def _end(self, condition: str, values: Iterable[str], why: str) -> int:
        statement = f"UPDATE grants SET ended = ? WHERE ended = '' AND {condition}"  # noqa: S608 - our own names
        ended: int = self._connection.execute(statement, (why, *values)).rowcount
        return ended

    def _all(self, condition: str = "TRUE", values: Iterable[str] = ()) -> list[Grant]:
        statement = f"SELECT {_COLUMNS} FROM grants WHERE {condition} ORDER BY made_ms DESC, id"  # noqa: S608
        return [_grant_of(row) for row in self._connection.execute(statement, tuple(values))]

    def _look_at_clock(self, at: Moment) -> None:
        """End every grant where the wall clock was set back: nobody knows how long they would live."""
        found = self._connection.execute("SELECT wall_ms FROM clocks WHERE which = 'seen'").fetchone()
        if found is not None and at.wall_ms < found[0] - CLOCK_TOLERANCE_MS:
            self._end("TRUE", (), CLOCK_SET_BACK)
        elif found is not None and at.wall_ms <= found[0]:
            return
        self._connection.execute(
            "INSERT INTO clocks VALUES ('seen', ?) ON CONFLICT (which) DO UPDATE SET wall_ms = excluded.wall_ms",
            (at.wall_ms,),
        )

    @contextmanager
    def _changing(self) -> Generator[Moment]:
        """Let no other program write until the block has ended; what it did stands, or nothing of it."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    # After the lock: what was waited for counts as time.
                    at = self._clock()
                    self._look_at_clock(at)
                    yield at
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise database_error(error, self.path, KIND) from None
            except (ValueError, TypeError):
                raise GrantError(f"{self.path} holds a grant that cannot be read. Run: grants revoke --all") from None


_WIDTHS: Final = {scope: width for width, scope in enumerate(Scope)}


def _row_of(grant: Grant) -> tuple[Any, ...]:
    bound, rule = grant.binding, grant.rule
    return (
        grant.id,
        *(bound.server, bound.configured, bound.tool, bound.definition, bound.authority, bound.authorization),
        *(bound.granted_by, rule.scope.value, rule.arguments, json.dumps(rule.others)),
        *(grant.session, grant.uses_left, grant.made_ms, grant.until_ms, grant.until_up_ms, grant.boot),
        *(grant.call_digest, grant.used, grant.used_ms, grant.ended),
    )


def _grant_of(row: tuple[Any, ...]) -> Grant:
    scope, arguments, others = row[8:11]
    names = json.loads(others)
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):  # pyright: ignore[reportUnknownVariableType]
        raise ValueError("the other arguments of a rule are no list of names")
    rule = Rule(Scope(scope), arguments, tuple(names))  # pyright: ignore[reportUnknownArgumentType]
    return Grant(row[0], Binding(*row[1:8]), rule, *row[11:])
