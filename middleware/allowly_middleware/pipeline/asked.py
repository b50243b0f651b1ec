"""The gate, asked by a policy: the authority's answer counts only if somebody said yes, and the call may not change.

The check carries in its context that a policy asks, and whom. An authority whose rules read it can ask
exactly then; one that would let the call run without asking anybody has not answered the question.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from allowly_middleware import facts as gated
from allowly_middleware.asking.deciding import Client, Deciding, Decision
from allowly_middleware.asking.sealed import Leg
from allowly_middleware.asking.settling import DENIED_BY_USER
from allowly_middleware.payload import denied
from allowly_middleware.pipeline.exchange import Ask
from allowly_middleware.pipeline.outcomes import Refusal, RefusedBy
from allowly_middleware.pipeline.permits import CHANGED, snapshot
from allowly_middleware.verdicts import Grant, Verdict

logger = logging.getLogger(__name__)

NOT_ARRANGED: Final = "approval_not_arranged"
"""The reason of a call that the policy asks about, and the authority does not: it asks nobody, or somebody else."""

_BY_ESCALATION: Final = frozenset({"authorization_granted_via_escalation"})
_BY_SOMEBODY: Final = _BY_ESCALATION | {"authorization_granted_via_confirmation"}
_REFUSED_BY_PEOPLE: Final = frozenset({DENIED_BY_USER, "escalation_rejected", "denied_by_user"})


class AskedDeciding(Deciding):
    """Decides one call, as the gate does.

    Args:
        gate: How the gate decides.
        ask: Why the call is asked about.

    Attributes:
        refusal: Why the call does not run, as far as that is known; `None` where it may.
    """

    def __init__(self, gate: Deciding, ask: Ask) -> None:
        self._inner = gate
        self._ask = ask
        self.refusal: Refusal | None = None

    @property
    def asks(self) -> bool:  # type: ignore[override]
        """Whether clients may be asked; as the gate's own."""
        return self._inner.asks

    def suspended(self, grant: Grant, request_state: str | None) -> None:
        """Note that a run asked its client for input; as `Deciding.suspended`."""
        self._inner.suspended(grant, request_state)

    def for_tool(self, brought: Leg) -> Leg | None:
        """Return what the tool may see of a leg; as `Deciding.for_tool`."""
        return self._inner.for_tool(brought)

    def for_client(self, state: str | None) -> str | None:
        """Return the state of a tool as the client is to carry it; as `Deciding.for_client`."""
        return self._inner.for_client(state)

    async def decide(self, facts: gated.CallFacts, client: Client | None, *, earlier: Grant | None) -> Decision:
        """Decide one leg; as `Deciding.decide`."""
        if earlier is not None:
            changed = not earlier.covers(facts.tool, snapshot(facts.arguments))
            decision = Decision(Verdict(payload=denied(CHANGED.reason)) if changed else Verdict(earlier))
        else:
            decision = self._judged(await self._inner.decide(self._with_context(facts), client, earlier=None))
        self.refusal = _refusal(decision)
        return decision

    def _with_context(self, facts: gated.CallFacts) -> gated.CallFacts:
        ask = self._ask
        if not ask.told:
            return facts
        context: dict[str, Any] = {"policy_asks": True, "policy_reason": ask.reason}
        if ask.approver is not None:
            context["policy_approver"] = ask.approver
        return replace(facts, asked=context)

    def _judged(self, decision: Decision) -> Decision:
        verdict, ask = decision.verdict, self._ask
        wanted = _BY_SOMEBODY if ask.approver is None else _BY_ESCALATION
        if verdict.grant is not None and ask.forced and verdict.reason not in wanted:
            problem = f"lets it run without the yes that the policy asks for ({verdict.reason})"
        elif ask.approver is not None and verdict.payload.get("escalation_to", ask.approver) != ask.approver:
            problem = "would put it to somebody else than the policy names"
        else:
            return decision
        logger.error("the authority, asked about %s, %s; the call was refused", ask.facts.target, problem)
        return Decision(Verdict(payload=denied(NOT_ARRANGED)))


def _refusal(decision: Decision) -> Refusal | None:
    verdict = decision.verdict
    if verdict.grant is not None:
        return None
    reason = str(verdict.payload.get("reason"))
    told: Mapping[str, Any] = {}
    by: RefusedBy
    if decision.question is not None or verdict.payload.get("decision") in {"confirm", "escalate"}:
        by, told = "approval", {"status": "pending"}
    elif verdict.meta is not None or reason == NOT_ARRANGED:
        by = "approval"
    elif reason == CHANGED.reason:
        return CHANGED
    else:
        by = "person" if reason in _REFUSED_BY_PEOPLE else "policy"
    return Refusal("The authority did not let this run.", by=by, reason=reason, told=told)
