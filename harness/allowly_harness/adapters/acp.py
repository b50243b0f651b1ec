"""Permission requests of the Agent Client Protocol (`session/request_permission`), both ways.

An agent that speaks the protocol has its questions answered by its client with `AcpApprover`. A client of
the protocol has the questions of an agent answered by an approver with `answer_permission`. Everything
counts once: the protocol's "always" kinds are neither offered nor chosen unless named, and never kept.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

from allowly_harness.adapters.deciding import Decider, Escalations, field_of, not_ours
from allowly_harness.adapters.permission import context_of
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.protocol.models import Answer, ApprovalRequest, ToolCall, ToolInfo

OptionKind: TypeAlias = Literal["allow_once", "allow_always", "reject_once", "reject_always"]
RequestPermission: TypeAlias = Callable[[dict[str, Any]], Awaitable[Any]]
"""Sends the parameters of `session/request_permission`, returns its result: a mapping, or an SDK's object."""

MAX_OPTIONS: Final = 16
"""How many options of an agent are looked at; more are ignored."""

_NAMES: Final[Mapping[OptionKind, str]] = {
    "allow_once": "Allow once",
    "allow_always": "Allow (counts for this call only)",
    "reject_once": "Reject",
    "reject_always": "Reject (counts for this call only)",
}

logger = logging.getLogger(__name__)


def answer_for(kind: str) -> Answer:
    """Return the answer that an option kind is; "always" counts once, and a line at WARNING says so.

    Raises:
        ValueError: There is no such kind.
    """
    if kind in {"allow_always", "reject_always"}:
        logger.warning("%s was chosen; it counts for this call only", kind)
    if kind in {"allow_once", "allow_always"}:
        return Answer.approve()
    if kind in {"reject_once", "reject_always"}:
        return Answer.deny()
    raise ValueError(f"there is no permission option kind {kind!r}")


class AcpApprover:
    """An approver that asks the client of an agent, through `session/request_permission`.

    Args:
        request_permission: Sends one request.
        session_id: The session of the protocol that the questions belong to.
        kinds: What is offered. The "always" kinds may be; their names say that they count once.
        tool_call_id: Returns the protocol's id of the call that a question is about; by default a fresh one.
        escalations: What becomes of an escalation that somebody else decides; the client is not asked.

    Raises:
        ValueError: A kind is unknown.
    """

    def __init__(
        self,
        request_permission: RequestPermission,
        *,
        session_id: str,
        kinds: Collection[OptionKind] = ("allow_once", "reject_once"),
        tool_call_id: Callable[[ApprovalRequest], str] = lambda request: uuid4().hex,  # noqa: ARG005 - by keyword
        escalations: Escalations = "defer",
    ) -> None:
        if unknown := [kind for kind in kinds if kind not in _NAMES]:
            raise ValueError(f"there is no permission option kind {unknown[0]!r}")
        self._request = request_permission
        self._session_id = session_id
        self._kinds = tuple(kinds)
        self._tool_call_id = tool_call_id
        self._escalations: Escalations = escalations

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Ask the client.

        Raises:
            ValueError: It chose an option that it was not offered; the question is closed without an answer.
        """
        if (answer := not_ours(request, self._escalations)) is not None:
            return answer
        outcome = field_of(await self._request(self._parameters(request)), "outcome")
        if field_of(outcome, "outcome") == "cancelled":
            return Answer.cancel()
        chosen = field_of(outcome, "optionId", "option_id")
        if field_of(outcome, "outcome") != "selected" or chosen not in self._kinds:
            raise ValueError("the client chose an option that it was not offered")
        return answer_for(chosen)

    def _parameters(self, request: ApprovalRequest) -> dict[str, Any]:
        context = context_of(request)
        lines = [context.title, *([f"The server says: {context.description}"] if context.description else [])]
        return {
            "sessionId": self._session_id,
            "toolCall": {
                "toolCallId": self._tool_call_id(request),
                "title": context.title,
                "kind": "other",
                "status": "pending",
                "rawInput": request.call.payload(),
                "content": [{"type": "content", "content": {"type": "text", "text": line}} for line in lines],
            },
            "options": [{"optionId": kind, "name": _NAMES[kind], "kind": kind} for kind in self._kinds],
        }


def answer_permission(approver: Approver | AskFunction | Desk, **options: Any) -> RequestPermission:
    """Return a function that answers an agent's `session/request_permission` by asking an approver.

    It takes the request's parameters and returns its result. A yes is the agent's option of kind
    `allow_once`, a no that of kind `reject_once`. Where the agent offers only the "always" kind, or nobody
    decides, the result is "cancelled": a person who said yes once has not said it for good.

    Args:
        approver: Asks the person. Questions of parallel calls come one by one.
        options: See `Decider`: `server`, `requester`, `dangerous`, `seconds`, `clock`.
    """
    decider = Decider(approver, **options)

    async def answer(parameters: Any) -> dict[str, Any]:
        offered = _offered(field_of(parameters, "options"))
        try:
            call = _call_of(field_of(parameters, "toolCall", "tool_call"), decider.server)
        except ValueError:
            logger.warning("An agent's permission request was cancelled: what it would do has no JSON form.")
            return _cancelled()
        decision = await decider.decide(call, reason="permission_requested", tool=ToolInfo(call.tool), editable=False)
        wanted = "allow_once" if decision.allowed else "reject_once" if decision.said_no else ""
        if wanted not in offered:
            return _cancelled()
        return {"outcome": {"outcome": "selected", "optionId": offered[wanted]}}

    return answer


def _cancelled() -> dict[str, Any]:
    return {"outcome": {"outcome": "cancelled"}}


def _offered(options: Any) -> dict[str, str]:
    """Return the first option of each kind, by its kind."""
    offered: dict[str, str] = {}
    for option in list(options or ())[:MAX_OPTIONS]:
        kind, its_id = field_of(option, "kind"), field_of(option, "optionId", "option_id")
        if isinstance(kind, str) and isinstance(its_id, str):
            offered.setdefault(kind, its_id)
    return offered


def _call_of(tool_call: Any, server: str) -> ToolCall:
    title = field_of(tool_call, "title")
    tool = title if isinstance(title, str) and title else "a tool without a name"
    given = field_of(tool_call, "rawInput", "raw_input")
    if isinstance(given, Mapping):
        return ToolCall(server, tool, given)
    # Where there is no object of arguments, all else that the agent says of the call is what a person can go by.
    rest = {name: field_of(tool_call, name) for name in ("kind", "content", "locations")} | {"input": given}
    return ToolCall(server, tool, {name: value for name, value in rest.items() if value is not None})
