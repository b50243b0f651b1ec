"""Any run of calls gets the same answers from each store as from a model that keeps every call and counts exactly."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from allowly_middleware.limits import Charge, Count, MemoryStore, RedisStore, Store
from allowly_middleware.limits.rates import MICROSECONDS, Rate

RATES = [
    Rate.window(1, 60),
    Rate.window(3, 60),
    Rate.window(5, 3600),
    Rate.window(9, 90),
    Rate.bucket(1, 60, 1),
    Rate.bucket(7, 60, 3),
    Rate.bucket(3, 3600, 9),
]
START = 1_000_000.0


class Model:
    """Keeps every call for ever, and counts with fractions."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, Rate], list[int]] = defaultdict(list)

    def tokens(self, key: tuple[str, Rate], now: int) -> Fraction:
        rate = key[1]
        tokens, since = Fraction(rate.burst), None
        for time in self.calls[key]:
            tokens = (
                tokens
                if since is None
                else min(rate.burst, tokens + Fraction((time - since) * rate.calls, rate.period_us))
            )
            tokens, since = tokens - 1, time
        return (
            tokens
            if since is None
            else min(Fraction(rate.burst), tokens + Fraction((now - since) * rate.calls, rate.period_us))
        )

    def left(self, key: tuple[str, Rate], now: int) -> int:
        rate = key[1]
        if rate.kind == "bucket":
            return int(self.tokens(key, now))
        return rate.calls - sum(time > now - rate.period_us for time in self.calls[key])

    def wait(self, key: tuple[str, Rate], now: int) -> int:
        rate = key[1]
        if self.left(key, now):
            return 0
        if rate.kind == "bucket":
            missing = (1 - self.tokens(key, now)) * Fraction(rate.period_us, rate.calls)
            return -(-missing.numerator // missing.denominator)
        return self.calls[key][-rate.calls] + rate.period_us - now

    def consume(self, keys: Sequence[tuple[str, Rate]], now: int) -> list[Count]:
        """Count a call at `now`; for a counter that has seen a later time, at that one."""
        at = {key: max([now, *self.calls[key][-1:]]) for key in keys}
        left = {key: self.left(key, at[key]) for key in keys}
        fits = all(left.values())
        counts = [
            Count(left[key] > 0, left[key] - fits, self.wait(key, at[key]) + (0 if left[key] else at[key] - now))
            for key in keys
        ]
        if fits:
            for key in keys:
                self.calls[key].append(at[key])
        return counts


class Calls(RuleBasedStateMachine):
    """Calls at times of any order, against one store and the model."""

    store: Store
    runner: asyncio.Runner
    forward_only = False
    """Whether the store has one clock for all counters, which never goes back; else each counter has."""

    @initialize()
    def begin(self) -> None:
        self.model = Model()
        self.now = round(START * MICROSECONDS)
        self.latest = 0

    def consume(self, keys: list[tuple[str, Rate]]) -> None:
        charges = [Charge(f"{who}/{RATES.index(rate)}", rate) for who, rate in keys]
        behind = 0
        if self.forward_only:
            self.latest = max(self.latest, self.now)
            behind = self.latest - self.now

        counts = self.runner.run(self.store.consume_many(charges, now=self.now / MICROSECONDS))

        expected = self.model.consume(keys, self.now + behind)
        if behind:
            expected = [c if c.fits else Count(c.fits, c.remaining, c.retry_after_us + behind) for c in expected]
        assert list(counts) == expected

    @rule(
        who=st.sampled_from("ab"),
        rates=st.lists(st.sampled_from(RATES), min_size=1, max_size=4, unique=True),
        times=st.sampled_from([1, 1, 2, 5]),
    )
    def call(self, who: str, rates: list[Rate], times: int) -> None:
        for _ in range(times):
            self.consume([(who, rate) for rate in rates])

    @rule(seconds=st.sampled_from([0.000_001, 1, 8.571_428, 19.999_999, 59.999_999, 60, 89.5, 400, 3600, 100_000]))
    def time_passes(self, seconds: float) -> None:
        self.now += round(seconds * MICROSECONDS)

    def used(self, data: st.DataObject) -> tuple[str, Rate]:
        return data.draw(st.sampled_from([key for key, calls in self.model.calls.items() if calls]))

    @precondition(lambda self: any(self.model.calls.values()))
    @rule(data=st.data(), off=st.sampled_from([-1, 0, 1]), fill=st.booleans())
    def call_at_the_edge(self, data: st.DataObject, off: int, fill: bool) -> None:
        """Call when one more begins to fit, and a microsecond before and after."""
        _, rate = key = self.used(data)
        if fill:
            for _ in range(rate.burst):
                self.consume([key])
        calls = self.model.calls[key]
        waits = rate.period_us if rate.kind == "window" else self.model.wait(key, max(self.now, calls[-1]))
        since = calls[-min(len(calls), rate.calls)] if rate.kind == "window" else max(self.now, calls[-1])
        self.now = since + waits + off
        self.consume([key])

    @precondition(lambda self: any(self.model.calls.values()))
    @rule(data=st.data(), seconds=st.sampled_from([0.5, 70, 4000]), times=st.sampled_from([1, 3]))
    def call_before_the_last_call(self, data: st.DataObject, seconds: float, times: int) -> None:
        key = self.used(data)
        last = self.model.calls[key][-1]
        self.now = last - round(seconds * MICROSECONDS)
        for _ in range(times):
            self.consume([key])
        # What was counted meanwhile counts as long as what was counted last.
        self.now = last + key[1].period_us - 1
        self.consume([key])


def test_the_memory_store_counts_as_the_model_does() -> None:
    class InMemory(Calls):
        forward_only = True

        def __init__(self) -> None:
            super().__init__()
            self.store = MemoryStore()
            self.runner = asyncio.Runner()

        @invariant()
        def keeps_no_more_than_what_counts(self) -> None:
            counters = self.store._counters.values()  # type: ignore[attr-defined]
            assert self.store.cells == sum(counter.cells for counter in counters)  # type: ignore[attr-defined]
            assert len(self.store._due) == len(counters)  # type: ignore[attr-defined]

        def teardown(self) -> None:
            self.runner.close()

    run_state_machine_as_test(InMemory, settings=settings(max_examples=20, stateful_step_count=20))


def test_the_redis_store_counts_as_the_model_does(redis_server) -> None:
    numbers = itertools.count()

    class InRedis(Calls):
        def __init__(self) -> None:
            super().__init__()
            self.runner = asyncio.Runner()
            self.client = Redis(unix_socket_path=str(redis_server.socket))
            self.store = RedisStore(self.client, prefix=f"{{model}}{next(numbers)}:")

        def teardown(self) -> None:
            self.runner.run(self.client.aclose())
            self.runner.close()

    run_state_machine_as_test(InRedis, settings=settings(max_examples=20, stateful_step_count=20))
