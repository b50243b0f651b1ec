"""Limits on how often a server may be called: exact sliding windows and token buckets, in memory or in Redis.

Names are loaded when they are first used; the package `redis` is loaded by `RedisStore` alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_middleware.limits.decisions import LimitDecision, Limiter
    from allowly_middleware.limits.keys import by_subject, by_subject_and_tool, for_everyone
    from allowly_middleware.limits.limits import LimitOptions, Limits, RateLimit, SlidingWindow, TokenBucket
    from allowly_middleware.limits.memory import MemoryStore
    from allowly_middleware.limits.parsing import LimitError, parse_limit
    from allowly_middleware.limits.redis import RedisStore
    from allowly_middleware.limits.stores import Charge, Count, Store, StoreUnavailable

__all__ = [
    "Charge",
    "Count",
    "LimitDecision",
    "LimitError",
    "LimitOptions",
    "Limiter",
    "Limits",
    "MemoryStore",
    "RateLimit",
    "RedisStore",
    "SlidingWindow",
    "Store",
    "StoreUnavailable",
    "TokenBucket",
    "by_subject",
    "by_subject_and_tool",
    "for_everyone",
    "parse_limit",
]

_HOME: Final = {
    "Charge": "stores",
    "Count": "stores",
    "LimitDecision": "decisions",
    "LimitError": "parsing",
    "LimitOptions": "limits",
    "Limiter": "decisions",
    "Limits": "limits",
    "MemoryStore": "memory",
    "RateLimit": "limits",
    "RedisStore": "redis",
    "SlidingWindow": "limits",
    "Store": "stores",
    "StoreUnavailable": "stores",
    "TokenBucket": "limits",
    "by_subject": "keys",
    "by_subject_and_tool": "keys",
    "for_everyone": "keys",
    "parse_limit": "parsing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
