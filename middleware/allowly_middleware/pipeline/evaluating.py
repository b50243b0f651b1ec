"""Asks the policy, so that one that fails denies, and the server for annotations only where a rule reads them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from allowly_middleware.pipeline.exchange import Exchange
from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.ports import PolicyLike, VerdictLike
from allowly_middleware.pipeline.spellings import other_spellings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The verdict of a policy that could not be evaluated."""

    effect: Literal["allow", "ask", "deny"] = "deny"
    reason: str = "policy_unavailable"
    message: str = "The policy could not be evaluated, so this was not run."
    approver: str | None = None
    rule: Any = None


UNAVAILABLE: Final = Unavailable()

_SUBSCRIBE: Final = "resources/subscribe"
_LISTEN: Final = "subscriptions/listen"

DECIDED_METHODS: Final = frozenset({_SUBSCRIBE, _LISTEN})
"""The methods without an operation of their own that a policy decides: they tell of resources."""


def listened_to(facts: CallFacts, params: Mapping[str, Any]) -> list[CallFacts]:
    """Return what a client that wants to hear of several resources asks for, one by one; nothing for other requests.

    What cannot be read has no target, which every policy denies: the server might read it in some way.
    """
    if facts.method != _LISTEN:
        return []
    wanted = params.get("notifications")
    uris: Any = wanted.get("resourceSubscriptions") if isinstance(wanted, Mapping) else wanted
    if uris is None:
        return []
    targets = [uri if isinstance(uri, str) else None for uri in uris] if isinstance(uris, list) else [None]
    return [replace(facts, target=target, method=_SUBSCRIBE) for target in targets]


class Evaluator:
    """Asks one policy.

    Args:
        policy: The policy.
    """

    def __init__(self, policy: PolicyLike) -> None:
        self.policy = policy

    def evaluate(self, facts: CallFacts, *, arguments_known: bool = True) -> VerdictLike:
        """Decide a request as the policy does, or stricter for a resource that is written unusually; raise nothing."""
        try:
            return self._evaluate(facts, arguments_known=arguments_known)
        except Exception as error:  # noqa: BLE001 - what nobody has decided on must not run
            logger.error("evaluating the policy ended in %s; the request was refused", type(error).__name__)  # noqa: TRY400 - its text may hold what the call holds
            return UNAVAILABLE

    def _evaluate(self, facts: CallFacts, *, arguments_known: bool) -> VerdictLike:
        verdict = self.policy.evaluate(facts, arguments_known=arguments_known)
        for spelling in other_spellings(facts):
            other = self.policy.evaluate(replace(facts, target=spelling), arguments_known=arguments_known)
            # What no rule names is decided by how it was written; what a rule is stricter about, is not.
            if _strictness(other) > _strictness(verdict) and not other.reason.endswith("_by_default"):
                verdict = other
        return verdict

    async def annotations(self, exchange: Exchange) -> Mapping[str, Any]:
        """Return the annotations of a called tool; empty where no rule reads them, or nobody knows them."""
        if exchange.operation is not Operation.TOOL_CALL or not getattr(self.policy, "reads_annotations", True):
            return {}
        try:
            return await exchange.annotations()
        except Exception as error:  # noqa: BLE001 - rules then see what the specification assumes of unknown tools
            logger.warning("the annotations of a tool could not be read: %s", type(error).__name__)
            return {}


def _strictness(verdict: VerdictLike) -> int:
    if verdict.effect == "ask":
        return 1 if verdict.approver is None else 2
    return 3 if verdict.effect == "deny" else 0
