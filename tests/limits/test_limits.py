"""Who is counted, by what, and that whatever goes wrong refuses the call."""

import itertools
import logging
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from allowly_middleware.limits import (
    Charge,
    Count,
    LimitDecision,
    Limits,
    MemoryStore,
    SlidingWindow,
    StoreUnavailable,
    TokenBucket,
    by_subject,
    by_subject_and_tool,
    for_everyone,
)
from allowly_middleware.pipeline import ANONYMOUS, CallFacts, Operation, PatternError, Subject

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_the_call_after_the_last_one_is_refused_and_told_when_it_fits(call):
    limit = SlidingWindow(2, 60)

    decisions = [await limit.consume(call(), now=now) for now in (0, 10, 20)]

    assert [bool(decision) for decision in decisions] == [True, True, False]
    assert decisions[1] == LimitDecision(
        allowed=True, limit=2, remaining=0, retry_after_seconds=None, name="2 per minute", reason="within_limit"
    )
    assert decisions[2] == LimitDecision(
        allowed=False, limit=2, remaining=0, retry_after_seconds=40, name="2 per minute", reason="limit_exceeded"
    )
    assert "2 per minute" in decisions[2].message
    assert "40 seconds" in decisions[2].message


async def test_no_period_holds_more_than_the_limit_wherever_it_begins(call):
    """A window that starts anew on the minute would let four calls through in 20 seconds."""
    limit = SlidingWindow(2, 60)

    allowed = [bool(await limit.consume(call(), now=now)) for now in (50, 59, 60, 69, 110, 118.999999, 119)]

    assert allowed == [True, True, False, False, True, False, True]


async def test_a_limit_counts_by_the_clock_of_its_store(call):
    clock = Clock()
    limit = SlidingWindow(1, 60, store=MemoryStore(clock=clock))
    assert await limit.consume(call())

    clock.now += 59.999
    refused = await limit.consume(call())
    clock.now += 0.001

    assert not refused
    assert await limit.consume(call())


async def test_a_bucket_fills_evenly_and_saves_up_to_its_burst(call):
    limit = TokenBucket(6, 60, burst=2)

    allowed = [bool(await limit.consume(call(), now=now)) for now in (0, 0, 0, 9.9, 10, 11, 500, 500, 500)]

    assert allowed == [True, True, False, False, True, False, True, True, False]


async def test_each_subject_has_a_count_of_its_own_over_all_that_it_calls(call):
    limit = SlidingWindow(1, 60)

    assert await limit.consume(call("ada", "send"))
    assert not await limit.consume(call("ada", "read", "files"))
    assert await limit.consume(call("bob"))


async def test_callers_that_nobody_vouches_for_are_one_subject_whatever_they_claim(call):
    """Else a new claim would be a new count, and the claim of another's name would use up theirs."""
    limit = SlidingWindow(1, 60)
    claims = [ANONYMOUS, Subject("eve", authenticated=False), Subject("ada", authenticated=False)]
    facts = [CallFacts(Operation.TOOL_CALL, "mail", "send", subject=claim) for claim in claims]

    assert [bool(await limit.consume(each)) for each in facts] == [True, False, False]
    assert await limit.consume(call("ada"))


async def test_a_count_may_be_for_each_tool_or_for_everybody(call):
    per_tool = SlidingWindow(1, 60, key=by_subject_and_tool)
    together = SlidingWindow(1, 60, key=for_everyone)
    who_calls_what = [("ada", "send"), ("ada", "read"), ("bob", "send"), ("ada", "send")]

    assert [bool(await per_tool.consume(call(*each))) for each in who_calls_what] == [True, True, True, False]
    assert [bool(await together.consume(call(*each))) for each in who_calls_what] == [True, False, False, False]


async def test_names_cannot_be_joined_into_those_of_another(call):
    keys = {by_subject_and_tool(call(*each)) for each in [("a", "b.c"), ("a", "c", "b"), ("a.b", "c"), (None, "b")]}
    subject_named_so = SlidingWindow(1, 60).charge(call("anonymous"))

    assert len(keys) == 4
    assert subject_named_so != SlidingWindow(1, 60).charge(call(None))


