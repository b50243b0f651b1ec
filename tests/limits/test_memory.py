"""The store in memory: bounded, and what it forgets no longer counts."""

import pytest

from allowly_middleware.limits import Charge, MemoryStore, StoreUnavailable
from allowly_middleware.limits.memory import SWEPT_PER_CALL
from allowly_middleware.limits.rates import Rate

pytestmark = pytest.mark.anyio
MINUTE, BUCKET = Rate.window(5, 60), Rate.bucket(5, 60, 5)


async def consume(store: MemoryStore, key: object, now: float, *rates: Rate) -> bool:
    charges = [Charge(f"{key}/{rate}", rate) for rate in rates or (MINUTE,)]
    return all(count.fits for count in await store.consume_many(charges, now=now))


async def test_a_full_store_refuses_newcomers_and_forgets_nobody() -> None:
    """What made room by forgetting would let its caller begin anew."""
    store = MemoryStore(max_cells=10)
    assert all([await consume(store, f"key {n % 2}", 0) for n in range(10)])

    with pytest.raises(StoreUnavailable):
        await consume(store, "newcomer", 1)

    assert not await consume(store, "key 0", 1)
    assert store.cells == 10


async def test_a_full_store_takes_calls_again_once_the_oldest_are_due() -> None:
    store = MemoryStore(max_cells=10)
    for n in range(10):
        await consume(store, n, n)

    assert await consume(store, "newcomer", 60)
    with pytest.raises(StoreUnavailable):
        await consume(store, "another", 60)
    assert await consume(store, "another", 61)


async def test_a_step_that_does_not_fit_into_the_store_counts_nothing() -> None:
    store = MemoryStore(max_cells=3)
    await consume(store, "a", 0, MINUTE, BUCKET)

    with pytest.raises(StoreUnavailable):
        await consume(store, "b", 0, MINUTE, BUCKET)

    assert store.cells == 2


async def test_counters_that_no_longer_count_are_dropped_without_being_asked_for() -> None:
    store = MemoryStore()
    for n in range(1000):
        await consume(store, n, 0, MINUTE, BUCKET)

    for n in range(2 * 1000 // SWEPT_PER_CALL + 2):
        await consume(store, "one", 1000 + n * 60)

    assert store.cells == 1


async def test_no_call_pays_for_all_that_is_due() -> None:
    store = MemoryStore()
    for n in range(1000):
        await consume(store, n, 0)

    await consume(store, "one", 60)

    assert store.cells == 1001 - SWEPT_PER_CALL


async def test_refused_calls_take_no_room() -> None:
    store = MemoryStore()
    everyone, one = Rate.window(1, 60), Rate.window(9, 60)
    await store.consume_many([Charge("everyone", everyone), Charge("ada", one)], now=0)

    for n in range(100):
        await store.consume_many([Charge("everyone", everyone), Charge(f"name {n}", one)], now=0)

    assert store.cells == 2


async def test_a_clock_that_is_set_back_lets_nobody_begin_anew() -> None:
    store = MemoryStore()
    assert all([await consume(store, "a", 1000) for _ in range(5)])

    counts = await store.consume_many([Charge(f"a/{MINUTE}", MINUTE)], now=400)

    assert (counts[0].fits, counts[0].retry_after_us) == (False, 660_000_000)


async def test_two_charges_with_one_key_are_refused() -> None:
    charges = [Charge("a", MINUTE), Charge("a", MINUTE)]

    with pytest.raises(ValueError, match="different names"):
        await MemoryStore().consume_many(charges)
