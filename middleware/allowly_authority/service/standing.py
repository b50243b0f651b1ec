"""What is on record for one question, and what its answer uses up.

Both happen in a change that holds the row of the authorization, so that nothing comes in between.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from allowly_authority.engine import Authorization, Question, Standing, Verdict, day_of, needs
from allowly_authority.engine.limits import DAY_MS
from allowly_authority.store import records, spending
from allowly_authority.store.port import Connection
from allowly_authority.store.schema import StoreRaced

NOTHING: Final = Standing()
"""What is on record for a question that the rules alone decide."""


def standing_of(
    connection: Connection, authorization: Authorization | None, question: Question, now_ms: int
) -> Standing:
    """Look up all that the decision on a question hangs on."""
    needed = needs(authorization, question.scope)
    standing = records.find_standing(connection, question, now_ms) if needed.prompts else NOTHING
    if needed.usage:
        ends_ms = _end_of_day(now_ms)
        used = spending.allowed_in_day(connection, question.authorization_id, question.scope, ends_ms)
        standing = replace(standing, allowed_today=used or 0)
    if needed.budget:
        standing = replace(standing, spent_micros=spending.spent_micros(connection, question.authorization_id))
    return standing


def use_up(connection: Connection, question: Question, verdict: Verdict, receipt_id: str, now_ms: int) -> None:
    """Claim, count and reserve all that a verdict uses up.

    Raises:
        StoreRaced: Something of it is not there any more, so that the verdict is void.
    """
    for grant in verdict.claims:
        if not records.claim(connection, grant.prompt_id, now_ms):
            raise StoreRaced("an approval ended while it was being claimed")
    if verdict.count_up_to is not None:
        day = (question.authorization_id, question.scope, _end_of_day(now_ms))
        if not spending.count_allow(connection, *day, verdict.count_up_to):
            raise StoreRaced("the last allow of the day went to another check")
    if verdict.budget is not None and verdict.reserve_micros is not None:
        estimate, limit = verdict.reserve_micros, verdict.budget.limit_micros
        if not spending.reserve(
            connection, question.authorization_id, receipt_id, estimate=estimate, limit=limit, now_ms=now_ms
        ):
            raise StoreRaced("the rest of the budget went to another check")


def _end_of_day(now_ms: int) -> int:
    return (day_of(now_ms) + 1) * DAY_MS