async def test_a_limit_is_for_its_pattern_and_for_what_names_a_target(call):
    limit = SlidingWindow(1, 60, pattern="mail.send_*")
    listing = CallFacts(Operation.TOOLS_LIST, "mail", subject=Subject("ada"))

    assert limit.name == "1 per minute of mail.send_*"
    for facts in (call("ada", "send_mail"), call("ada", "read"), listing):
        assert await limit.consume(facts)
    assert (await limit.consume(call("ada", "read"))).name == ""
    assert not await limit.consume(call("ada", "send_all"))


async def test_limits_without_operations_count_every_request():
    limit = SlidingWindow(1, 60, operations=None)
    listing = CallFacts(Operation.TOOLS_LIST, "mail", subject=Subject("ada"))

    assert [bool(await limit.consume(listing)) for _ in range(2)] == [True, False]


async def test_a_refusal_of_one_limit_is_counted_by_none(call):
    """The calls that the minute refuses do not use up the day, and the other way round."""
    minute, day = SlidingWindow(2, 60, name="minute"), SlidingWindow(5, 86_400, name="day")
    both = Limits([minute, day])

    first = [await both.consume(call(), now=now) for now in (0, 1, 2, 3, 4, 5, 6, 7)]
    later = [await both.consume(call(), now=now) for now in (100, 101, 200, 201, 300, 86_400)]

    assert [bool(decision) for decision in first] == [True, True, *[False] * 6]
    assert {decision.name for decision in first[2:]} == {"minute"}
    assert [bool(decision) for decision in later] == [True, True, True, False, False, True]
    assert {decision.name for decision in later[3:5]} == {"day"}


async def test_the_limit_that_refuses_the_longest_answers(call):
    both = Limits([SlidingWindow(1, 60, name="minute"), SlidingWindow(1, 3600, name="hour")])
    await both.consume(call(), now=0)

    decision = await both.consume(call(), now=10)

    assert (decision.name, decision.retry_after_seconds) == ("hour", 3590)


async def test_a_limit_that_stands_there_twice_counts_once(call):
    both = Limits([SlidingWindow(2, 60)])

    decisions = [await both.consume(call(), also=[SlidingWindow(2, 60)]) for _ in range(3)]

    assert [bool(decision) for decision in decisions] == [True, True, False]


async def test_limits_of_rules_count_in_the_same_step(call):
    both, rule = Limits([SlidingWindow(2, 60)]), SlidingWindow(1, 60, name="rule 7")

    assert await both.consume(call(), also=[rule])
    assert (await both.consume(call(), also=[rule])).name == "rule 7"
    assert await both.consume(call())
    assert not await both.consume(call())


async def test_a_limit_by_itself_and_one_of_another_number_do_not_share_a_count(call):
    store = MemoryStore()
    one, two = SlidingWindow(1, 60, name="same", store=store), SlidingWindow(2, 60, name="same", store=store)

    assert await one.consume(call())
    assert await two.consume(call())
    assert not await one.consume(call())
    assert not await SlidingWindow(1, 60, name="same", store=store).consume(call())


async def test_no_limits_refuse_nothing(call):
    assert await Limits([]).consume(call())


async def test_64_calls_at_once_get_no_more_than_the_limit(call):
    limit = Limits([SlidingWindow(10, 60), TokenBucket(30, 60)])
    allowed: list[bool] = []

    async def consume() -> None:
        allowed.append(bool(await limit.consume(call())))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for _ in range(64):
                group.start_soon(consume)

    assert sum(allowed) == 10


async def test_threads_share_a_store_and_get_no_more_than_the_limit(call):
    limit = Limits([SlidingWindow(100, 60)])
    allowed: list[bool] = []

    def many() -> None:
        async def consume() -> None:
            allowed.extend([bool(await limit.consume(call())) for _ in range(50)])

        anyio.run(consume)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(anyio.to_thread.run_sync, many)

    assert (len(allowed), sum(allowed)) == (200, 100)


