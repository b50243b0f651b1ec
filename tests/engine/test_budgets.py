"""Budgets and daily limits under every order of events, with the condition that must guard each write."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allowly_authority.engine import (
    Authorization,
    Circumstances,
    Reservation,
    ScopeRules,
    Settlement,
    Standing,
    day_of,
    decide,
    faults_in,
    needs,
    settle,
)
from allowly_authority.engine.budgets import holds

LIMIT, MOST = 10, 3
NOBODY: frozenset[str] = frozenset()
PAY = Authorization(
    "auth_1",
    "actions",
    "u",
    "a",
    ("pay",),
    NOBODY,
    NOBODY,
    NOBODY,
    {},
    0,
    10**13,
    rules={"pay": ScopeRules(max_per_day=MOST)},
    budget_limit_micros=LIMIT,
)


@dataclass
class Race:
    """Checks that read, decide and write at different times; a write is taken only if it still holds."""

    guarded: bool = True
    spent: int = 0
    used: int = 0
    reading: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    reserved: list[Reservation] = field(default_factory=list)
    highest: int = 0

    def read(self, who: int, estimate: int) -> None:
        self.reading[who] = (estimate, self.spent, self.used)

    def write(self, who: int) -> None:
        if who not in self.reading:
            return
        estimate, spent, used = self.reading.pop(who)
        asked = Circumstances(estimated_cost_micros=estimate)
        standing = Standing(allowed_today=used, spent_micros=spent)
        verdict = decide(PAY, "pay", "actions", standing, 5, asked=asked)
        if verdict.decision != "allow":
            return
        assert verdict.reserve_micros is not None
        assert verdict.count_up_to is not None
        still = holds(LIMIT, self.spent, verdict.reserve_micros) and self.used < verdict.count_up_to
        if self.guarded and not still:
            return
        self.spent += verdict.reserve_micros
        self.used += 1
        self.reserved.append(Reservation(f"rcp_{who}", "auth_1", verdict.reserve_micros))
        self.highest = max(self.highest, self.spent)

    def settle(self, which: int, actual: int) -> None:
        if which >= len(self.reserved):
            return
        reservation = self.reserved[which]
        done = settle(reservation, min(actual, reservation.estimate_micros or 0), self.spent)
        if isinstance(done, Settlement):
            self.spent += done.delta_micros
            self.reserved[which] = Reservation("rcp", "auth_1", reservation.estimate_micros, done.actual_micros)


moves = st.one_of(
    st.tuples(st.just("read"), st.integers(0, 5), st.integers(0, 6)),
    st.tuples(st.just("write"), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("settle"), st.integers(0, 3), st.integers(0, 6)),
)


@settings(max_examples=300, deadline=None)
@given(program=st.lists(moves, max_size=40))
def test_no_order_of_events_spends_more_than_the_budget_or_allows_more_than_the_limit(program) -> None:
    race = Race()
    for what, who, amount in program:
        {"read": race.read, "write": lambda w, _: race.write(w), "settle": race.settle}[what](who, amount)

        assert 0 <= race.spent <= LIMIT
        assert race.used <= MOST
        owed = sum((r.estimate_micros or 0) if r.actual_micros is None else r.actual_micros for r in race.reserved)
        assert race.spent == owed


def test_without_the_guard_two_readers_overspend() -> None:
    """The control: the property above would notice a write that is not conditional."""
    race = Race(guarded=False)
    race.read(1, 6)
    race.read(2, 6)
    race.write(1)
    race.write(2)

    assert race.highest > LIMIT


def test_a_budgeted_check_names_one_scope_and_what_it_may_cost() -> None:
    two = faults_in(PAY, ["pay", "read"], "scopes", Circumstances(estimated_cost_micros=1))
    silent = faults_in(PAY, ["pay"], "actions", Circumstances())

    assert [path for path, _ in two] == ["body.scopes"]
    assert [path for path, _ in silent] == ["body.estimated_cost_micros"]
    assert faults_in(PAY, ["pay"], "actions", Circumstances(estimated_cost_micros=0)) == []


@pytest.mark.parametrize("standing", [Standing(allowed_today=0), Standing(spent_micros=0)])
def test_nothing_is_decided_where_something_was_not_looked_up(standing) -> None:
    assert needs(PAY, "pay").anything

    with pytest.raises(ValueError, match="looked up"):
        decide(PAY, "pay", "actions", standing, 5, asked=Circumstances(estimated_cost_micros=1))


def test_exactly_the_limit_may_be_spent() -> None:
    def asked(estimate: int):
        standing = Standing(allowed_today=0, spent_micros=4)
        return decide(PAY, "pay", "actions", standing, 5, asked=Circumstances(estimated_cost_micros=estimate))

    assert asked(6).decision == "allow"
    assert asked(7).reason == "budget_exceeded"
    assert asked(7).budget == asked(7).budget.__class__(LIMIT, 4, 7, 4)


def test_a_settlement_is_made_once_and_may_tell_of_more_than_was_reserved() -> None:
    open_ = Reservation("rcp_1", "auth_1", 5)

    done = settle(open_, 8, 9)

    assert isinstance(done, Settlement)
    assert (done.delta_micros, done.as_json()["spent_after_micros"]) == (3, 12)
    settled = Reservation("rcp_1", "auth_1", 5, 8)
    assert settle(settled, 8, 12) == "budget_settlement_duplicate"
    assert settle(settled, 7, 12) == "budget_settlement_actual_cost_conflict"
    assert settle(None, 8, 9) == "check_receipt_not_found"
    assert settle(Reservation("rcp_1", "auth_1", None), 8, 9) == "budget_settlement_receipt_without_estimate"
    assert settle(open_, 2**53 - 1, 9) == "budget_settlement_too_large"


def test_a_day_begins_at_midnight_of_utc() -> None:
    midnight = 1_800_057_600_000

    assert day_of(midnight) == day_of(midnight - 1) + 1 == day_of(midnight + 86_399_999)
