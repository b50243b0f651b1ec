"""From the rules that fit a request to what is done: the strictest wins, whatever the order.

deny > escalate > confirm > allow. Where no rule is met for certain the default counts as well, so a rule of which
that cannot be told never makes the answer milder than the default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from allowly_middleware.policy.rules import Effect, Rule, RuleRef, Standing
from allowly_middleware.policy.verdicts import MESSAGES, Reason, Verdict

ALLOW, CONFIRM, ESCALATE, DENY = range(4)
"""How strict an effect is."""


@dataclass(frozen=True, slots=True)
class Default:
    """What is done where no rule is met."""

    effect: Effect = "deny"
    approver: str | None = None
    reason: Reason = "denied_by_default"


NOT_GOVERNED: Final = Default("allow", None, "not_governed")
NOBODYS: Final = Default("deny", None, "no_policy_applies")


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule of which the operation and the name fit a request, with how it stands to the request.

    Attributes:
        at: The place of the rule among all rules.
    """

    at: int
    rule: Rule
    ref: RuleRef
    standing: Standing

    @property
    def strength(self) -> int:
        """How strict the rule is. One that only limits is as mild as one that allows."""
        return strength_of(self.rule.effect, self.rule.approver)

    @property
    def counts(self) -> bool:
        """Whether it takes part: in doubt a rule that allows does not, and any other does."""
        return self.standing is Standing.MET or (self.standing is Standing.DOUBTFUL and self.rule.effect != "allow")


def strength_of(effect: Effect | None, approver: str | None) -> int:
    """Return how strict an effect is."""
    if effect == "deny":
        return DENY
    if effect == "ask":
        return CONFIRM if approver is None else ESCALATE
    return ALLOW


def decide(judged: Sequence[Judged], defaults: Sequence[Default]) -> Verdict:
    """Decide a request.

    Args:
        judged: The rules that fit it, in their order.
        defaults: What is done otherwise; the strictest counts. There is at least one.
    """
    counting = [one for one in judged if one.counts]
    verdict = _strictest(counting, defaults)
    pending = [one for one in judged if one.standing is Standing.OPEN and one.rule.effect is not None]
    if not pending:
        return verdict
    if not any(_settles(one) for one in counting):
        # Some arguments may meet one of them alone, and then the default does not count.
        alone = {(one.strength, one.rule.approver): one for one in reversed(pending)}
        options = [verdict, *(_strictest([*counting, one], ()) for one in alone.values())]
        verdict = min(options, key=lambda option: strength_of(option.effect, option.approver))
    return verdict if verdict.effect == "deny" else replace(verdict, depends=tuple(one.ref for one in pending))


def _settles(one: Judged) -> bool:
    """Tell whether this rule is met for certain and says what is done, so that the default does not count."""
    return one.standing in {Standing.MET, Standing.OPEN} and one.rule.effect is not None


def _strictest(counting: Sequence[Judged], defaults: Sequence[Default]) -> Verdict:
    voting = [one for one in counting if one.rule.effect is not None]
    others = () if any(map(_settles, voting)) else defaults
    strength = max(
        max((one.strength for one in voting), default=ALLOW),
        max((strength_of(one.effect, one.approver) for one in others), default=ALLOW),
    )
    deciding = [one for one in voting if one.strength == strength]
    fallback = [one for one in others if strength_of(one.effect, one.approver) == strength]
    approvers = {one.rule.approver for one in deciding} | {one.approver for one in fallback}
    if strength == ESCALATE and len(approvers) > 1:
        return replace(
            _verdict("deny", "approvers_conflict", deciding, counting), message=MESSAGES["approvers_conflict"]
        )
    if not deciding:
        return _verdict(fallback[0].effect, fallback[0].reason, (), counting, approver=fallback[0].approver)
    effect, approver = deciding[0].rule.effect or "allow", deciding[0].rule.approver
    return _verdict(effect, _RULED[strength], deciding, counting, approver=approver)


_RULED: Final[tuple[Reason, ...]] = ("allowed_by_rule", "confirm_by_rule", "escalate_by_rule", "denied_by_rule")


def _verdict(
    effect: Effect,
    reason: Reason,
    deciding: Sequence[Judged],
    counting: Sequence[Judged],
    *,
    approver: str | None = None,
) -> Verdict:
    rule = deciding[0] if deciding else None
    said = next((one.rule.reason for one in deciding if one.rule.reason), None)
    limited = () if effect == "deny" else counting
    return Verdict(
        effect=effect,
        reason=reason,
        message=said or MESSAGES[reason],
        rule=rule.ref if rule else None,
        matched=tuple(one.ref for one in sorted(counting, key=lambda one: (-one.strength, one.at))),
        approver=approver,
        limits=tuple(one.rule.limit for one in limited if one.rule.limit is not None),
    )
