"""Settlements of budgets: what an allowed check really cost takes the place of what it reserved."""

from __future__ import annotations

from typing import Any, Final

from allowly_authority.engine import Principal, settle
from allowly_authority.service.idempotency import Repeatable
from allowly_authority.service.problems import ApiProblem
from allowly_authority.service.receipts import Subject, pending_receipt, record
from allowly_authority.store import records, spending
from allowly_authority.store.port import Connection
from allowly_authority.store.schema import StoreRaced
from allowly_authority.wire.policies import SettleBudgetRequest

_REFUSALS: Final = {
    "check_receipt_not_found": (404, "No check of this receipt was allowed."),
    "budget_settlement_receipt_without_estimate": (422, "The check reserved nothing: its authorization has no budget."),
    "budget_settlement_duplicate": (409, "The check was settled before, with the same cost."),
    "budget_settlement_actual_cost_conflict": (409, "The check was settled before, with another cost."),
    "budget_settlement_too_large": (422, "The sum of all costs would be too large to be kept to the digit."),
}


def settle_budget(
    connection: Connection,
    request: SettleBudgetRequest,
    sender: Principal,
    *,
    idempotency_key: str | None,
    base_url: str,
    now_ms: int,
) -> dict[str, Any]:
    """Record what an allowed check really cost, once.

    Raises:
        ApiProblem: 404 no such check, 409 settled before, 422 the check has nothing to settle.
    """
    repeatable = Repeatable("budget-settlements", idempotency_key, request.model_dump_json().encode())
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        return earlier
    receipt_id, actual = request.check_receipt_id, request.actual_cost_micros
    reservation, spent = spending.find_reservation(connection, receipt_id), 0
    authorization = None
    if reservation is not None and reservation.estimate_micros is not None:
        authorization, _ = records.find_authorization(connection, reservation.authorization_id, lock=True)
        # Read again: somebody may have settled it while this change waited for the row.
        reservation = spending.find_reservation(connection, receipt_id)
        spent = 0 if reservation is None else spending.spent_micros(connection, reservation.authorization_id)
    outcome = settle(reservation, actual, spent)
    if isinstance(outcome, str) or authorization is None:
        outcome = outcome if isinstance(outcome, str) else "check_receipt_not_found"
        status, message = _REFUSALS[outcome]
        raise ApiProblem(status, outcome, message)
    if not spending.settle_reservation(connection, outcome.reservation, actual, outcome.delta_micros, now_ms):
        raise StoreRaced("the check was settled meanwhile")
    settlement_id = record(
        connection,
        Subject.of(authorization),
        event="budget.settle",
        decision="budget_settled",
        context={"budget": outcome.as_json()},
        principal_id=sender.principal_id,
        now_ms=now_ms,
    )
    reply = outcome.as_json() | {"receipt": pending_receipt(settlement_id, now_ms, base_url)}
    repeatable.keep(connection, reply, now_ms)
    return reply
