"""Counts calls in a process of its own: `counting_process.py URL CALLS`. Begins at a line of input."""

import sys

import anyio

from allowly_middleware.limits import Limits, RedisStore, SlidingWindow, TokenBucket
from allowly_middleware.pipeline import CallFacts, Operation, Subject


async def main(url: str, calls: int) -> None:
    store = RedisStore.from_url(url, timeout_seconds=60)
    limits = Limits([SlidingWindow(100, 3600), TokenBucket(1, 3600, burst=200)], store=store, timeout_seconds=60)
    facts = CallFacts(Operation.TOOL_CALL, "mail", "send", {}, subject=Subject("ada"))
    reasons: list[str] = []

    async def consume() -> None:
        reasons.append((await limits.consume(facts)).reason)

    await store.consume_many([])
    print("ready", flush=True)
    sys.stdin.readline()
    async with anyio.create_task_group() as group:
        for _ in range(calls):
            group.start_soon(consume)
    await store.aclose()
    print(reasons.count("within_limit"), reasons.count("limit_exceeded"), flush=True)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], int(sys.argv[2]))
