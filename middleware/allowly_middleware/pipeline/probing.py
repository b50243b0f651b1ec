"""What handlers may ask the policy: without a check, without a limit, and without asking anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from allowly_middleware.pipeline.operations import Operation

if TYPE_CHECKING:
    from allowly_middleware.pipeline.ports import PolicyLike, VerdictLike
    from allowly_middleware.pipeline.subjects import Subject


@dataclass(frozen=True, slots=True)
class NoPolicy:
    """The verdict where no policy is set."""

    effect: Literal["allow", "ask", "deny"] = "allow"
    reason: str = "no_policy"
    message: str = "No policy is set."
    approver: str | None = None
    rule: Any = None


NO_POLICY: Final = NoPolicy()


class PolicyView:
    """What the policy says of one request, and would say of others of the same subject.

    Attributes:
        policy: The policy itself; `None` where none is set.
        verdict: What it said last: for all arguments while handlers run, for the final ones afterwards.
    """

    __slots__ = ("_subject", "policy", "verdict")

    def __init__(self, policy: PolicyLike | None, subject: Subject) -> None:
        self.policy = policy
        self._subject = subject
        self.verdict: VerdictLike = NO_POLICY

    @property
    def allowed(self) -> bool:
        """Whether the policy does not deny the request. It may still ask somebody."""
        return self.verdict.effect != "deny"

    @property
    def reason(self) -> str:
        """Why, as a code."""
        return self.verdict.reason

    @property
    def limits(self) -> Sequence[Any]:
        """The limits of the rules that count for the request."""
        found: Sequence[Any] = getattr(self.verdict, "limits", ())
        return found

    def can(self, server: str, target: str | None, operation: Operation = Operation.TOOL_CALL) -> VerdictLike:
        """Say what the policy would decide about a request of this subject.

        Nothing is counted, nobody is asked. The answer is true where the request would not be denied; `effect`
        tells whether somebody would be asked.

        Args:
            server: The server's name, as patterns see it.
            target: The tool's name, the resource's URI or the prompt's name; `None` for lists.
            operation: What would be asked for.
        """
        if self.policy is None:
            return NO_POLICY
        return self.policy.can(server, target, operation, subject=self._subject)
