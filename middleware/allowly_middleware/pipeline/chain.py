"""Runs the handlers that a request passes, outermost first, each round the rest.

What is not said plainly stops the request: a handler that returns nothing without having gone on, one that
raises, one that returns what no reply can be made of.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping
from types import CoroutineType
from typing import Any, cast

from allowly_middleware.pipeline.context import Context
from allowly_middleware.pipeline.exchange import Exchange
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import (
    CONTINUE,
    INTERNAL_ERROR,
    NextCalledTwiceError,
    Refusal,
    Reply,
    refused,
    text_block,
)
from allowly_middleware.pipeline.reporting import Report
from allowly_middleware.pipeline.routing import Entry

logger = logging.getLogger(__name__)

Core = Callable[[Context, Exchange, Report], Awaitable[Reply]]


class Walk:
    """One request on its way through its handlers.

    Args:
        ctx: The request.
        exchange: The same, as the adapter sees it.
        entries: The handlers, in order.
        core: What stands behind the last of them.
        report: Collects what becomes of the request.
    """

    __slots__ = ("_core", "_ctx", "_entries", "_exchange", "_inner", "_report")

    def __init__(
        self, ctx: Context, exchange: Exchange, entries: tuple[Entry, ...], core: Core, report: Report
    ) -> None:
        self._ctx = ctx
        self._exchange = exchange
        self._entries = entries
        self._core = core
        self._report = report
        self._inner: BaseException | None = None

    async def run(self, at: int = 0, following: _Next | None = None) -> Reply:
        """Run the handlers from a place on, and what stands behind them; nothing once a handler has refused.

        Args:
            at: The place.
            following: What the handler before has called to go on.

        Raises:
            Exception: What stands behind the handlers raised it, and none of them made an answer of it.
        """
        # One coroutine for each handler, and no more: whenever the server waits, all of them are gone through.
        ctx = self._ctx
        if ctx.refusal is not None:
            reply = refused(ctx.operation, ctx.refusal)
        elif at == len(self._entries):
            try:
                reply = await self._core(ctx, self._exchange, self._report)
            except BaseException as error:
                self._inner = error
                raise
        else:
            handler, own = self._entries[at].handler, _Next(self, at + 1)
            try:
                answer = handler.run(ctx, own)
                while type(answer) is CoroutineType or type(answer) is _Next or inspect.isawaitable(answer):
                    answer = await answer
                reply = answer if type(answer) is Reply else await self._settled(answer, own, handler.name)
            except Exception as error:
                if error is self._inner:
                    raise
                reply = self._failed(error, handler.name)
        if following is not None:
            following.seen, following.reply = ctx.refusal, reply
        return reply

    async def _settled(self, answer: Any, following: _Next, name: str) -> Reply:
        if answer is None or answer is CONTINUE:
            refusal = self._ctx.refusal
            if refusal is not None and refusal is not following.seen:
                return refused(self._ctx.operation, refusal)
            if following.reply is not None:
                return following.reply
            if answer is CONTINUE and not following.called:
                return await following()
            logger.error("the handler %s returned nothing and did not go on; the request was refused", name)
            return self._refuse(self._broken("handler_returned_nothing"))
        reply = self._adopted(answer)
        if reply is None:
            logger.error("the handler %s returned a %s; the request was refused", name, type(answer).__name__)
            return self._refuse(self._broken("handler_returned_no_reply"))
        return reply

    def _adopted(self, answer: Any) -> Reply | None:
        operation = self._ctx.operation
        if isinstance(answer, str):
            data = {"content": [text_block(answer)]}
            return Reply(operation, data=data) if operation is Operation.TOOL_CALL else None
        if isinstance(answer, Mapping):
            return Reply(operation, data=dict(cast("Mapping[str, Any]", answer)))
        return self._exchange.adopt(answer)

    def _failed(self, error: Exception, name: str) -> Reply:
        logger.error(
            "the handler %s ended in %s; the request was %s",
            name,
            type(error).__name__,
            "answered with an error" if self._ctx.ran else "refused",
            exc_info=logger.isEnabledFor(logging.DEBUG),
        )
        reason = "next_called_twice" if isinstance(error, NextCalledTwiceError) else "handler_failed"
        return self._refuse(self._broken(reason))

    def _broken(self, reason: str) -> Refusal:
        what = "after it had run, so its result is not known here" if self._ctx.ran else "so it was not run"
        problem = "did not say whether this may go on" if reason == "handler_returned_nothing" else "failed"
        message = f"The server's middleware {problem}, {what}."
        return Refusal(message, by="error", reason=reason, code=INTERNAL_ERROR, entered=self._ctx.ran)

    def _refuse(self, refusal: Refusal) -> Reply:
        self._ctx.refusal = refusal
        return refused(self._ctx.operation, refusal)


class _Next:
    """What one handler calls to go on. It works once, and runs nothing until it is awaited."""

    __slots__ = ("_started", "_walk", "at", "called", "reply", "seen")

    def __init__(self, walk: Walk, at: int) -> None:
        self._walk = walk
        self._started = False
        self.at = at
        self.called = False
        self.reply: Reply | None = None
        self.seen: Refusal | None = None

    def __call__(self) -> _Next:
        if self.called:
            raise NextCalledTwiceError("next() was called a second time; nothing was run again")
        self.called = True
        return self

    def __await__(self) -> Generator[Any, Any, Reply]:
        if self._started or not self.called:
            raise NextCalledTwiceError("next() was awaited a second time, or without being called; nothing was run")
        self._started = True
        return self._walk.run(self.at, self).__await__()
