"""Counters in Redis, for servers of several processes: one script counts a call by all its limits, in one step.

The script is the whole algorithm; the clock is that of the Redis server. Wherever Redis does not answer in time, or
answers what makes no sense, `StoreUnavailable` is raised and the call is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

from allowly_middleware.limits.limits import STORE_TIMEOUT_SECONDS
from allowly_middleware.limits.stores import Charge, Count, StoreUnavailable, checked, microseconds

if TYPE_CHECKING:
    from redis.asyncio import Redis

MAX_CONNECTIONS: Final = 32
"""Most connections of a client that `from_url` makes. Further calls wait for one, within the time of the call."""

DEFAULT_PREFIX: Final = "{allowly:limits}:"
"""What the names of all keys begin with. The braces keep them on one node of a Redis cluster."""

_TAG: Final = re.compile(r"\{[^}]+\}")
_SCRIPT: Final = files("allowly_middleware.limits").joinpath("consume.lua").read_text(encoding="utf-8")
_DIGEST: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_MEMBERS: Final = 3


class RedisClient(Protocol):
    """What is needed of a client: `redis.asyncio.Redis` and `redis.asyncio.cluster.RedisCluster` have it."""

    async def evalsha(self, sha: str, numkeys: int, /, *keys_and_args: str) -> Any:
        """Run a script that the server knows."""
        ...

    async def eval(self, script: str, numkeys: int, /, *keys_and_args: str) -> Any:
        """Run a script, and make the server know it."""
        ...


class RedisStore:
    """Keeps counters in Redis 6.2 or newer, shared by all processes that use the same prefix.

    Args:
        client: An asynchronous client of the package `redis`. It stays yours to close.
        prefix: What the names of all keys begin with. In a cluster one script can only touch one slot, so the prefix
            holds a hash tag, which decides on the node: text in braces; without one it is put in braces as a whole.

    Raises:
        ValueError: The prefix is empty.
    """

    def __init__(self, client: RedisClient | Redis, *, prefix: str = DEFAULT_PREFIX) -> None:
        if not prefix:
            raise ValueError("the prefix must not be empty: it tells these keys from all others")
        self._client = cast("RedisClient", client)
        # Redis looks only at the first brace that opens; a pair with nothing in it tags nothing.
        opened = prefix.find("{")
        self._prefix = (
            prefix if opened >= 0 and _TAG.match(prefix, opened) else f"{{{prefix.strip('{}') or 'limits'}}}:"
        )

    @classmethod
    def from_url(
        cls, url: str, *, prefix: str = DEFAULT_PREFIX, timeout_seconds: float = STORE_TIMEOUT_SECONDS
    ) -> Self:
        """Make a store with a client of its own, whose waits are short and which repeats nothing by itself.

        Args:
            url: `redis://...`, `rediss://...` (TLS) or `unix://...`. It may hold a password; it is never logged.
            prefix: As for the class.
            timeout_seconds: How long it may take to connect, to find a free connection, and to be answered; each.

        Raises:
            ImportError: The package `redis` is missing.
            ValueError: The address or the prefix is not usable.
        """
        try:
            from redis.asyncio import BlockingConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise ImportError("limits in Redis need one more package: pip install 'allowly-harness[redis]'") from None
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # A repetition would count the call twice where only the reply was lost.
            retry=Retry(NoBackoff(), 0),
        )
        return cls(Redis.from_pool(pool), prefix=prefix)

    async def aclose(self) -> None:
        """Close the client. Only for a store made by `from_url`."""
        await cast("Redis", self._client).aclose()

    async def consume_many(self, charges: Sequence[Charge], *, now: float | None = None) -> Sequence[Count]:
        """As `Store` says. A time is for tests: processes must agree on it, and keys expire by the server's clock."""
        time = "" if now is None else str(microseconds(now))
        keys = [self._prefix + charge.key for charge in checked(charges)]
        rates = [charge.rate for charge in charges]
        numbers = [text for r in rates for text in (r.kind, str(r.calls), str(r.period_us), str(r.burst))]
        try:
            reply = await self._run(keys, [time, *numbers])
        except Exception as error:
            raise StoreUnavailable(f"Redis did not count: {type(error).__name__}") from error
        return _counts(reply, rates_burst=[rate.burst for rate in rates])

    async def _run(self, keys: list[str], arguments: list[str]) -> Any:
        from redis.exceptions import NoScriptError

        try:
            return await self._client.evalsha(_DIGEST, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._client.eval(_SCRIPT, len(keys), *keys, *arguments)


def _counts(reply: Any, *, rates_burst: list[int]) -> list[Count]:
    numbers = cast("list[object]", reply) if isinstance(reply, list) else []
    if len(numbers) != 1 + _MEMBERS * len(rates_burst) or not all(type(number) is int for number in numbers):
        raise StoreUnavailable("Redis answered what is no count")
    counted, *members = cast("list[int]", numbers)
    counts = [Count(bool(members[i]), members[i + 1], members[i + 2]) for i in range(0, len(members), _MEMBERS)]
    sound = all(
        fits in {0, 1} and 0 <= count.remaining <= burst and count.retry_after_us >= 0
        for fits, count, burst in zip(members[::_MEMBERS], counts, rates_burst, strict=True)
    )
    if not sound or counted != all(count.fits for count in counts):
        raise StoreUnavailable("Redis answered what is no count")
    return counts
