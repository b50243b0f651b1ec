"""Questions and answers as JSON values and back, without loss: the card built there is the card built here.

What is written holds no nonce and no escalation id, because no question does (G7). Arguments go as the
canonical JSON that they are held in, and the reader makes the call anew and compares its digest (G2).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, cast

from allowly_harness.approvers.attached.fields import Fields
from allowly_harness.approvers.attached.frames import WireError, decode
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import (
    MAX_REASON_CHARACTERS,
    MAX_TTL_SECONDS,
    Answer,
    AnswerKind,
    ApprovalRequest,
    ServerInfo,
    ToolCall,
    ToolInfo,
    Verification,
)

MAX_ROUND: Final = 1_000_000
"""More questions than one call can raise, and more looks at an escalation than one wait can take."""

Asked: TypeAlias = ApprovalRequest | ElicitationRequest
"""What a person is asked."""

Said: TypeAlias = Answer | ElicitationReply
"""What a person said."""

_KINDS: Final[tuple[Literal["confirm", "escalate"], ...]] = ("confirm", "escalate")
_MODES: Final[tuple[Literal["form", "url"], ...]] = ("form", "url")
_ACTIONS: Final[tuple[Literal["accept", "decline", "cancel"], ...]] = ("accept", "decline", "cancel")
_CLOSURES: Final[tuple[Literal["answered", "withdrawn"], ...]] = ("answered", "withdrawn")


def dump_asked(request: Asked) -> dict[str, Any]:
    """Write what a person is asked."""
    if isinstance(request, ElicitationRequest):
        return {"elicitation": _dump_elicitation(request)}
    return {"approval": _dump_approval(request)}


def load_asked(value: object) -> Asked:
    """Read what a person is asked.

    Raises:
        WireError: It is neither, or is not complete, or a digest does not fit its call.
    """
    if isinstance(value, dict) and "elicitation" in value:
        fields = Fields(cast("object", value), "a request")
        asked: Asked = _load_elicitation(fields.fields("elicitation"))
    else:
        fields = Fields(value, "a question")
        asked = _load_approval(fields.fields("approval"))
    fields.end()
    return asked


def _dump_approval(request: ApprovalRequest) -> dict[str, Any]:
    return {
        "kind": request.kind,
        "call": _dump_call(request.call),
        "reason": request.reason,
        "expires_at": request.expires_at.isoformat(),
        "server": _dump_server(request.server),
        "tool": {
            "name": request.tool.name,
            "title": request.tool.title,
            "description": request.tool.description,
            "annotations": request.tool.annotations,
            "input_schema": request.tool.input_schema,
            "output_schema": request.tool.output_schema,
        },
        "prompt_hint": request.prompt_hint,
        "escalation_to": request.escalation_to,
        "round": request.round,
        "verification": request.verification,
        "may_resolve": request.may_resolve,
        "scope": request.scope,
        "note": request.note,
        "requester": request.requester,
        "authorization_id": request.authorization_id,
        "danger": request.danger,
        "edited_from": None if request.edited_from is None else _dump_call(request.edited_from),
        "draft": request.draft,
    }


def _load_approval(fields: Fields) -> ApprovalRequest:
    edited_from = fields.fields_or_none("edited_from")
    request = ApprovalRequest(
        kind=fields.choice("kind", _KINDS),
        call=_load_call(fields.fields("call")),
        reason=fields.text("reason"),
        expires_at=fields.moment("expires_at"),
        server=_load_server(fields.fields("server")),
        tool=_load_tool(fields.fields("tool")),
        prompt_hint=fields.text_or_none("prompt_hint"),
        escalation_to=fields.text_or_none("escalation_to"),
        round=fields.number("round", 1, MAX_ROUND),
        verification=fields.choice("verification", Verification),
        may_resolve=fields.truth("may_resolve"),
        scope=fields.text_or_none("scope"),
        note=fields.text("note"),
        requester=fields.text("requester"),
        authorization_id=fields.text_or_none("authorization_id"),
        danger=fields.text("danger"),
        edited_from=None if edited_from is None else _load_call(edited_from),
        draft=fields.document_or_none("draft"),
    )
    fields.end()
    return request


def _dump_call(call: ToolCall) -> dict[str, Any]:
    return {"server": call.server, "tool": call.tool, "arguments": call.canonical, "digest": call.digest}


def _load_call(fields: Fields) -> ToolCall:
    server, tool, canonical = fields.text("server"), fields.text("tool"), fields.text("arguments")
    digest = fields.text("digest")
    fields.end()
    try:
        call = ToolCall(server, tool, decode(canonical.encode()))
    except ValueError:
        call = None
    # The same text and the same digest, or somebody would be asked about another call than the one that is sent.
    if call is None or call.canonical != canonical or call.digest != digest:
        raise WireError("the arguments of a call are not those that its digest names")
    return call


def _load_tool(fields: Fields) -> ToolInfo:
    tool = ToolInfo(
        fields.text("name"),
        title=fields.text_or_none("title"),
        description=fields.text_or_none("description"),
        annotations=fields.document("annotations"),
        input_schema=fields.document("input_schema"),
        output_schema=fields.document_or_none("output_schema"),
    )
    fields.end()
    return tool


def _dump_server(server: ServerInfo) -> dict[str, Any]:
    return {"name": server.name, "configured": server.configured}


def _load_server(fields: Fields) -> ServerInfo:
    server = ServerInfo(fields.text("name"), fields.text("configured"))
    fields.end()
    return server


def _dump_elicitation(request: ElicitationRequest) -> dict[str, Any]:
    return {
        "server": _dump_server(request.server),
        "message": request.message,
        "mode": request.mode,
        "schema": request.schema,
        "url": request.url,
        "note": request.note,
        "draft": request.draft,
    }


def _load_elicitation(fields: Fields) -> ElicitationRequest:
    request = ElicitationRequest(
        server=_load_server(fields.fields("server")),
        message=fields.text("message"),
        mode=fields.choice("mode", _MODES),
        schema=fields.document("schema"),
        url=fields.text_or_none("url"),
        note=fields.text("note"),
        draft=fields.document_or_none("draft"),
    )
    fields.end()
    return request


def dump_said(said: Said) -> dict[str, Any]:
    """Write what a person said."""
    if isinstance(said, ElicitationReply):
        return {"reply": {"action": said.action, "content": said.content}}
    return {
        "answer": {
            "kind": said.kind,
            "ttl_seconds": said.ttl_seconds,
            "note": said.note,
            "resolved_by": said.resolved_by,
            "reason": said.reason,
            "text": said.text,
            "arguments": said.arguments,
        }
    }


def load_said(value: object) -> Said:
    """Read what a person said.

    Raises:
        WireError: It is no answer and no reply.
    """
    if isinstance(value, dict) and "reply" in value:
        outer = Fields(cast("object", value), "what was said")
        fields = outer.fields("reply")
        said: Said = ElicitationReply(fields.choice("action", _ACTIONS), fields.document_or_none("content"))
    else:
        outer = Fields(value, "what was said")
        fields = outer.fields("answer")
        said = Answer(
            kind=fields.choice("kind", AnswerKind),
            ttl_seconds=fields.number("ttl_seconds", 1, MAX_TTL_SECONDS),
            note=_short(fields.text_or_none("note")),
            resolved_by=_short(fields.text_or_none("resolved_by")),
            reason=_short(fields.text_or_none("reason")),
            text=_short(fields.text_or_none("text")),
            arguments=fields.document_or_none("arguments"),
        )
    fields.end()
    outer.end()
    return said


def _short(text: str | None) -> str | None:
    if text is not None and len(text) > MAX_REASON_CHARACTERS:
        raise WireError(f"a text of an answer is longer than {MAX_REASON_CHARACTERS} characters")
    return text


def dump_status(status: WaitStatus) -> dict[str, Any]:
    """Write how an awaited escalation stands."""
    return {
        "polls": status.polls,
        "last_checked": _moment(status.last_checked),
        "next_check": _moment(status.next_check),
        "problem": status.problem,
        "approvals": status.approvals,
        "approvals_needed": status.approvals_needed,
        "reminder": status.reminder,
    }


def load_status(value: object, into: WaitStatus) -> None:
    """Read how an awaited escalation stands into `into`.

    Raises:
        WireError: It is no such status.
    """
    fields = Fields(value, "a status")
    polls = fields.number("polls", 0, MAX_ROUND)
    last_checked, next_check = fields.moment_or_none("last_checked"), fields.moment_or_none("next_check")
    problem, reminder = fields.text("problem"), fields.text("reminder")
    approvals, needed = fields.number("approvals", 0, MAX_ROUND), fields.number("approvals_needed", 1, MAX_ROUND)
    fields.end()
    into.approvals, into.approvals_needed, into.reminder = approvals, needed, reminder
    into.polls, into.last_checked, into.next_check, into.problem = polls, last_checked, next_check, problem


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def dump_closure(closure: Closure) -> dict[str, Any]:
    """Write why a question was closed."""
    return {"kind": closure.kind, "approved": closure.approved, "by": closure.by, "told": closure.told}


def load_closure(value: object) -> Closure:
    """Read why a question was closed.

    Raises:
        WireError: It is no closure.
    """
    fields = Fields(value, "a closure")
    closure = Closure(
        fields.choice("kind", _CLOSURES), fields.truth("approved"), fields.text_or_none("by"), fields.text("told")
    )
    fields.end()
    return closure


def without_schema(request: ApprovalRequest) -> ApprovalRequest:
    """Return a question without what only an editor needs, for one that is too large to be sent whole."""
    tool = ToolInfo(request.tool.name, title=request.tool.title, description=request.tool.description)
    return replace(request, tool=tool, draft=None)


def deed_of(said: Said) -> str:
    """Say what an answer does, in a few words of ours."""
    return _DEEDS.get(said.kind if isinstance(said, Answer) else said.action, "answered")


_DEEDS: Final = {
    AnswerKind.APPROVE: "approved",
    AnswerKind.DENY: "denied",
    AnswerKind.EDIT: "sent back with other arguments",
    AnswerKind.RESPOND: "answered in place of the tool",
    AnswerKind.DEFER: "left open, and the call ended",
    AnswerKind.WAIT: "left to its approver",
    AnswerKind.ASK_AGAIN: "asked for again",
    AnswerKind.CANCEL: "taken back",
    "accept": "accepted",
    "decline": "declined",
    "cancel": "cancelled",
}
