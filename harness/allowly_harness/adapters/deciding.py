"""Asks an approver about a call that no guarded server has blocked: the question comes from a host's own callback.

There is no authority to ask and nothing to post. What holds is the rest of the conversation: one question
at a time, in time, a fresh yes for changed arguments, and no yes without one (design G1, G2, G6).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.performing.asking import Asking, Clock
from allowly_harness.performing.danger import danger_of
from allowly_harness.performing.performer import utc_now
from allowly_harness.protocol.effects import AnsweredElsewhere
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS
from allowly_harness.protocol.models import (
    Answer,
    AnswerKind,
    ApprovalOutcome,
    ApprovalRequest,
    ServerInfo,
    ToolCall,
    ToolInfo,
)
from allowly_harness.protocol.sentences import quoted, sentence_for

QUESTION_SECONDS: Final = 300.0
"""How long a person may take for one question of a host's; as long as a confirmation lives."""

NO_EDITS: Final = "This host takes no changed arguments. Approve the call as it is, or deny it."

Escalations: TypeAlias = Literal["defer", "wait"]
"""What becomes of an escalation that the person here cannot decide: it is left open, or awaited."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of a question.

    Attributes:
        allowed: Whether a person said yes to `call`.
        call: The call as it may be made.
        said_no: Whether a person said no, rather than nobody deciding.
        message: What the model is told where it may not.
    """

    allowed: bool
    call: ToolCall
    said_no: bool = False
    message: str = ""


class Decider:
    """Puts the questions of a host to a person.

    Args:
        approver: Asks the person; see `ApprovingClientSession`.
        server: Who makes the calls, in our words, where the host does not say for which server they are.
        requester: Who makes the calls, as the person is told.
        dangerous: See `ApprovingClientSession`.
        seconds: How long one question may stay open.
        clock: Returns the time, aware; for tests.

    Raises:
        ValueError: `seconds` is not positive.
    """

    def __init__(
        self,
        approver: Approver | AskFunction | Desk,
        *,
        server: str = "agent",
        requester: str = "",
        dangerous: Collection[str] = (),
        seconds: float = QUESTION_SECONDS,
        clock: Clock = utc_now,
    ) -> None:
        if seconds <= 0:
            raise ValueError(f"seconds must be more than 0, not {seconds}")
        self.server = server
        self._desk = approver if isinstance(approver, Desk) else Desk(approver)
        self._requester = requester
        self._dangerous = (dangerous,) if isinstance(dangerous, str) else tuple(dangerous)
        self._life = timedelta(seconds=seconds)
        self._clock = clock

    async def decide(
        self,
        call: ToolCall,
        *,
        reason: str,
        hint: str | None = None,
        tool: ToolInfo | None = None,
        editable: bool = True,
    ) -> Decision:
        """Ask until a person has decided, at most `DEFAULT_MAX_ROUNDS` times.

        Args:
            call: What would be done.
            reason: Why it is asked about, as the host says it.
            hint: The host's own text for the question.
            tool: What is known of the tool.
            editable: Whether the host takes other arguments.
        """
        request = ApprovalRequest(
            kind="confirm",
            call=call,
            reason=reason,
            expires_at=self._clock() + self._life,
            server=ServerInfo(call.server),
            tool=tool or ToolInfo(call.tool),
            prompt_hint=hint,
            requester=self._requester,
        )
        for number in range(1, DEFAULT_MAX_ROUNDS + 1):
            request = replace(
                request,
                round=number,
                expires_at=self._clock() + self._life,
                danger=danger_of(request.call, request.tool, self._dangerous),
            )
            answer = await Asking(self._desk, request, self._clock).run()
            if isinstance(answer, AnsweredElsewhere):
                break  # nobody watches for one here
            following = _asked_anew(answer, request, editable=editable)
            if following is None:
                return _decision(answer, request.call)
            request = following
        return Decision(
            allowed=False,
            call=request.call,
            message=sentence_for(ApprovalOutcome.CANCELLED, f"asked {DEFAULT_MAX_ROUNDS} times without a decision"),
        )


def _asked_anew(answer: Answer, request: ApprovalRequest, *, editable: bool) -> ApprovalRequest | None:
    if answer.kind is AnswerKind.ASK_AGAIN:
        return request
    if answer.kind is not AnswerKind.EDIT:
        return None
    if not editable:
        return replace(request, note=NO_EDITS)
    edited = ToolCall(request.call.server, request.call.tool, answer.arguments or {})
    return replace(request, call=edited, edited_from=request.edited_from or request.call, note="", draft=None)


def _decision(answer: Answer, call: ToolCall) -> Decision:
    outcome, detail = ApprovalOutcome.CANCELLED, "nobody decided"
    match answer.kind:
        case AnswerKind.APPROVE:
            return Decision(allowed=True, call=call)
        case AnswerKind.DENY:
            outcome, detail = ApprovalOutcome.DENIED_BY_PERSON, "a person said no"
            if answer.reason:
                detail = f"{detail}: {quoted(answer.reason)}"
        case AnswerKind.RESPOND:
            outcome, detail = ApprovalOutcome.RESPONDED, answer.text or ""
        case AnswerKind.EXPIRED:
            outcome, detail = ApprovalOutcome.EXPIRED, "the question has ended"
        case AnswerKind.UNATTENDED | AnswerKind.UNHEARD:
            outcome, detail = ApprovalOutcome.UNATTENDED, "no person is connected"
        case _:
            pass
    said_no = answer.kind in {AnswerKind.DENY, AnswerKind.RESPOND}
    return Decision(allowed=False, call=call, said_no=said_no, message=sentence_for(outcome, detail))


def not_ours(request: ApprovalRequest, escalations: Escalations) -> Answer | None:
    """Answer what a yes or a no of the person here does not decide; `None` for every other question."""
    if request.kind == "confirm" or request.may_resolve:
        return None
    return Answer.wait() if escalations == "wait" else Answer.defer()


def field_of(value: Any, *names: str) -> Any:
    """Return a field of a mapping or an object by the first of its names that is there; `None` where none is."""
    for name in names:
        if isinstance(value, Mapping):
            if name in value:
                return value[name]
        elif hasattr(value, name):
            return getattr(value, name)
    return None
