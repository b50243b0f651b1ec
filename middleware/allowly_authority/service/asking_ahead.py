"""What a check that more than rules decides will ask the database, told all at once.

The questions do not hang on each other's answers, so that a database which is far away can answer them in one turn.
Whether any of them was told changes nothing about what is decided: what was not is asked when it is needed.
"""

from __future__ import annotations

from typing import Final

from allowly_authority.engine import Authorization, day_of, needs, question_of
from allowly_authority.engine.limits import DAY_MS
from allowly_authority.service.checks import CheckRun
from allowly_authority.service.idempotency import Repeatable
from allowly_authority.store import queries
from allowly_authority.store.port import Connection

AHEAD_MS: Final = 100
"""How much later than these questions a decision may be, in milliseconds. A check that waited longer, for a row that
another one held, asks again at its own time."""


def ask_ahead(connection: Connection, run: CheckRun, authorization: Authorization | None) -> None:
    """Tell what will be asked for the first of a check's names; its decision changes what there is for the others.

    Args:
        connection: Of a change that has asked for nothing yet.
        run: The check.
        authorization: Its rules, which never change; whatever else is known of it is not used.
    """
    if authorization is None:
        return
    # What others may be changing is locked first, and read behind the lock.
    Repeatable("check", run.idempotency_key, b"").ask_ahead(connection, run.now_ms)
    connection.ahead(queries.LOCK_AUTHORIZATION, authorization_id=authorization.authorization_id)
    question = question_of(
        authorization, run.request.authorization_id, run.request.names[0], run.request.dialect, run.asked
    )
    needed = needs(authorization, question.scope)
    if needed.prompts:
        connection.ahead(queries.FIND_STANDING, binding=question.binding, now=run.now_ms)
        connection.ahead(queries.COUNT_PENDING, authorization_id=authorization.authorization_id, now=run.now_ms)
    if needed.usage:
        connection.ahead(
            queries.FIND_DAILY_COUNT,
            authorization_id_=authorization.authorization_id,
            scope_=question.scope,
            day_ends=(day_of(run.now_ms) + 1) * DAY_MS,
        )
    if needed.budget:
        connection.ahead(queries.FIND_SPENT, authorization_id_=authorization.authorization_id)
