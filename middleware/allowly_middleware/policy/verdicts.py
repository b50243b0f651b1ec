"""What a policy says of a request, and by which rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from allowly_middleware.policy.rules import Effect, RuleRef

if TYPE_CHECKING:
    from allowly_middleware.limits.limits import RateLimit

Reason = Literal[
    "allowed_by_rule",
    "confirm_by_rule",
    "escalate_by_rule",
    "denied_by_rule",
    "confirm_by_default",
    "escalate_by_default",
    "denied_by_default",
    "approvers_conflict",
    "cannot_ask",
    "no_policy_applies",
    "not_governed",
    "only_tried",
    "malformed_request",
]
"""Why, as a code.

`approvers_conflict`: rules name several approvers, and one call is put to one. `cannot_ask`: nobody is asked about
completions and subscriptions. `no_policy_applies`: every policy is for groups that the subject is not in.
`not_governed`: lists and what has no target need no permission. `only_tried`: every policy is in shadow mode.
`malformed_request`: the request names no target.
"""

MESSAGES: Final[dict[Reason, str]] = {
    "allowed_by_rule": "The policy allows this.",
    "confirm_by_rule": "The policy wants the user to confirm this.",
    "escalate_by_rule": "The policy wants somebody else to approve this.",
    "denied_by_rule": "The policy does not allow this.",
    "confirm_by_default": "No rule allows this, so the user must confirm it.",
    "escalate_by_default": "No rule allows this, so somebody else must approve it.",
    "denied_by_default": "No rule of the policy allows this.",
    "approvers_conflict": "The policy names several approvers for this, so it is not allowed.",
    "cannot_ask": "Somebody would have to be asked about this, and that is not possible here.",
    "no_policy_applies": "No policy is for this caller.",
    "not_governed": "This needs no permission.",
    "only_tried": "The policy is only tried.",
    "malformed_request": "The request does not name what it is for.",
}
"""What callers are told, unless the deciding rule gives a reason of its own. Nothing in it comes from a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer of a policy. True where the request is not denied.

    Attributes:
        effect: What is to be done.
        reason: Why, as a code.
        message: Why, in a sentence that the caller may read.
        rule: The rule that decided; of several that say the same, the first. `None` for the default.
        matched: All rules that count, the strictest first.
        shadowed: What the verdict would be if what is only tried were in force; `None` where it would have the same
            effect and the same approver.
        approver: Who must say yes, of a verdict that asks; `None` for the user.
        limits: The limits of the rules that count; empty for a denial.
        depends: The rules that look at arguments, where these are not known: the verdict is the best that any
            arguments can get, and these rules may make it stricter. Empty for a denial, which is for all of them.
    """

    effect: Effect
    reason: Reason
    message: str
    rule: RuleRef | None = None
    matched: tuple[RuleRef, ...] = ()
    shadowed: Verdict | None = None
    approver: str | None = None
    limits: tuple[RateLimit, ...] = ()
    depends: tuple[RuleRef, ...] = ()

    def __bool__(self) -> bool:
        return self.effect != "deny"

    @property
    def would_ask(self) -> bool:
        """Whether somebody would be asked."""
        return self.effect == "ask"


def plain_verdict(effect: Effect, reason: Reason) -> Verdict:
    """Return a verdict that no rule decided."""
    return Verdict(effect=effect, reason=reason, message=MESSAGES[reason])


NOT_GOVERNED: Final = plain_verdict("allow", "not_governed")
ONLY_TRIED: Final = plain_verdict("allow", "only_tried")
CANNOT_ASK: Final = plain_verdict("deny", "cannot_ask")
NO_POLICY_APPLIES: Final = plain_verdict("deny", "no_policy_applies")
MALFORMED_REQUEST: Final = plain_verdict("deny", "malformed_request")
