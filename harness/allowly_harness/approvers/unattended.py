"""The approver for programs without a person: it asks nobody and approves nothing."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from allowly_harness.protocol.models import Answer, ApprovalRequest

Unattended: TypeAlias = Literal["deny", "defer", "fail"]
"""What becomes of a question that nobody hears.

"deny": a confirmation is reported as refused, so that its nonce is dead. "defer": it is left open for
somebody else until it expires, and the call ends as `deferred`. "fail": nothing is reported either, and
the call ends as `unattended`; whoever runs the program ends it.
"""

_ANSWERS: Final = {"deny": Answer.unattended, "defer": Answer.defer, "fail": Answer.unheard}


class UnattendedApprover:
    """Answers every question with "nobody is here".

    Args:
        policy: What becomes of the question.
    """

    surface = "unattended"

    def __init__(self, policy: Unattended = "deny") -> None:
        self._answer = _ANSWERS[policy]

    async def ask(self, request: ApprovalRequest) -> Answer:  # noqa: ARG002 - the same for every question
        """Return the one answer."""
        return self._answer()

    async def automatic(self, request: ApprovalRequest) -> Answer | None:
        """Return it before anything is shown to nobody."""
        return await self.ask(request)
