"""What decides a request round its handlers: the policy before and after them, then limits, then approval.

The order is the point. A rule that holds for all arguments is final before any handler runs. Everything
else looks at the arguments that the handlers have made, and exactly these reach the tool.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from allowly_authority.binding import canonical_json
from allowly_middleware.continuations import Continuations
from allowly_middleware.facts import drop_signs_of_zeros
from allowly_middleware.limits.decisions import LimitDecision, Limiter, unavailable
from allowly_middleware.limits.limits import Limits
from allowly_middleware.pipeline.approval import Asker, Decided, request_of
from allowly_middleware.pipeline.context import Context
from allowly_middleware.pipeline.evaluating import Evaluator, listened_to
from allowly_middleware.pipeline.exchange import Ask, Exchange
from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import LIST_FIELDS, Refusal, Reply, refused
from allowly_middleware.pipeline.ports import VerdictLike

if TYPE_CHECKING:
    from allowly_middleware.middleware import AllowlyMCPMiddleware
    from allowly_middleware.pipeline.reporting import Report

logger = logging.getLogger(__name__)

_ITEMS: Final[Mapping[Operation, tuple[Operation, str]]] = {
    Operation.TOOLS_LIST: (Operation.TOOL_CALL, "name"),
    Operation.RESOURCES_LIST: (Operation.RESOURCE_READ, "uri"),
    Operation.RESOURCE_TEMPLATES_LIST: (Operation.RESOURCE_READ, "uriTemplate"),
    Operation.PROMPTS_LIST: (Operation.PROMPT_GET, "name"),
}
"""What a request for one item of a list would be, and which field would name it."""

NOT_JSON: Final = Refusal(
    "The arguments have no JSON form, so nobody can decide about them. The call was not run.",
    by="error",
    reason="arguments_not_canonical",
)


@dataclass(frozen=True, slots=True)
class _Call:
    """A request on which is decided.

    Attributes:
        facts: What policies, limits and people look at.
        arguments: What the tool gets: the same, out of everybody's reach.
    """

    facts: CallFacts
    arguments: dict[str, Any] | None = field(repr=False)

    def leg(self, request_state: str | None) -> tuple[object, ...] | None:
        """Return what tells a further leg of this call from any other; `None` where nothing can."""
        facts = self.facts
        try:
            arguments = canonical_json({} if self.arguments is None else self.arguments)
        except ValueError:
            return None
        return (facts.operation, facts.server, facts.target, arguments, facts.subject, request_state)


@dataclass(frozen=True, slots=True)
class Guarding:
    """Everything that decides, as the pipeline was given it.

    Attributes:
        policy: Allows, denies and asks.
        limits: Count.
        gate: Asks the authority.
        asker: Asks a callback.
        authority_decides: Whether a plain allow of the authority is enough for a call that the policy asks about.
        legs: The calls that asked their client for input: their next leg is not counted and not asked about again.
        rule_limits: Counts for the limits of rules where the pipeline has none that could.
    """

    policy: Evaluator | None = None
    limits: Limiter | None = None
    gate: AllowlyMCPMiddleware | None = None
    asker: Asker | None = None
    authority_decides: bool = False
    legs: Continuations = field(default_factory=Continuations)
    rule_limits: Limits = field(default_factory=lambda: Limits([]))

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing here that could decide."""
        return self.policy is None and self.limits is None and self.gate is None and self.asker is None

    async def first(self, ctx: Context, exchange: Exchange, report: Report) -> Reply | None:
        """Return the refusal that holds for all arguments; `None` if there is none."""
        if self.policy is None:
            return None
        for facts in listened_to(ctx.facts(None), ctx.raw):
            no = self._denied(ctx, self.policy.evaluate(facts), report)
            if no is not None:
                return no
        report.annotations = await self.policy.annotations(exchange)
        verdict = self.policy.evaluate(ctx.facts(None, report.annotations), arguments_known=False)
        ctx.policy.verdict = verdict
        return self._denied(ctx, verdict, report)

    async def last(self, ctx: Context, exchange: Exchange, report: Report) -> Reply:
        """Decide on the request as the handlers have made it, and hand it on if nothing is against it.

        Raises:
            Exception: Whatever the server answers other than by a result.
        """
        decides = not self.is_idle or ctx.ask is not None
        arguments = None
        if (decides or ctx.args_were_read) and ctx.sent_arguments is not None:
            # A copy of its own: whoever holds `ctx.args` can change nothing from here on.
            arguments = copy.deepcopy(dict(ctx.sent_arguments))
            drop_signs_of_zeros(arguments)
        if not decides and arguments is None:
            return await _forwarded(ctx, exchange, None, frozen=bool(ctx.matched))
        facts = ctx.facts(copy.deepcopy(arguments), report.annotations)
        if ctx.operation is Operation.TOOL_CALL:
            report.decided = facts
        if not decides:
            return await _forwarded(ctx, exchange, arguments, frozen=bool(ctx.matched))
        if self.policy is not None:
            ctx.policy.verdict = self.policy.evaluate(facts)
            no = self._denied(ctx, ctx.policy.verdict, report)
            if no is not None:
                return no
        if self.limits is None and self.asker is None and not ctx.policy.limits:
            return await self._approved(ctx, exchange, report, _Call(facts, arguments), resumed=False)
        return await self._counted(ctx, exchange, report, _Call(facts, arguments))

    async def filter(self, ctx: Context, exchange: Exchange, reply: Reply) -> None:
        """Take from a list what the subject may not use."""
        if self.policy is None or ctx.operation not in _ITEMS or reply.refusal is not None:
            return
        operation, name = _ITEMS[ctx.operation]
        items = [item for item in reply.items if _names_itself(item, name)]
        # By this field alone: another one may name something that is allowed.
        addresses = await exchange.addresses(operation, [{name: item[name]} for item in items])
        wanted: set[int] = set()
        for item, (server, target) in zip(items, addresses, strict=True):
            said = item.get("annotations")
            annotations: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
            facts = CallFacts(operation, server, target, None, annotations, ctx.subject)
            if self.policy.evaluate(facts, arguments_known=False).effect != "deny":
                wanted.add(id(item))
        if len(wanted) < len(reply.items):
            reply.keep(lambda item: id(item) in wanted)

    async def _counted(self, ctx: Context, exchange: Exchange, report: Report, call: _Call) -> Reply:
        resumed = exchange.is_further_leg and self._take(call.leg(exchange.request_state))
        if not resumed:
            counted = await self._count(ctx, call.facts)
            if counted is not None and not counted.allowed:
                report.rule = counted.name
                return _refuse(ctx, _limited(counted))
        reply = await self._approved(ctx, exchange, report, call, resumed=resumed)
        if ctx.ran and reply.asks_for_input:
            leg = call.leg(reply.request_state)
            if leg is not None:
                self.legs.put(leg, "resumes")
        return reply

    async def _count(self, ctx: Context, facts: CallFacts) -> LimitDecision | None:
        """Count a call once, for the limits of the pipeline and of the rules that matched."""
        also = ctx.policy.limits
        try:
            if not also:
                return None if self.limits is None else await self.limits.consume(facts)
            if isinstance(self.limits, Limits):
                return await self.limits.consume(facts, also=also)
            # Two steps where the pipeline's limiter is one of the author's own: a call that it refuses was counted.
            counted = await self.rule_limits.consume(facts, also=also)
            return await self.limits.consume(facts) if counted.allowed and self.limits is not None else counted
        except Exception as error:  # noqa: BLE001 - a call that could not be counted must not run
            logger.error("counting a call ended in %s; the call was refused", type(error).__name__)  # noqa: TRY400 - its text may hold secrets
            return unavailable("", 0)

    def _take(self, leg: tuple[object, ...] | None) -> bool:
        return leg is not None and self.legs.take(leg) is not None

    async def _approved(self, ctx: Context, exchange: Exchange, report: Report, call: _Call, *, resumed: bool) -> Reply:
        ask = self._ask_of(ctx, call.facts)
        if ask is not None and self.gate is not None and ctx.operation is Operation.TOOL_CALL:
            report.asked = True
            # True until the gate says otherwise: what it lets through may raise.
            ctx.ran = True
            reply = await exchange.forward_asked(self.gate, call.arguments or {}, ask)
            ctx.ran = reply.refusal is None
            return reply
        if ask is not None and not resumed:
            no = await self._asked(ask, report)
            if no is not None:
                return _refuse(ctx, no)
            # A person may take long to answer, and the policy may be another one by now.
            changed = None if self.policy is None else self._denied(ctx, self.policy.evaluate(call.facts), report)
            if changed is not None:
                return changed
        return await _forwarded(ctx, exchange, call.arguments, frozen=True)

    def _denied(self, ctx: Context, verdict: VerdictLike, report: Report) -> Reply | None:
        report.verdict = verdict
        if verdict.effect != "deny":
            return None
        payload = {"decision": "deny", "reason": verdict.reason, "message": verdict.message}
        refusal = Refusal(verdict.message, by="policy", reason=verdict.reason, payload=payload)
        ctx.refusal = refusal
        name = LIST_FIELDS.get(ctx.operation)
        if name is not None:
            return Reply(ctx.operation, data={name: []})
        return refused(ctx.operation, refusal)

    def _ask_of(self, ctx: Context, facts: CallFacts) -> Ask | None:
        verdict = ctx.policy.verdict
        if ctx.ask is not None:
            message, approver = ctx.ask
            return Ask(facts, "asked_by_middleware", message, approver)
        if verdict.effect == "ask":
            return Ask(facts, verdict.reason, verdict.message, verdict.approver, forced=not self.authority_decides)
        if self.policy is None and ctx.operation is Operation.TOOL_CALL and (self.gate or self.asker):
            return Ask(
                facts, "every_call_is_asked", "Every call of this server is asked about.", forced=False, told=False
            )
        return None

    async def _asked(self, ask: Ask, report: Report) -> Refusal | None:
        if self.asker is None:
            message = "This needs an approval, and there is nobody who could be asked. It was not run."
            return Refusal(message, by="approval", reason="approval_unavailable")
        try:
            question = request_of(
                _own_copy(ask.facts), ask.reason, ask.message, ask.approver, self.asker.timeout_seconds
            )
        except ValueError:
            return NOT_JSON
        report.asked = True
        await report.emit("approval:requested", digest=question.digest, approver=ask.approver, reason=ask.reason)
        started = time.monotonic()
        decided = Decided(None, "expired")
        try:
            decided = await self.asker.ask(question)
        finally:
            report.waited_ms = (time.monotonic() - started) * 1000
        approved = decided.refusal is None
        await report.emit(f"approval:{decided.event}", digest=question.digest, approved=approved, by=decided.by)
        return decided.refusal


