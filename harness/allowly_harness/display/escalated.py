"""A question as the named approver of an escalation sees it, in a program that did not make the call.

What such a program knows comes from the authority's record, and from whoever asks: the call was handed in by
the asker, and proved by the digest that the record holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import Shown, identifier, joined, one_line, own
from allowly_harness.protocol.models import ApprovalRequest

MAX_NAMED: Final = 5
"""Most people named on a card who have approved already; a quorum is no larger."""

NOT_SHOWN: Final = "nobody can see here what will be sent"
"""Why a yes to a call that was not handed in wants a typed word."""

_RECORD: Final = "the authority's record"


@dataclass(frozen=True, slots=True)
class EscalatedRequest(ApprovalRequest):
    """A question that was asked elsewhere. Its arguments cannot be changed here.

    Attributes:
        user_id: On whose behalf the call is made, as the authority recorded it.
        agent_id: Which agent makes it, as the authority recorded it.
        resource: What the record binds a yes to; `None` for nothing.
        shown: Whether the call was handed in, and has the digest of the record. Otherwise `call` holds the
            name of the tool or of the permission, and no arguments.
        approvals: How many have approved so far.
        approvals_needed: How many must.
        approved_by: Who has approved so far.
    """

    user_id: str = ""
    agent_id: str = ""
    resource: str | None = None
    shown: bool = True
    approvals: int = 0
    approvals_needed: int = 1
    approved_by: tuple[str, ...] = ()


def is_hidden(request: ApprovalRequest) -> bool:
    """Tell whether the arguments of the call are not known to whoever is asked."""
    return isinstance(request, EscalatedRequest) and not request.shown


def hidden_call(request: EscalatedRequest) -> Section:
    """Return what stands in place of a call that was not handed in."""
    tool = identifier(request.call.tool)
    rows = [Row(own("tool" if request.resource else "permission"), tool, exact=True)]
    if request.resource is not None:
        short = request.resource.rpartition(":")[2][:16]
        digest = " ".join(short[start : start + 4] for start in range(0, len(short), 4))
        rows.append(Row(own("call"), one_line(f"sha256 {digest}", 100), note=_RECORD))
    told = own("The arguments are not known here: whoever asks has not handed them in.")
    rows.append(Row(Shown(), told, warning=True))
    return Section(own("WHAT WILL BE SENT IS NOT SHOWN"), tuple(rows))


def hidden_summary(request: ApprovalRequest) -> Shown:
    """Return the call in one line, where its arguments are not known."""
    return joined([identifier(request.call.tool), "  (arguments not shown)"])


def asker_rows(request: EscalatedRequest) -> tuple[Row, ...]:
    """Return who asks, for whom and for what, as the authority recorded it."""
    agent, user = one_line(request.agent_id, 128), one_line(request.user_id, 128)
    scope, under = one_line(request.scope or "", 128), one_line(request.authorization_id or "", 128)
    named = (("agent", agent), ("for", user), ("wants", scope), ("under", under))
    if any(text.right_to_left for _, text in named):
        # Such letters would reorder what stands beside them: each on a line of its own.
        return tuple(Row(own(label), text, note=_RECORD, alone=text.right_to_left) for label, text in named)
    quoted = [joined(['"', text, '"']) for _, text in named]
    return (
        Row(own("asks"), joined([quoted[0], " for ", quoted[1]]), note=_RECORD),
        Row(own("wants"), joined([quoted[2], " under ", quoted[3]]), note=_RECORD),
    )


def approval_rows(request: EscalatedRequest) -> tuple[Row, ...]:
    """Return how many must approve and who has, where one approval is not enough."""
    if request.approvals_needed <= 1:
        return ()
    needed, given = request.approvals_needed, request.approvals
    rows = [Row(own("approvals"), own(f"{given} of {needed} given"), note="different people; one no ends it")]
    if request.approved_by:
        names = [joined(['"', one_line(name, 60), '"']) for name in request.approved_by[:MAX_NAMED]]
        parts = [part for name in names for part in (own(", "), name)][1:]
        rows.append(Row(own("given by"), joined(parts), note=_RECORD))
    return tuple(rows)
