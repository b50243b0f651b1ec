"""`RememberingApprover`: stands before any approver, and answers what a person has said yes to in advance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from allowly_harness.approvers.base import Approver, AskFunction
from allowly_harness.display.card import ttl_for
from allowly_harness.protocol.models import Answer, ApprovalRequest

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants


class RememberingApprover:
    """Looks for a grant, and asks the person where there is none.

    A desk asks the person behind it, after it has looked for a grant once. Everything else that an approver may
    offer (`watch`, `elicit`, `closing`, `handles_many`, ...) is that of the person.

    Args:
        person: Who is asked. One with a method `remember_with(grants)` is told, and may offer to remember a yes.
        grants: What is remembered.
    """

    def __init__(self, person: Approver | AskFunction, grants: Grants) -> None:
        self.person = person
        self.grants = grants
        offer: Callable[[Grants], None] | None = getattr(person, "remember_with", None)
        if offer is not None:
            offer(grants)

    async def automatic(self, request: ApprovalRequest) -> Answer | None:
        """Return the yes of a grant, whose use is taken by now; `None` where a person is to be asked."""
        grant = await self.grants.take(request)
        if grant is None:
            automatic = getattr(self.person, "automatic", None)
            return None if automatic is None else await automatic(request)
        return replace(Answer.approve(ttl_for(request)), grant=grant.id)

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Return the yes of a grant, or what the person says."""
        answer = await self.automatic(request)
        if answer is not None:
            return answer
        return await (self.person.ask(request) if isinstance(self.person, Approver) else self.person(request))

    def __getattr__(self, name: str) -> Any:
        if name == "person":  # not there yet: this object is being copied
            raise AttributeError(name)
        return getattr(self.person, name)