async def _forwarded(ctx: Context, exchange: Exchange, arguments: dict[str, Any] | None, *, frozen: bool) -> Reply:
    ctx.ran = True
    reply = await exchange.forward(arguments, frozen=frozen)
    ctx.ran = reply.refusal is None
    return reply


def _limited(counted: LimitDecision) -> Refusal:
    told = {"retry_after_seconds": counted.retry_after_seconds}
    # A decision as any other, so that clients tell it from a tool that failed.
    payload = {"decision": "deny", "reason": counted.reason, "message": counted.message}
    return Refusal(counted.message, by="limit", reason=counted.reason, payload=payload, told=told)


def _names_itself(item: object, field_name: str) -> bool:
    """Tell whether an entry of a list says what it is; what does not cannot be decided on, nor shown."""
    return isinstance(item, Mapping) and isinstance(cast("Mapping[str, Any]", item).get(field_name), str)


def _own_copy(facts: CallFacts) -> CallFacts:
    arguments = None if facts.arguments is None else copy.deepcopy(dict(facts.arguments))
    return CallFacts(
        facts.operation, facts.server, facts.target, arguments, facts.annotations, facts.subject, facts.method
    )


def _refuse(ctx: Context, refusal: Refusal) -> Reply:
    ctx.refusal = refusal
    return refused(ctx.operation, refusal)
