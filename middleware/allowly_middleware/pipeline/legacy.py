"""Older names of the same things, for code that was written for other middleware. Thin: nothing is decided here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from allowly_middleware.pipeline.context import Context
from allowly_middleware.pipeline.handlers import Handler, NextFn
from allowly_middleware.pipeline.outcomes import CONTINUE, Continue, Reply
from allowly_middleware.pipeline.ports import VerdictLike

LegacyHandler = Callable[[Mapping[str, Any], "LegacyContext", NextFn], Any]


@dataclass(frozen=True, slots=True)
class LegacyUser:
    """The caller by the older name.

    Attributes:
        id: The subject's id.
    """

    id: str | None


class LegacyContext:
    """A context with its older names. Everything else is the context's own.

    Args:
        ctx: The context.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    @property
    def user(self) -> LegacyUser:
        """The caller: `ctx.subject`. It never holds a secret."""
        return LegacyUser(self._ctx.subject.id)

    @property
    def policyDecision(self) -> VerdictLike:  # noqa: N802 - the older name
        """What the policy said: `ctx.policy.verdict`."""
        return self._ctx.policy.verdict

    @property
    def res(self) -> LegacyResponse:
        """What answers are built with: `ctx.deny`, `ctx.fail`, `ctx.inject`."""
        return LegacyResponse(self._ctx)

    response = res

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)


class LegacyResponse:
    """Builds answers by their older names.

    Args:
        ctx: The context.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def deny(self, message: str) -> Reply:
        """As `ctx.deny`."""
        return self._ctx.deny(message)

    def fail(self, code: int, message: str) -> Reply:
        """As `ctx.fail`."""
        return self._ctx.fail(code, message)

    error = fail

    def continue_(self) -> Continue:
        """As `CONTINUE`."""
        return CONTINUE

    def injectToAgent(self, text: str) -> None:  # noqa: N802 - the older name
        """As `ctx.inject`."""
        self._ctx.inject(text)


def legacy(handler: LegacyHandler) -> Handler:
    """Return a handler of `(request, context, next)` as one that can be registered.

    It is called exactly once for each request. How many arguments it takes is not guessed.

    Args:
        handler: Gets the raw parameters of the request, the context with its older names, and `next`.
    """

    async def run(ctx: Context, next: NextFn) -> Any:  # noqa: A002 - what handlers call it
        answer = handler(ctx.raw, LegacyContext(ctx), next)
        return await answer if inspect.isawaitable(answer) else answer

    run.__qualname__ = f"legacy({getattr(handler, '__qualname__', type(handler).__qualname__)})"
    return run
