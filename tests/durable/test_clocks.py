"""Clocks that differ, jump or are set back: no deadline and no grant lives longer than by the strictest reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio.lowlevel
import pytest

from allowly_authority.errors import PromptGone
from allowly_authority.service.clock import Clock
from allowly_harness import Answer, ApprovalRequest
from allowly_harness.approvers.base import Approver
from allowly_harness.protocol.wire import CONFIRM_LIFE

pytestmark = pytest.mark.anyio

HOUR = 3600.0
BOUND = "mcp:pay#sha256:" + "0" * 64


class Hands:
    """Two clocks of one computer: one that people set, one that nobody does."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.steady = 50.0

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.steady)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def test_time_goes_on_while_a_clock_that_was_set_back_catches_up() -> None:
    hands = Hands()
    clock = hands.clock()
    began = clock.now_ms(0)

    hands.wall -= HOUR
    hands.pass_by(61)

    assert clock.now_ms(0) - began == 61_000


def test_time_that_jumped_ahead_stays_there_and_goes_on() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += HOUR
    ahead = clock.now_ms(0)

    hands.wall -= HOUR
    hands.pass_by(5)

    assert clock.now_ms(0) - ahead == 5_000


def test_the_latest_time_on_record_is_gone_on_from() -> None:
    hands = Hands()
    clock = hands.clock()
    assert clock.now_ms(2_000_000_000) == 2_000_000_000

    hands.pass_by(3)

    assert clock.now_ms(0) == 2_000_003_000


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
async def test_an_authority_an_hour_apart_makes_no_question_longer(bank: Any, ahead: float) -> None:
    """The end that is shown is by the clock of whoever reads it, and at most as far away as the contract says."""
    seen: list[ApprovalRequest] = []

    async def approve(request: ApprovalRequest) -> Answer:
        seen.append(request)
        return Answer.approve()

    bank.ahead = ahead

    result = await bank.pay(approve)

    left = seen[0].expires_at - datetime.now(UTC)
    assert timedelta(seconds=CONFIRM_LIFE.total_seconds() - 30) < left <= CONFIRM_LIFE
    assert (result.is_error, bank.runs) == (False, [5])


@pytest.mark.parametrize("back", [0.0, HOUR])
async def test_a_question_that_ended_by_the_authority_s_clock_stays_ended(bank: Any, back: float) -> None:
    """G1, G10: a yes that comes too late approves nothing, also when the clock is set back meanwhile."""
    answers = [Answer.approve(), Answer.deny()]

    async def late(request: ApprovalRequest) -> Answer:
        bank.ahead += CONFIRM_LIFE.total_seconds() + 1
        with pytest.raises(PromptGone):
            await bank.authority.settle_confirmation("n" * 43, approved=True)
        bank.ahead -= back
        return answers.pop(0)

    result = await bank.pay(late)

    assert result.is_error
    assert bank.runs == []
    assert "confirmation_approved" not in [event for event, _ in await bank.receipts()]


@pytest.mark.parametrize("jump", [-HOUR, -10.0, 10.0])
async def test_a_grant_lives_no_longer_when_the_authority_s_clock_jumps(bank: Any, jump: float) -> None:
    nonce = (await bank.check(BOUND)).confirm_nonce
    await bank.authority.settle_confirmation(nonce, approved=True, ttl_seconds=60)
    bank.ahead += jump
    await bank.authority.lookup_prompt(nonce=nonce)

    bank.ahead += 61 - min(jump, 0.0)

    assert (await bank.check(BOUND)).decision == "confirm"


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
async def test_a_harness_whose_clock_jumps_takes_no_yes_after_the_end(bank: Any, jump: float) -> None:
    """G1: the end is reached by whichever clock is first."""

    class Absent(Approver):
        async def ask(self, request: ApprovalRequest) -> Answer:
            bank.harness_ahead += jump
            bank.ahead += CONFIRM_LIFE.total_seconds()
            await anyio.lowlevel.checkpoint()
            return Answer.approve()

    result = await bank.pay(Absent())

    assert (result.is_error, bank.runs) == (True, [])
