"""The pipeline: what its author registers, and the one way that every request takes through it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from allowly_middleware.limits.decisions import Limiter
from allowly_middleware.limits.limits import Limits, RateLimit
from allowly_middleware.observability.observers import Observer, Observers, RecordFn
from allowly_middleware.pipeline.approval import APPROVAL_TIMEOUT_SECONDS, ApproveFn, Asker
from allowly_middleware.pipeline.chain import Walk
from allowly_middleware.pipeline.context import Context
from allowly_middleware.pipeline.evaluating import DECIDED_METHODS, Evaluator
from allowly_middleware.pipeline.events import Emitter, EventFn
from allowly_middleware.pipeline.exchange import Exchange
from allowly_middleware.pipeline.explaining import Explanation, explained
from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.guarding import Guarding
from allowly_middleware.pipeline.handlers import Registered
from allowly_middleware.pipeline.identity import SubjectFn, SubjectUnavailableError, resolved
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import Refusal, Reply, refused
from allowly_middleware.pipeline.patterns import Pattern
from allowly_middleware.pipeline.ports import PolicyLike, VerdictLike
from allowly_middleware.pipeline.probing import NO_POLICY
from allowly_middleware.pipeline.reporting import Report
from allowly_middleware.pipeline.routing import Entry, RouteTable
from allowly_middleware.pipeline.scopes import Scope
from allowly_middleware.pipeline.subjects import ANONYMOUS, Subject

if TYPE_CHECKING:
    from allowly_middleware.middleware import AllowlyMCPMiddleware

_ServerT = TypeVar("_ServerT")

_NOBODY_KNOWS: Final = Refusal(
    "The server could not find out who calls, so nothing was run.", by="error", reason="subject_unavailable"
)


class Pipeline(Scope):
    """Handlers, a policy, limits and approval in front of an MCP server, in this order for every request.

    1. what the policy denies whatever the arguments are: final;
    2. the handlers that fit, in the order of their registration;
    3. the policy on the arguments that the handlers have made, then limits, then approval;
    4. the tool, with exactly these arguments, or nothing.

    A list goes the same way, and what the policy denies is taken out of it at the very end.

    Args:
        name: What the attached servers are called in patterns; by default each by its own name.
        policy: Allows, denies and asks.
        limits: Count requests, before anybody is asked.
        approve: Asked about the calls that the policy asks about, and about every call of a tool where there is no
            policy. A yes is good for that one call.
        gate: Asks the authority instead, and answers clients as it does anywhere.
        subject: Finds out who calls; by default from the verified access token.
        observers: Get a record of every request.
        approve_timeout_seconds: How long `approve` may take, above 0 and at most a day. Then it is a no.
        authority_decides: Whether a plain allow of the authority, which involves nobody, is enough for a call that
            the policy asks about. By default such a call is refused.
        record_arguments: Whether records hold arguments.

    Raises:
        ValueError: `approve` and `gate` together, or a limit that is none.
        TypeError: Something cannot be called.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        policy: PolicyLike | None = None,
        limits: Limiter | None = None,
        approve: ApproveFn | None = None,
        gate: AllowlyMCPMiddleware | None = None,
        subject: SubjectFn | None = None,
        observers: Iterable[Observer | RecordFn] = (),
        approve_timeout_seconds: float = APPROVAL_TIMEOUT_SECONDS,
        authority_decides: bool = False,
        record_arguments: bool = False,
    ) -> None:
        super().__init__(self)
        if approve is not None and gate is not None:
            raise ValueError("a call is approved by the gate or by approve=, not by both")
        asker = None if approve is None else Asker(approve, approve_timeout_seconds)
        self.name = name
        self.encloses = False
        # One limit alone becomes several, so that those of the policy's rules are counted with it in one step.
        counters = Limits([limits]) if isinstance(limits, RateLimit) else limits
        self._policy = policy
        self._guarding = Guarding(
            None if policy is None else Evaluator(policy), counters, gate, asker, authority_decides
        )
        self._subject = subject
        self._observers = Observers(observers)
        self._record_arguments = record_arguments
        self._emitter = Emitter()
        self._entries: list[Entry] = []
        self._table: RouteTable | None = None

    def attach(self, server: _ServerT, *, name: str | None = None, outermost: bool = False) -> _ServerT:
        """Put the pipeline into a server, before or after its tools are registered.

        Args:
            server: A `FastMCP`, an `MCPServer` or a low-level `Server`.
            name: What it is called in patterns; by default the pipeline's name, or its own.
            outermost: Whether it stands before the middleware that the server has, so that one of them that
                answers by itself, as a cache does, is behind it. By default behind them, where it sees what they
                make of a request.

        Returns:
            The same server.

        Raises:
            TypeError: Not one of these servers.
            ValueError: This pipeline is in it already.
        """
        from allowly_middleware.adapters.attaching import attach

        attach(self, server, self.name if name is None else name, outermost=outermost)
        return server

    def enclose(self, server: _ServerT, *, name: str | None = None) -> _ServerT:
        """Also put the pipeline round the server's own `call_tool`, which its code may call past all middleware.

        A call that comes through the pipeline is compared once more with what was decided, behind everything
        else; a call that does not is decided here.

        Args:
            server: A `FastMCP` or an `MCPServer`.
            name: As for `attach`.

        Raises:
            TypeError: Not one of these servers.
            ValueError: This pipeline is round it already.
        """
        from allowly_middleware.adapters.enclosing import enclose

        enclose(self, server, self.name if name is None else name)
        self.encloses = True
        return server

    def explain(
        self,
        server: str,
        target: str | None = None,
        operation: Operation = Operation.TOOL_CALL,
        *,
        subject: Subject = ANONYMOUS,
    ) -> Explanation:
        """Say what a request would pass, and what the policy would say of it. Nothing is counted or asked."""
        entries = self._routes.find(operation, [(server, target)], subject)
        facts = CallFacts(operation, server, target, subject=subject)
        policy = self._policy
        return explained(
            facts, entries, None if policy is None else policy.can(server, target, operation, subject=subject)
        )

    def name_in(self, server: object) -> str | None:
        """Return what a server is called here; `None` for one that this pipeline is not in. For adapters."""
        chain: Iterable[Any] = getattr(server, "middleware", None) or ()
        return next((one.server for one in chain if getattr(one, "pipeline", None) is self), None)

    async def verdict_on(self, exchange: Exchange) -> VerdictLike:
        """Say what the policy decides on a request that is only looked at; for adapters."""
        policy = self._policy
        if policy is None:
            return NO_POLICY
        try:
            subject = await resolved(self._subject, exchange)
        except SubjectUnavailableError:
            subject = ANONYMOUS
        address = exchange.address
        return policy.can(address.server, address.target, exchange.operation, subject=subject)

    def passes(self, operation: Operation, method: str) -> bool:
        """Tell whether a request has anything to pass here."""
        if operation is Operation.OTHER:
            return self._routes.names_other or (self._policy is not None and method in DECIDED_METHODS)
        return not self._guarding.is_idle or bool(self._entries or self._emitter or len(self._observers))

    async def run(self, exchange: Exchange) -> Reply:
        """Take one request through the pipeline; for adapters.

        Raises:
            Exception: What the server raised, unless a handler made an answer of it.
        """
        ctx = Context(exchange, ANONYMOUS, self._policy)
        if self._subject is not None or exchange.auth.authenticated:
            try:
                ctx.called_by(await resolved(self._subject, exchange))
            except SubjectUnavailableError:
                ctx.refusal = _NOBODY_KNOWS
        report = Report(ctx, exchange, self._observers, self._emitter, keeps_arguments=self._record_arguments)
        if not (self._emitter or len(self._observers)):
            return await self._answered(ctx, exchange, report)
        await report.started()
        try:
            reply = await self._answered(ctx, exchange, report)
        except Exception as error:
            await report.finished(None, error)
            raise
        except BaseException as ending:
            report.given_up(ending)
            raise
        await report.finished(reply, None)
        return reply

    async def _answered(self, ctx: Context, exchange: Exchange, report: Report) -> Reply:
        if ctx.refusal is not None:
            return refused(ctx.operation, ctx.refusal)
        guarding = self._guarding
        reply = None if self._policy is None else await guarding.first(ctx, exchange, report)
        if reply is None:
            ctx.matched = self._routes.find(ctx.operation, exchange.address.names, ctx.subject)
            reply = await Walk(ctx, exchange, ctx.matched, guarding.last, report).run()
            if self._policy is not None:
                await guarding.filter(ctx, exchange, reply)
        if ctx.guidance:
            reply.add_guidance(ctx.guidance)
        return reply

    def add(
        self,
        handler: Registered,
        *,
        operation: Operation | None,
        pattern: Pattern | None,
        server: str | None,
        groups: tuple[str, ...],
    ) -> None:
        """Put a handler behind all that are there; `Scope` calls it. It counts from the next request on."""
        self._entries.append(Entry(len(self._entries), handler, operation, pattern, server, groups))
        self._table = None

    @property
    def _routes(self) -> RouteTable:
        if self._table is None:
            self._table = RouteTable(self._entries)
        return self._table

    def listen(
        self, name: str, handler: EventFn, *, server: str | None, tool: Pattern | None, groups: tuple[str, ...]
    ) -> None:
        """Register an observer; `Scope` calls it."""
        self._emitter.on(name, handler, server=server, tool=tool, groups=groups)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name or ''}>"
