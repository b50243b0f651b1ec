"""What became of one request, told to observers and listeners when it is over, in one shape for every outcome."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from allowly_authority.binding import canonical_json, digest_of
from allowly_middleware.observability.records import AuditRecord, Decision
from allowly_middleware.pipeline.context import Context
from allowly_middleware.pipeline.events import Emitter, Event, event_name
from allowly_middleware.pipeline.exchange import Exchange
from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.outcomes import Refusal, RefusedBy, Reply
from allowly_middleware.pipeline.ports import VerdictLike

if TYPE_CHECKING:
    from allowly_middleware.observability.observers import Observers

_DECISIONS: Final[Mapping[RefusedBy, Decision]] = {
    "policy": Decision.DENIED_BY_POLICY,
    "middleware": Decision.DENIED_BY_MIDDLEWARE,
    "person": Decision.DENIED_BY_PERSON,
    "limit": Decision.LIMITED,
    "approval": Decision.UNAVAILABLE,
    "error": Decision.ERROR,
}
_UNAVAILABLE: Final = frozenset({"limit_unavailable"})
_FORGETFUL: Final = frozenset({"handler_returned_nothing", "handler_returned_no_reply"})


class Report:
    """Collects what is known of one request.

    Args:
        ctx: The request.
        exchange: The same, as the adapter sees it.
        observers: Get records.
        emitter: Has listeners for events.
        keeps_arguments: Whether records hold the arguments.
    """

    __slots__ = (
        "_ctx",
        "_emitter",
        "_exchange",
        "_keeps_arguments",
        "_observers",
        "_started",
        "annotations",
        "asked",
        "decided",
        "rule",
        "verdict",
        "waited_ms",
    )

    def __init__(
        self, ctx: Context, exchange: Exchange, observers: Observers, emitter: Emitter, *, keeps_arguments: bool
    ) -> None:
        self._keeps_arguments = keeps_arguments
        self._ctx = ctx
        self._exchange = exchange
        self._observers = observers
        self._emitter = emitter
        self._started = time.monotonic()
        self.annotations: Mapping[str, Any] = {}
        self.asked = False
        self.decided: CallFacts | None = None
        self.rule: str | None = None
        self.verdict: VerdictLike | None = None
        self.waited_ms: float | None = None

    async def emit(self, name: str, **told: Any) -> None:
        """Tell those who listen to an event."""
        if name and self._emitter.hears(name):
            await self._emitter.emit(self._event(name, told=told))

    async def started(self) -> None:
        """Tell that the request has come."""
        if self._emitter:
            await self.emit(event_name(self._ctx.operation, "start"))

    async def finished(self, reply: Reply | None, error: BaseException | None) -> None:
        """Tell how it ended.

        Args:
            reply: The answer, if there is one.
            error: The exception that ends the request, if there is one.
        """
        refusal = None if reply is None else reply.refusal or self._refusal_of_list()
        if len(self._observers):
            self._observers.record(self._record(refusal, error))
            self._record_shadowed()
        if not self._emitter:
            return
        phase = "success"
        if refusal is not None:
            phase = "error" if refusal.by == "error" else "denied"
        elif error is not None:
            phase = "error"
        for name in (event_name(self._ctx.operation, phase), event_name(self._ctx.operation, "after")):
            if name and self._emitter.hears(name):
                await self._emitter.emit(self._event(name, reply, refusal, error, {"outcome": phase}))

    def given_up(self, ending: BaseException) -> None:
        """Record that the request was cancelled. Nothing is waited for any more."""
        if len(self._observers):
            self._observers.record(self._record(None, ending))

    def _refusal_of_list(self) -> Refusal | None:
        # A list that the policy refuses is answered as empty, and is a refusal all the same.
        refusal = self._ctx.refusal
        return refusal if self._ctx.operation.is_list and refusal is not None and refusal.by == "policy" else None

    def _event(
        self,
        name: str,
        reply: Reply | None = None,
        refusal: Refusal | None = None,
        error: BaseException | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> Event:
        address = self._exchange.address
        return Event(
            name=name,
            operation=self._ctx.operation,
            server=address.server,
            target=address.target,
            subject=self._ctx.subject,
            request_id=self._ctx.request_id,
            refusal=refusal,
            error=None if error is None else type(error).__name__,
            duration_ms=self._elapsed_ms(),
            told=told or {},
            _arguments=self._arguments,
            _reply=reply,
        )

    def _record(self, refusal: Refusal | None, error: BaseException | None) -> AuditRecord:
        decision, reason = self._decision(refusal, error)
        return AuditRecord.of(
            self._ctx.facts(None),
            decision,
            reason,
            rule=self._rule(),
            ran=self._ctx.ran,
            waited_ms=self.waited_ms,
            duration_ms=self._elapsed_ms(),
            request_id=self._ctx.request_id,
            arguments_digest=self._digest(),
            arguments=self._kept_arguments(),
            error=None if error is None else type(error).__name__,
        )

    def _decision(self, refusal: Refusal | None, error: BaseException | None) -> tuple[Decision, str]:
        if refusal is None:
            reason = "" if self.verdict is None else self.verdict.reason
            return (Decision.ALLOWED, reason) if error is None else (Decision.ERROR, "request_failed")
        if refusal.reason in _UNAVAILABLE:
            return Decision.UNAVAILABLE, refusal.reason
        if refusal.reason in _FORGETFUL:
            return Decision.DENIED_BY_MIDDLEWARE, refusal.reason
        if refusal.told.get("status") == "pending":
            return Decision.ASKED, refusal.reason
        return _DECISIONS[refusal.by], refusal.reason

    def _record_shadowed(self) -> None:
        shadowed = getattr(self.verdict, "shadowed", None)
        if shadowed is None:
            return
        self._observers.record(
            AuditRecord.of(
                self._ctx.facts(None),
                Decision.SHADOW,
                shadowed.reason,
                rule=None if shadowed.rule is None else str(shadowed.rule),
                ran=self._ctx.ran,
                request_id=self._ctx.request_id,
                arguments_digest=self._digest(),
            )
        )

    def _rule(self) -> str | None:
        if self.rule is not None:
            return self.rule
        rule = None if self.verdict is None else self.verdict.rule
        return None if rule is None else str(rule)

    @property
    def _arguments(self) -> Mapping[str, Any] | None:
        """The arguments that were decided on, whatever handlers have made of theirs since."""
        return self._ctx.sent_arguments if self.decided is None else self.decided.arguments

    def _kept_arguments(self) -> Mapping[str, Any] | None:
        if not self._keeps_arguments:
            return None
        try:
            return copy.deepcopy(self._arguments)
        except Exception:  # noqa: BLE001 - a record never changes a result
            return None

    def _digest(self) -> str | None:
        arguments = self._arguments
        if arguments is None:
            return None
        try:
            return digest_of(canonical_json(arguments))
        except ValueError:
            return None

    def _elapsed_ms(self) -> float:
        return (time.monotonic() - self._started) * 1000
