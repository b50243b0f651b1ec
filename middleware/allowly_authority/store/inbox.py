"""Lists of questions, by how they stand, each read in the order of an index: a page costs what it holds.

What waits comes first whose time runs out first; what is over comes last in, first out, by the same times.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Literal, get_args

import sqlalchemy as sa

from allowly_authority.engine import Prompt, PromptKind, PromptState
from allowly_authority.store.port import Connection
from allowly_authority.store.queries import PROMPT_COLUMNS
from allowly_authority.store.records import prompt_of
from allowly_authority.store.statements import Statement, given, word
from allowly_authority.store.tables import authorizations, prompts

LATEST_MS: Final = 2**53
"""Later than every deadline."""

_COLUMNS: Final = (*PROMPT_COLUMNS, authorizations.c.user_id, authorizations.c.agent_id)
_WITH_AUTHORIZATIONS: Final = sa.join(
    prompts, authorizations, authorizations.c.authorization_id == prompts.c.authorization_id
)
_PLACE: Final = sa.tuple_(prompts.c.expires_ms, prompts.c.prompt_id)
_BOUND: Final = sa.tuple_(given("bound_ms"), given("bound_id", sa.Text))

Source = Literal["kind", "addressee", "authorization"]
"""Which index a list is read by."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A question, and who asked it of whom.

    Attributes:
        user_id: On whose behalf.
        agent_id: Which agent acts.
    """

    prompt: Prompt
    user_id: str
    agent_id: str

    @property
    def place(self) -> tuple[int, str]:
        """Where it stands in a list."""
        return self.prompt.expires_ms, self.prompt.prompt_id


@dataclass(frozen=True, slots=True)
class Filters:
    """Which questions are asked for. Each that is `None` leaves nothing out.

    Attributes:
        addressees: Escalations to one of these names only; to a single one where `authorizations` is given.
        authorizations: Those of these authorizations only.
    """

    addressees: frozenset[str] | None = None
    kind: PromptKind | None = None
    authorization_id: str | None = None
    authorizations: frozenset[str] | None = None

    def show(self, prompt: Prompt) -> bool:
        """Tell whether a question is among them."""
        return (
            (self.addressees is None or prompt.escalation_to in self.addressees)
            and self.kind in {None, prompt.kind}
            and self.authorization_id in {None, prompt.authorization_id}
            and (self.authorizations is None or prompt.authorization_id in self.authorizations)
        )

    def sources(self) -> list[tuple[Source, dict[str, str]]]:
        """Return the indexes whose ranges hold all of them, and the rest of the conditions there."""
        if self.authorizations is not None:
            return self._of_authorizations(self.authorizations)
        if self.addressees is not None:
            if self.kind == "confirm":
                return []  # they are addressed to nobody
            more = {} if self.authorization_id is None else {"authorization_id": self.authorization_id}
            return [("addressee", {"addressee": name, **more}) for name in sorted(self.addressees)]
        if self.authorization_id is not None:
            more = {} if self.kind is None else {"kind": self.kind}
            return [("authorization", {"authorization_id": self.authorization_id, **more})]
        return [("kind", {"kind": kind}) for kind in (get_args(PromptKind) if self.kind is None else (self.kind,))]

    def _of_authorizations(self, authorizations: frozenset[str]) -> list[tuple[Source, dict[str, str]]]:
        more: dict[str, str] = {} if self.kind is None else {"kind": self.kind}
        for addressee in self.addressees or ():
            more["addressee"] = addressee
        some = authorizations if self.authorization_id is None else authorizations & {self.authorization_id}
        return [("authorization", {"authorization_id": one, **more}) for one in sorted(some)]


@dataclass(frozen=True, slots=True)
class _Range:
    """Rows of one state: an approval that was revoked counts as cancelled."""

    state: str
    revoked: bool | None = None
    waiting: bool = False


_RANGES: Final[dict[PromptState, tuple[_Range, ...]]] = {
    "pending": (_Range("pending", waiting=True),),
    "approved": (_Range("approved", revoked=False),),
    "rejected": (_Range("rejected"),),
    "consumed": (_Range("consumed"),),
    # Nobody writes down that time has passed.
    "expired": (_Range("expired"), _Range("pending")),
    "cancelled": (_Range("cancelled"), _Range("approved", revoked=True)),
}


def list_prompts(
    connection: Connection,
    status: PromptState,
    filters: Filters,
    *,
    after: tuple[int, str] | None,
    now_ms: int,
    most: int,
) -> list[Listed]:
    """Return questions in order.

    Args:
        connection: Where to look.
        status: How they stand at `now_ms`.
        filters: Which of them.
        after: The place of the last one of the page before.
        now_ms: The time.
        most: How many at most.
    """
    found = [
        _read(connection, part, source, values, after=after, now_ms=now_ms, most=most)
        for part in _RANGES[status]
        for source, values in filters.sources()
    ]
    forwards = status == "pending"
    return list(islice(heapq.merge(*found, key=lambda one: one.place, reverse=not forwards), most))


def _read(
    connection: Connection,
    part: _Range,
    source: Source,
    values: dict[str, str],
    *,
    after: tuple[int, str] | None,
    now_ms: int,
    most: int,
) -> list[Listed]:
    if part.waiting:
        bound = max(after or (0, ""), (now_ms + 1, ""))
    else:
        last_ms = now_ms + 1 if part.state == "pending" else LATEST_MS
        bound = min(after or (LATEST_MS, ""), (last_ms, ""))
    statement = _statement(part, source, frozenset(values))
    return listed(connection.rows(statement, bound_ms=bound[0], bound_id=bound[1], most=most, **values))


def listed(rows: Iterable[tuple[Any, ...]]) -> list[Listed]:
    """Return what rows of a prompt, its user and its agent mean."""
    return [Listed(prompt_of(row[:-2]), row[-2], row[-1]) for row in rows]


@lru_cache(maxsize=64)
def _statement(part: _Range, source: Source, names: frozenset[str]) -> Statement:
    column = {"kind": prompts.c.kind, "addressee": prompts.c.escalation_to}
    column["authorization"] = column["authorization_id"] = prompts.c.authorization_id
    first = given("authorization_id" if source == "authorization" else source, sa.Text)
    conditions: list[sa.ColumnElement[bool]] = [column[source] == first, prompts.c.state == word(part.state)]
    conditions.append(_PLACE > _BOUND if part.waiting else _PLACE < _BOUND)
    if part.revoked is not None:
        conditions.append(prompts.c.revoked_ms.is_not(None) if part.revoked else prompts.c.revoked_ms.is_(None))
    conditions += [column[name] == given(name, sa.Text) for name in sorted(names) if column[name] is not column[source]]
    order = (prompts.c.expires_ms, prompts.c.prompt_id)
    return Statement(
        sa.select(*_COLUMNS)
        .select_from(_WITH_AUTHORIZATIONS)
        .where(*conditions)
        .order_by(*(order if part.waiting else [one.desc() for one in order]))
        .limit(given("most"))
        .offset(sa.literal_column("0"))
    )
