"""The life of one guarded call, as a table: which step may follow which.

The flow decides, this table forbids. The driver feeds it every effect before it is performed and
every reply after, so a step that is not in the table is never taken, whatever the flow thinks
(design G1, G3, G4, G5). Everything that affects the table lives in this file.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from allowly_harness.protocol.effects import (
    AnsweredElsewhere,
    Ask,
    AwaitResolution,
    Decided,
    Effect,
    Invoke,
    Lookup,
    NoReply,
    Posted,
    PostedAs,
    Resolution,
    Resolve,
    Settle,
    resolution_of,
)
from allowly_harness.protocol.errors import LocalProtocolError
from allowly_harness.protocol.models import Answer, AnswerKind, PromptRecord, ToolCall


class State(StrEnum):
    """Where a guarded call stands."""

    NEW = "new"
    SENT = "sent"
    ANSWERED = "answered"
    """The server's result is here. Only the flow can tell whether it is a decision."""
    ASKED = "asked"
    YES = "yes"
    NO = "no"
    RENEW = "renew"
    """The person wants a fresh question, or the same call with other arguments."""
    AWAITED = "awaited"
    POSTING_YES = "posting_yes"
    POSTING_NO = "posting_no"
    POSTING_RENEWAL = "posting_renewal"
    OPENED = "opened"
    """The call may be sent again: an approval counts, or may count and only sending can tell."""
    OVER = "over"
    """Nothing may be sent, asked or posted any more."""


TRANSITIONS: Final = MappingProxyType(
    {
        State.NEW: {"invoke": State.SENT},
        State.SENT: {"result": State.ANSWERED, "no_result": State.OVER},
        # Answered before it could be asked: the authority's record of this very call says so.
        State.ANSWERED: {"ask": State.ASKED, "approved_before": State.OPENED, "closed_before": State.OVER},
        State.ASKED: {
            "yes": State.YES,
            "no": State.NO,
            "wait": State.AWAITED,
            "renew": State.RENEW,
            # Somebody else has answered: there is nothing to post.
            "yes_elsewhere": State.OPENED,
            "closed_elsewhere": State.OVER,
        },
        State.YES: {"post_yes": State.POSTING_YES},
        State.NO: {"post_no": State.POSTING_NO},
        State.RENEW: {"post_no": State.POSTING_RENEWAL, "invoke": State.SENT},
        State.AWAITED: {"await": State.AWAITED, "resolved": State.OPENED, "unresolved": State.OVER},
        # An answer that never left is no answer: the question may be put once more.
        State.POSTING_YES: {"counts": State.OPENED, "fails": State.OVER, "not_sent": State.ANSWERED},
        State.POSTING_NO: {"counts": State.OVER, "fails": State.OVER, "not_sent": State.OVER},
        State.POSTING_RENEWAL: {"counts": State.RENEW, "fails": State.RENEW, "not_sent": State.RENEW},
        State.OPENED: {"invoke": State.SENT},
        State.OVER: {},
    }
)
"""State by state, the steps that may follow and where each leads."""

_ANSWERS: Final = MappingProxyType(
    {
        AnswerKind.APPROVE: "yes",
        AnswerKind.WAIT: "wait",
        AnswerKind.EDIT: "renew",
        AnswerKind.ASK_AGAIN: "renew",
    }
)
"""Every other answer is a "no"."""

_COUNTS: Final = frozenset({PostedAs.ACCEPTED, PostedAs.GONE, PostedAs.LOST})
"""After these a repeated call is safe: the authority alone decides whether it is let through."""

_FAILURES: Final = MappingProxyType({PostedAs.CONFLICT: "fails", PostedAs.NOT_SENT: "not_sent"})


class Lifecycle:
    """Follows one call through `TRANSITIONS`."""

    def __init__(self) -> None:
        self.state = State.NEW
        self._sent: ToolCall | None = None

    def before(self, effect: Effect[Any]) -> None:
        """Admit an effect that is about to be performed.

        Raises:
            LocalProtocolError: The table has no such step here; the effect must not be performed.
        """
        step = _step_of_effect(effect)
        if step is not None:
            self._take(step)
        if isinstance(effect, Invoke):
            self._sent = effect.call

    def after(self, effect: Effect[Any], reply: Any) -> None:
        """Take in the reply to an effect.

        Raises:
            LocalProtocolError: The table has no such step here.
        """
        if isinstance(effect, Lookup):
            step = _step_of_record(effect, reply, self._sent)
        else:
            step = _step_of_reply(effect, reply)
        if step is not None:
            self._take(step)

    def _take(self, step: str) -> None:
        following = TRANSITIONS[self.state].get(step)
        if following is None:
            raise LocalProtocolError(f"the step {step!r} is not allowed in the state {self.state.value!r}")
        self.state = following


def _step_of_effect(effect: Effect[Any]) -> str | None:
    match effect:
        case Invoke():
            return "invoke"
        case Ask():
            return "ask"
        case Settle(answer=answer) | Resolve(answer=answer):
            return "post_yes" if answer.kind is AnswerKind.APPROVE else "post_no"
        case AwaitResolution():
            return "await"
        case _:
            return None


def _step_of_reply(effect: Effect[Any], reply: Any) -> str | None:
    match effect, reply:
        case Invoke(), NoReply():
            return "no_result"
        case Invoke(), _:
            return "result"
        case Ask(), Answer(kind=kind):
            return _ANSWERS.get(kind, "no")
        case Ask(), AnsweredElsewhere(status=said):
            return "yes_elsewhere" if said == "approved" else "closed_elsewhere"
        case ((Settle() | Resolve()), Posted(status=status)):
            return "counts" if status in _COUNTS else _FAILURES[status]
        case AwaitResolution(), (Resolution() | Decided()) as said:
            resolution = resolution_of(said)
            return "resolved" if resolution is Resolution.APPROVED else "unresolved"
        case _:
            return None


def _step_of_record(effect: Lookup, found: Any, sent: ToolCall | None) -> str | None:
    if not isinstance(found, PromptRecord) or found.status == "pending":
        return None
    approved = found.status == "approved" and found.kind == effect.kind == "escalate"
    # Nothing but the approval of this very call opens it.
    return "approved_before" if approved and sent is not None and found.resource == sent.resource else "closed_before"
