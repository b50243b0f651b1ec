"""The store in Redis: one step for all processes, closed whenever Redis is down, slow or answers nonsense."""

import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import ResponseError

from allowly_middleware.limits import (
    Charge,
    Limits,
    RateLimit,
    RedisStore,
    SlidingWindow,
    StoreUnavailable,
    TokenBucket,
    for_everyone,
)
from allowly_middleware.limits.rates import Rate
from allowly_middleware.limits.redis import DEFAULT_PREFIX

pytestmark = pytest.mark.anyio
MINUTE, BUCKET = Rate.window(3, 60), Rate.bucket(3, 60, 3)
COUNTING = Path(__file__).with_name("counting_process.py")


def patient(limits: list[RateLimit], store: RedisStore) -> Limits:
    """Return limits that a busy machine does not make give up."""
    return Limits(limits, store=store, timeout_seconds=20)


async def test_64_calls_at_once_get_no_more_than_the_limit(redis_store, call):
    limits = [SlidingWindow(10, 3600), TokenBucket(1, 3600, burst=30)]
    both = patient(limits, redis_store)
    allowed: list[bool] = []

    async def consume() -> None:
        allowed.append(bool(await both.consume(call())))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            for _ in range(64):
                group.start_soon(consume)

    assert sum(allowed) == 10


async def test_a_count_that_is_read_and_then_written_lets_more_through_than_the_limit(client):
    """The negative control of the test above: without one step, calls come between."""
    allowed: list[bool] = []

    async def consume() -> None:
        count = await client.llen("naive")
        if count < 10:
            await client.rpush("naive", 1)
        allowed.append(count < 10)

    async with anyio.create_task_group() as group:
        for _ in range(64):
            group.start_soon(consume)

    assert sum(allowed) > 10


def test_two_processes_get_no_more_than_the_limit_together(redis_server):
    with redis_server.blocking() as client:
        client.flushdb()
    command = [sys.executable, str(COUNTING), redis_server.url, "150"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:
        ready = [process.stdout.readline() for process in (one, two)]
        for process in (one, two):
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=30)[0].split() for process in (one, two)]

    assert ready == ["ready\n"] * 2
    within, exceeded = (sum(int(each[i]) for each in said) for i in (0, 1))
    assert (within, exceeded) == (100, 200)


async def test_the_clock_is_the_servers(redis_store, client):
    """Processes whose clocks differ count alike."""
    seconds, micros = await client.time()

    await redis_store.consume_many([Charge("a", MINUTE)])

    counted = int(await client.lindex(f"{DEFAULT_PREFIX}a", 0))
    assert 0 <= counted - (seconds * 1_000_000 + micros) < 60_000_000


@pytest.mark.parametrize("rate", [MINUTE, BUCKET], ids=str)
async def test_a_counter_is_gone_as_soon_as_it_is_as_good_as_new(rate, redis_store, client):
    await redis_store.consume_many([Charge("a", rate)], now=1000)
    first = await client.pttl(f"{DEFAULT_PREFIX}a")
    await redis_store.consume_many([Charge("a", rate)], now=1010)
    second = await client.pttl(f"{DEFAULT_PREFIX}a")

    whole = 60_000 if rate.kind == "window" else 20_000
    again = 60_000 if rate.kind == "window" else 30_000
    assert whole - 5000 < first <= whole + 1
    assert again - 5000 < second <= again + 1


async def test_the_names_of_keys_tell_nobody_who_called(redis_store, client, call):
    await patient([SlidingWindow(3, 60), SlidingWindow(9, 60, key=for_everyone)], redis_store).consume(call("ada"))

    keys = await client.keys("*")
    assert len(keys) == 2
    assert all(key.startswith(DEFAULT_PREFIX.encode()) for key in keys)
    assert not any(b"ada" in key or b"send" in key for key in keys)


async def test_the_longest_rates_are_counted_to_the_digit(redis_store):
    """Times in microseconds have sixteen digits, of which Lua writes fourteen unless told otherwise."""
    window, bucket = Rate.window(2, 31 * 86_400), Rate.bucket(1, 3600, 999_983)
    charges = [Charge("window", window), Charge("bucket", bucket)]
    now = 2_000_000_000.000_001

    first = await redis_store.consume_many(charges, now=now)
    second = await redis_store.consume_many(charges, now=now + 0.000_001)
    third = await redis_store.consume_many(charges, now=now + 0.000_002)

    assert [count.remaining for count in [*first, *second]] == [1, 999_982, 0, 999_981]
    assert third[0].retry_after_us == 31 * 86_400 * 1_000_000 - 2


async def test_a_long_log_is_cut_exactly_where_the_window_begins(redis_store, client):
    window = Rate.window(400, 1000)
    key = f"{DEFAULT_PREFIX}a"
    await client.rpush(key, *[(1000 + n) * 1_000_000 for n in range(350)])

    for now, remaining in ((1999, 49), (2000, 49), (2099, 147), (2250, 297), (2349.999_999, 395)):
        (count,) = await redis_store.consume_many([Charge("a", window)], now=now)
        assert (now, count.remaining) == (now, remaining)
        assert await client.llen(key) == 400 - remaining


@pytest.mark.parametrize("broken", ["text", "words", "half a bucket"])
async def test_a_key_that_holds_something_else_refuses_the_call(broken, redis_store, client, call):
    limit = SlidingWindow(3, 60) if broken != "half a bucket" else TokenBucket(3, 60)
    key = DEFAULT_PREFIX + limit.charge(call()).key
    if broken == "text":
        await client.set(key, "mine")
    elif broken == "words":
        await client.rpush(key, "yesterday")
    else:
        await client.hset(key, "lack", "-inf")

    decision = await patient([limit], redis_store).consume(call())

    assert decision.reason == "limit_unavailable"


