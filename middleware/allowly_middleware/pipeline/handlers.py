"""Handlers as the author of a server writes them, brought to one signature when they are registered.

How many arguments a handler takes is read from its signature, once, and never found out by calling it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from allowly_middleware.pipeline.context import Context
    from allowly_middleware.pipeline.outcomes import Reply

Handler = Callable[..., Any]
"""`handler(ctx, next)` or `handler(ctx)`, synchronous or not."""

_TWO: Final = 2


class NextFn(Protocol):
    """What a handler calls to go on."""

    def __call__(self) -> Awaitable[Reply]:
        """Run the rest of the chain, once, and return its reply."""
        ...


Step = Callable[["Context", NextFn], Any]


@dataclass(frozen=True, slots=True)
class Registered:
    """A handler.

    Attributes:
        run: Takes context and `next`.
        name: As it is shown in traces and logs.
    """

    run: Step
    name: str


def registered(handler: Handler) -> Registered:
    """Bring a handler to the one signature.

    Raises:
        TypeError: It cannot be called with a context, or needs more than context and `next`.
    """
    if not callable(handler):
        raise TypeError(f"a handler is a function of (ctx, next) or (ctx), not a {type(handler).__name__}")
    name = getattr(handler, "__qualname__", type(handler).__qualname__)
    takes = _positional(handler, name)
    if takes >= _TWO:
        return Registered(handler, name)

    def alone(ctx: Context, _: NextFn) -> Any:
        return handler(ctx)

    return Registered(alone, name)


def _positional(handler: Handler, name: str) -> int:
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return _TWO
    if any(one.kind is one.KEYWORD_ONLY and one.default is one.empty for one in parameters):
        raise TypeError(f"the handler {name} has a required keyword-only argument; it is called with (ctx, next)")
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return _TWO
    named = [one for one in parameters if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}]
    required = [one for one in named if one.default is one.empty]
    if len(required) > _TWO:
        raise TypeError(f"the handler {name} takes {len(required)} arguments; wrap one of three with legacy()")
    if not named:
        raise TypeError(f"the handler {name} takes no argument; it is called with (ctx, next) or (ctx)")
    # A default is the author's own: `lambda ctx, limit=5: ...` in a loop is a handler of one argument.
    return max(len(required), 1)
