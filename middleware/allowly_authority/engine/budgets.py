"""Budgets as arithmetic: an allowed check reserves its estimate, and a settlement puts the actual cost in its place.

Amounts are millionths of a US dollar. What was reserved and never settled stays reserved: nobody has said that it
was not spent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from allowly_authority.engine.limits import LARGEST_INTEGER


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A budget as one check sees it.

    Attributes:
        limit_micros: Most that may be spent.
        spent_micros: Spent and reserved before this check.
        estimated_cost_micros: What this check may cost.
        spent_after_micros: Spent and reserved once this check was answered: higher only if it was allowed.
    """

    limit_micros: int
    spent_micros: int
    estimated_cost_micros: int
    spent_after_micros: int

    def as_json(self) -> dict[str, int]:
        """Return the form of replies."""
        return {
            "limit_micros": self.limit_micros,
            "spent_micros": self.spent_micros,
            "estimated_cost_micros": self.estimated_cost_micros,
            "spent_after_micros": self.spent_after_micros,
        }


def holds(limit_micros: int, spent_micros: int, estimate_micros: int) -> bool:
    """Tell whether a budget holds an estimate. Exactly the limit may be spent."""
    return estimate_micros >= 0 and spent_micros + estimate_micros <= limit_micros


def budget_view(limit_micros: int, spent_micros: int, estimate_micros: int, *, allowed: bool) -> BudgetView:
    """Describe a budget to the caller of a check."""
    return BudgetView(limit_micros, spent_micros, estimate_micros, spent_micros + (estimate_micros if allowed else 0))


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an allowed check reserved.

    Attributes:
        check_receipt_id: The receipt of the check: the name of the reservation.
        estimate_micros: What was reserved; `None` where the authorization has no budget.
        actual_micros: What it was settled with; `None` before it was.
    """

    check_receipt_id: str
    authorization_id: str
    estimate_micros: int | None
    actual_micros: int | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """The actual cost in the place of the estimate.

    It may be more than was reserved, and more than the limit: what was spent was spent, and further checks are
    denied.
    """

    reservation: Reservation
    actual_micros: int
    spent_before_micros: int

    @property
    def delta_micros(self) -> int:
        """What the budget's spending changes by."""
        return self.actual_micros - (self.reservation.estimate_micros or 0)

    def as_json(self) -> dict[str, Any]:
        """Return the members of the reply, but for its receipt."""
        return {
            "check_receipt_id": self.reservation.check_receipt_id,
            "authorization_id": self.reservation.authorization_id,
            "estimated_cost_micros": self.reservation.estimate_micros,
            "actual_cost_micros": self.actual_micros,
            "delta_micros": self.delta_micros,
            "spent_before_micros": self.spent_before_micros,
            "spent_after_micros": self.spent_before_micros + self.delta_micros,
        }


SettlementRefusal = Literal[
    "check_receipt_not_found",
    "budget_settlement_receipt_without_estimate",
    "budget_settlement_duplicate",
    "budget_settlement_actual_cost_conflict",
    "budget_settlement_too_large",
]


def settle(reservation: Reservation | None, actual_micros: int, spent_micros: int) -> Settlement | SettlementRefusal:
    """Settle what a check reserved, once.

    Args:
        reservation: Of the check's receipt; `None` where there is no allowed check of this receipt.
        actual_micros: 0 to 2^53 - 1.
        spent_micros: What the budget has spent and reserved now, the reservation among it.

    Returns:
        The settlement, or the code of the refusal: 404 for the first, 422 for the second and the last, 409 for
        the others.
    """
    if reservation is None:
        return "check_receipt_not_found"
    if reservation.estimate_micros is None:
        return "budget_settlement_receipt_without_estimate"
    if reservation.actual_micros is not None:
        same = reservation.actual_micros == actual_micros
        return "budget_settlement_duplicate" if same else "budget_settlement_actual_cost_conflict"
    settlement = Settlement(reservation, actual_micros, spent_micros)
    too_large = not 0 <= actual_micros <= LARGEST_INTEGER or spent_micros + settlement.delta_micros > LARGEST_INTEGER
    return "budget_settlement_too_large" if too_large else settlement