class Faulty:
    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    async def consume_many(self, charges: Sequence[Charge], *, now: float | None = None) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if self.outcome == "never":
            await anyio.sleep_forever()
        return self.outcome


@pytest.mark.parametrize(
    "outcome",
    [StoreUnavailable("canary"), RuntimeError("canary"), None, [], [Count(True, 1, 0)] * 2, [None], "never"],
    ids=["unavailable", "raises", "nothing", "too few", "too many", "no count", "never"],
)
async def test_a_store_that_cannot_count_refuses_and_says_so(outcome, call, caplog):
    """G10: the message says which, and the log holds the kind of failure alone."""
    hurried = Limits([SlidingWindow(5, 60)], store=Faulty(outcome), timeout_seconds=0.01)

    with anyio.fail_after(20):
        decision = await hurried.consume(call())

    assert (decision.allowed, decision.reason, decision.retry_after_seconds) == (False, "limit_unavailable", None)
    assert "was not run" in decision.message
    assert "was not counted" in caplog.text
    assert "canary" not in caplog.text


async def test_failures_of_a_store_do_not_fill_the_log(call, caplog):
    broken = Limits([SlidingWindow(5, 60)], store=Faulty(StoreUnavailable()))

    for _ in range(20):
        assert not await broken.consume(call())

    assert len(caplog.records) == 1


def raising(facts: CallFacts) -> str:
    raise RuntimeError("canary")


@pytest.mark.parametrize(
    "key", [raising, None, (), ("a", None), 7], ids=["raises", "none", "empty", "partly none", "number"]
)
async def test_a_key_that_names_nobody_refuses_the_call(key, call, caplog):
    """A `None` for those without a plan must not mean that they have no limit."""
    with caplog.at_level(logging.ERROR):
        limit = SlidingWindow(5, 60, key=key if callable(key) else lambda facts: key)
        decision = await limit.consume(call())

    assert (decision.allowed, decision.reason) == (False, "limit_unavailable")
    assert "canary" not in caplog.text


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -1e300])
async def test_a_time_that_is_none_refuses_the_call(now, call):
    assert (await SlidingWindow(5, 60).consume(call(), now=now)).reason == "limit_unavailable"


async def test_a_cancelled_call_stays_cancelled(call):
    with anyio.move_on_after(0.01) as scope:
        await Limits([SlidingWindow(5, 60)], store=Faulty("never")).consume(call())

    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SlidingWindow(0, 60), "from 1 to 10,000"),
        (lambda: SlidingWindow(10_001, 60), "a token bucket counts further"),
        (lambda: SlidingWindow(True, 60), "whole number"),
        (lambda: SlidingWindow(1.5, 60), "whole number"),
        (lambda: SlidingWindow(1, 0), "per_seconds"),
        (lambda: SlidingWindow(1, float("nan")), "per_seconds"),
        (lambda: SlidingWindow(1, 32 * 86_400), "per_seconds"),
        (lambda: SlidingWindow(1, True), "per_seconds"),
        (lambda: TokenBucket(5, 60, burst=0), "burst"),
        (lambda: TokenBucket(5, 7 * 86_400, burst=100_000), "burst of at most 14,"),
        (lambda: SlidingWindow(1, 60, name=" "), "name"),
        (lambda: SlidingWindow(1, 60, name="x" * 201), "name"),
        (lambda: Limits([SlidingWindow(1, n) for n in range(1, 66)]), "64"),
        (lambda: MemoryStore(max_cells=0), "max_cells"),
        (lambda: Limits([], timeout_seconds=0), "above 0"),
        (lambda: Limits([SlidingWindow(1, 60, store=MemoryStore())], store=MemoryStore()), "one store"),
    ],
    ids=itertools.count(),
)
def test_numbers_that_cannot_be_counted_are_refused_when_they_are_given(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_pattern_that_is_none_is_refused_when_it_is_given():
    with pytest.raises(PatternError):
        SlidingWindow(1, 60, pattern="mail")


def test_one_subject_has_one_key(call):
    assert by_subject(call("ada", "send")) == by_subject(call("ada", "read", "files")) == ("subject", "ada")
