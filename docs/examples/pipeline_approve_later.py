"""Approvals that are given outside of the request: the call is refused as pending, and made again."""

from allowly_middleware.pipeline import ApprovalRequest, ApproveLater, MemoryApprovals, Pipeline, Ticket

approvals = MemoryApprovals(ttl_seconds=600)
inbox: list[tuple[Ticket, ApprovalRequest]] = []

pipeline = Pipeline(
    approve=ApproveLater(
        approvals,
        lambda request, ticket: inbox.append((ticket, request)),
        url=lambda ticket: f"https://approvals.example/{ticket.id}",
    )
)


async def decide(ticket: Ticket, *, approved: bool) -> bool:
    """Answer for a ticket: call this from your own page. The first answer is the only one."""
    return await approvals.decide(ticket.id, approved=approved, by="grace")
