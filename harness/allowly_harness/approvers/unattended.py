"""The approver for programs without a person: it asks nobody and approves nothing."""

from __future__ import annotations

from allowly_harness.protocol.models import Answer, ApprovalRequest


class UnattendedApprover:
    """Answers every question with "nobody is here". Confirmations are reported as refused."""

    async def ask(self, request: ApprovalRequest) -> Answer:  # noqa: ARG002 - the same for every question
        """Return `Answer.unattended()`."""
        return Answer.unattended()