class Answering:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def evalsha(self, sha: str, numkeys: int, /, *keys_and_args: str) -> Any:
        return self.answer

    eval = evalsha


@pytest.mark.parametrize(
    "answer",
    [
        *(None, b"OK", [], [1], [1, 1], [1, 1, 2, 0, 0], [1, 1, b"2", 0], [0, 1, 2, 0], [1, 0, 0, 9], [1, 2, 2, 0]),
        *([1, 1, -1, 0], [1, 1, 4, 0], [1, 1, 2, -5], [True, True, 2, 0], {"1": 1}),
    ],
    ids=repr,
)
async def test_an_answer_that_makes_no_sense_refuses_the_call(answer):
    with pytest.raises(StoreUnavailable):
        await RedisStore(Answering(answer)).consume_many([Charge("a", MINUTE)])


async def test_an_answer_that_makes_sense_is_taken():
    """The negative control of the test above."""
    counts = await RedisStore(Answering([0, 0, 0, 9])).consume_many([Charge("a", MINUTE)])

    assert [count.fits for count in counts] == [False]


@pytest.fixture
async def store_and_server(start_redis) -> AsyncIterator[tuple[RedisStore, Any]]:
    server = start_redis()
    store = RedisStore.from_url(server.url, timeout_seconds=20)
    yield store, server
    await store.aclose()


async def test_a_server_that_is_gone_refuses_the_call_and_one_that_is_back_counts(store_and_server, call):
    store, server = store_and_server
    limit = patient([SlidingWindow(3, 60)], store)
    before = await limit.consume(call())

    server.stop()
    during = await limit.consume(call())
    server.start()
    after = await limit.consume(call())

    assert [before.reason, during.reason, after.reason] == ["within_limit", "limit_unavailable", "within_limit"]


async def test_a_server_that_hangs_refuses_the_call_in_time_and_mixes_no_answers_up(store_and_server, call):
    """What it answers too late must not be taken for the answer to another call."""
    store, server = store_and_server
    limit = patient([SlidingWindow(3, 60)], store)
    hurried = Limits([SlidingWindow(3, 60)], store=store, timeout_seconds=0.05)
    first = await limit.consume(call("ada"))

    server.process.send_signal(signal.SIGSTOP)
    with anyio.fail_after(20):
        hanging = await hurried.consume(call("ada"))
    server.process.send_signal(signal.SIGCONT)
    other = await limit.consume(call("bob"))

    assert (first.remaining, hanging.reason, other.remaining) == (2, "limit_unavailable", 2)


async def test_nobody_at_the_address_refuses_the_call(tmp_path, call):
    store = RedisStore.from_url(f"unix://{tmp_path}/none.sock")

    assert (await patient([SlidingWindow(3, 60)], store).consume(call())).reason == "limit_unavailable"
    await store.aclose()


async def test_a_password_in_the_address_stays_out_of_the_log(tmp_path, call, caplog):
    store = RedisStore.from_url(f"unix://:canary@{tmp_path}/none.sock")

    assert (await patient([SlidingWindow(3, 60)], store).consume(call())).reason == "limit_unavailable"
    await store.aclose()
    assert "canary" not in caplog.text
    assert "canary" not in repr(store)


async def test_a_server_that_forgot_the_script_is_told_it_again(redis_store, client):
    await redis_store.consume_many([Charge("a", MINUTE)])

    await client.script_flush()
    counts = await redis_store.consume_many([Charge("a", MINUTE)])

    assert counts[0].remaining == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def cluster_node(start_redis) -> AsyncIterator[Redis]:
    """A cluster of one node: it refuses scripts whose keys are in several slots, as any cluster does."""
    ports = ("--port", str(free_port()), "--cluster-port", str(free_port()), "--bind", "127.0.0.1")
    server = start_redis(*ports, "--cluster-enabled", "yes")
    async with Redis(unix_socket_path=str(server.socket)) as client:
        await client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        with anyio.fail_after(10):
            while (await client.execute_command("CLUSTER INFO"))["cluster_state"] != "ok":  # noqa: ASYNC110 - no event
                await anyio.sleep(0.02)
        yield client


async def test_a_cluster_counts_all_limits_of_a_call_in_one_step(cluster_node, call):
    store = RedisStore(cluster_node, prefix="mine")
    both = patient([SlidingWindow(1, 60), SlidingWindow(2, 60, key=for_everyone)], store)

    decisions = [await both.consume(call(who)) for who in ("ada", "ada", "bob", "eve")]

    assert [decision.reason for decision in decisions] == [
        "within_limit",
        "limit_exceeded",
        "within_limit",
        "limit_exceeded",
    ]
    with pytest.raises(ResponseError, match="same slot"):
        await cluster_node.eval("return 1", 2, "mine:a", "mine:b")


@pytest.mark.parametrize("prefix", ["allowly", "a{b", "a{}b", "{a", "}{", "{{", "a{b}c{d}:", DEFAULT_PREFIX])
def test_all_keys_of_a_prefix_are_in_one_slot(prefix):
    store = RedisStore(Answering(None), prefix=prefix)

    slots = {key_slot(f"{store._prefix}{secrets.token_hex(32)}".encode()) for _ in range(20)}

    assert len(slots) == 1


def test_an_empty_prefix_is_refused():
    with pytest.raises(ValueError, match="prefix"):
        RedisStore(Answering(None), prefix="")
