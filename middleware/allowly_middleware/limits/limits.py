"""Sliding windows and token buckets, one or several in one step."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypedDict, Unpack, cast

import anyio

from allowly_authority.binding import digest_of_strings
from allowly_middleware.limits.decisions import LimitDecision, unavailable
from allowly_middleware.limits.keys import KeyFn, by_subject, by_subject_and_tool, for_everyone
from allowly_middleware.limits.memory import MemoryStore
from allowly_middleware.limits.rates import MICROSECONDS, Rate
from allowly_middleware.limits.stores import MAX_CHARGES, Charge, Count, Store
from allowly_middleware.observability.reports import Reports
from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.patterns import Pattern

logger = logging.getLogger(__name__)

STORE_TIMEOUT_SECONDS: Final = 1.0
"""How long a store may take to count one call, by default. After that the call is refused."""

MAX_NAME_CHARACTERS: Final = 200
"""Longest name of a limit."""

_WHOM: Final[Mapping[KeyFn, str]] = {by_subject_and_tool: " per tool", for_everyone: " for everyone"}

COUNTED: Final = frozenset({Operation.TOOL_CALL, Operation.RESOURCE_READ, Operation.PROMPT_GET, Operation.COMPLETE})
"""What limits count unless told otherwise: what names a target. Lists and the start of a session cost nothing."""


class LimitOptions(TypedDict, total=False):
    """What every kind of limit takes besides its numbers.

    Attributes:
        key: Whom it counts; `by_subject` by default.
        name: What messages and records call it, and what tells its counters from those of other limits in one store.
            The numbers and the pattern by default, such as "30 per minute of mail.*". Processes that share a store
            share a limit by its name.
        pattern: The tools, resources or prompts it is for, in the pattern language; all by default.
        operations: The operations it is for; `COUNTED` by default, `None` for all.
        store: Where it counts when it is asked by itself; a `MemoryStore` of its own by default. `Limits` count in
            theirs.
    """

    key: KeyFn
    name: str
    pattern: str
    operations: frozenset[Operation] | None
    store: Store


class RateLimit:
    """A limit of one rate. `SlidingWindow` and `TokenBucket` are made by their numbers.

    Args:
        rate: How it counts.
        options: As `LimitOptions` says.

    Raises:
        ValueError: The name is blank or too long, or the pattern is none.
    """

    def __init__(self, rate: Rate, **options: Unpack[LimitOptions]) -> None:
        self.rate = rate
        self._key = options.get("key", by_subject)
        pattern = options.get("pattern")
        self._pattern = None if pattern is None else Pattern.parse(pattern)
        self.name = options.get(
            "name", f"{rate}{_WHOM.get(self._key, '')}{'' if pattern is None else f' of {pattern}'}"
        )
        if not self.name.strip() or len(self.name) > MAX_NAME_CHARACTERS:
            raise ValueError(f"the name of a limit has 1 to {MAX_NAME_CHARACTERS} characters")
        self._operations = options.get("operations", COUNTED)
        self.store = options.get("store")
        self._alone: Limits | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.rate)!r}, name={self.name!r})"

    def applies_to(self, facts: CallFacts) -> bool:
        """Tell whether this limit counts the request."""
        if self._operations is not None and facts.operation not in self._operations:
            return False
        return self._pattern is None or self._pattern.matches(facts.server, facts.target or "")

    def charge(self, facts: CallFacts) -> Charge:
        """Return what a store counts for the request.

        Raises:
            TypeError: The author's key is neither a text nor texts. `None` would be a counter of nobody.
            Exception: Whatever the author's function raises.
        """
        texts = _texts(self._key(facts))
        if not texts:
            raise TypeError(f"the key of the limit {self.name!r} must be a text or a tuple of texts")
        return Charge(digest_of_strings(self.name, str(self.rate), *texts), self.rate)

    async def consume(self, facts: CallFacts, *, now: float | None = None) -> LimitDecision:
        """As `Limiter` says."""
        if self._alone is None:
            self._alone = Limits([self])
        return await self._alone.consume(facts, now=now)


class SlidingWindow(RateLimit):
    """At most `max` calls in any `per_seconds`, whenever they begin: exact, with a log of the calls in the window.

    Args:
        max: How many calls; 1 to `MAX_WINDOW_CALLS`.
        per_seconds: In how many seconds; `MIN_PERIOD_SECONDS` to `MAX_PERIOD_SECONDS`.
        options: As `LimitOptions` says.

    Raises:
        ValueError: A number is out of its range, the name is not usable, or the pattern is none.
    """

    def __init__(self, max: int, per_seconds: float, **options: Unpack[LimitOptions]) -> None:  # noqa: A002 - "max=30" is what reads well
        super().__init__(Rate.window(max, per_seconds), **options)


class TokenBucket(RateLimit):
    """`max` calls per `per_seconds`, granted evenly, of which `burst` can be saved up. Keeps two numbers for each key.

    In any period there are at most `burst` + `max` calls, not `max`: where that matters, take a `SlidingWindow`.

    Args:
        max: How many calls a period brings; 1 to `MAX_BURST`.
        per_seconds: The period, in seconds; `MIN_PERIOD_SECONDS` to `MAX_PERIOD_SECONDS`.
        burst: How many can be made at once; 1 to `MAX_BURST`, `max` by default.
        options: As `LimitOptions` says.

    Raises:
        ValueError: A number is out of its range, the name is not usable, or the pattern is none.
    """

    def __init__(
        self,
        max: int,  # noqa: A002 - as for `SlidingWindow`
        per_seconds: float,
        *,
        burst: int | None = None,
        **options: Unpack[LimitOptions],
    ) -> None:
        super().__init__(Rate.bucket(max, per_seconds, max if burst is None else burst), **options)


class Limits:
    """Several limits as one: a call that any of them refuses is counted by none.

    Args:
        limits: The limits. Those of one name, one rate and one key are one limit and count a call once.
        store: Where all of them count; by default the store that one of them was given, or a `MemoryStore`.
        timeout_seconds: How long the store may take to count one call; above 0.

    Raises:
        ValueError: There are more than `MAX_CHARGES`, there is no time, or their stores differ, and no step is
            atomic over two.
    """

    def __init__(
        self,
        limits: Iterable[RateLimit],
        *,
        store: Store | None = None,
        timeout_seconds: float = STORE_TIMEOUT_SECONDS,
    ) -> None:
        self._limits = tuple(limits)
        if not timeout_seconds > 0:
            raise ValueError("timeout_seconds must be above 0")
        self._timeout_seconds = timeout_seconds
        if len(self._limits) > MAX_CHARGES:
            raise ValueError(f"at most {MAX_CHARGES} limits count one call, not {len(self._limits)}")
        stores = [store] if store is not None else []
        for limit in self._limits:
            if limit.store is not None and not any(limit.store is store for store in stores):
                stores.append(limit.store)
        if len(stores) > 1:
            raise ValueError("limits that count one call need one store: give it to `Limits` alone")
        self.store: Store = stores[0] if stores else MemoryStore()
        self._reports = Reports()

    async def consume(
        self, facts: CallFacts, *, now: float | None = None, also: Sequence[RateLimit] = ()
    ) -> LimitDecision:
        """As `Limiter` says. Where several refuse, the decision is that of the one that refuses the longest.

        Args:
            facts: The request.
            now: The time to count it at, in seconds; `None` for the store's clock.
            also: Limits that apply to this call besides, such as those of the rules that matched. They count
                in this store.
        """
        limits = [limit for limit in (*self._limits, *also) if limit.applies_to(facts)]
        if not limits:
            return LimitDecision(
                allowed=True, limit=0, remaining=0, retry_after_seconds=None, name="", reason="within_limit"
            )
        try:
            charged = {charge.key: (limit, charge) for limit in limits for charge in [limit.charge(facts)]}
            with anyio.fail_after(self._timeout_seconds):
                counts = await self.store.consume_many([charge for _, charge in charged.values()], now=now)
            return decided([limit for limit, _ in charged.values()], counts)
        except Exception as error:  # noqa: BLE001 - a call that could not be counted must not run
            self._report(limits[0].name, error)
            return unavailable(limits[0].name, limits[0].rate.burst)

    def _report(self, name: str, error: Exception) -> None:
        failures = self._reports.failed()
        if failures:
            # The text of an error may hold the address of the store, and with it a password.
            logger.error("the limit %r was not counted: %s (%d calls refused)", name, type(error).__name__, failures)


def decided(limits: Sequence[RateLimit], counts: Sequence[Count]) -> LimitDecision:
    """Return the decision of the limit that matters most: the longest wait, or else the fewest calls left.

    Raises:
        ValueError: There is not one count for each limit.
    """
    pairs = list(zip(limits, counts, strict=True))
    refused = [pair for pair in pairs if not pair[1].fits]
    if refused:
        limit, count = max(refused, key=lambda pair: pair[1].retry_after_us)
    else:
        limit, count = min(pairs, key=lambda pair: pair[1].remaining)
    return LimitDecision(
        allowed=not refused,
        limit=limit.rate.burst,
        remaining=count.remaining,
        retry_after_seconds=count.retry_after_us / MICROSECONDS if refused else None,
        name=limit.name,
        reason="limit_exceeded" if refused else "within_limit",
    )


def _texts(key: object) -> list[str]:
    parts = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
    texts = [part for part in parts if isinstance(part, str)]
    return texts if len(texts) == len(parts) else []
