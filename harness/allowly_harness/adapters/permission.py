"""Approvers out of `can_use_tool` callbacks, as the Claude Agent SDK has them, and such callbacks out of approvers.

The types are structural: nothing of that SDK is imported, and whatever has the fields of its results is one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from allowly_authority.binding import canonical_json
from allowly_harness.adapters.deciding import Decider, Escalations, field_of, not_ours
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.display.sanitize import plain
from allowly_harness.protocol.models import DEFAULT_TTL_SECONDS, Answer, ApprovalRequest, ToolCall, ToolInfo
from allowly_harness.protocol.sentences import quoted

ONLY_ONCE: Final = "a rule for later calls came with a yes; the yes counts for this call only"

_PREFIX: Final = "mcp__"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PermissionContext:
    """What a `can_use_tool` callback is told, by the names of the Claude Agent SDK, and the question itself.

    Texts of the server are made harmless for a terminal; the names of the tool and the server in `title` are ours.

    Attributes:
        request: The question, whole.
        title: The question as one sentence.
        display_name: The tool's title, else its name.
        description: The server's own text for the question, if there is one.
        decision_reason: Why a person is asked: the server's machine code.
        default_to_no: Whether the call is dangerous, so that a yes must not be the easy answer.
        signal: Always `None`: a withdrawn question cancels the callback.
        suggestions: Always empty: there are no rules for later calls.
    """

    request: ApprovalRequest
    title: str
    display_name: str
    description: str | None
    decision_reason: str
    default_to_no: bool
    signal: None = None
    suggestions: list[Any] = field(default_factory=list[Any])
    tool_use_id: str | None = None
    agent_id: str | None = None
    blocked_path: str | None = None


@dataclass(frozen=True, slots=True)
class Allow:
    """A yes; has the fields of the SDK's `PermissionResultAllow`."""

    updated_input: dict[str, Any] | None = None
    updated_permissions: list[Any] | None = None
    behavior: Literal["allow"] = "allow"


@dataclass(frozen=True, slots=True)
class Deny:
    """A no; has the fields of the SDK's `PermissionResultDeny`."""

    message: str = ""
    interrupt: bool = False
    behavior: Literal["deny"] = "deny"


CanUseTool: TypeAlias = Callable[[str, dict[str, Any], Any], Awaitable[Any]]
"""`(tool_name, input, context) -> allow | deny`; mappings with the TypeScript names are results, too."""


def mcp_tool_name(call: ToolCall) -> str:
    """Return a tool's name as the Claude Agent SDK writes those of MCP servers: `mcp__SERVER__TOOL`."""
    return f"{_PREFIX}{call.server}__{call.tool}"


class PermissionApprover:
    """An approver that asks through a `can_use_tool` callback.

    "allow" is a yes to this call, once; `updated_permissions` beside it is not kept, and a line at WARNING
    says so. "allow" with another `updated_input`, or with the input changed in place, is an edit: the new
    call is decided afresh, and the callback is asked again. Whatever is neither "allow" nor "deny" is no answer.
    `interrupt` beside a "deny" is not acted on: stopping the agent is its own program's business.

    Args:
        callback: The callback. A policy in it decides as if it were a person, and is recorded so.
        tool_name: Returns what the callback is told as the tool's name.
        ttl_seconds: How long an approval may be used, 1 to 300 seconds.
        escalations: What becomes of an escalation that somebody else decides; the callback is not asked.
    """

    def __init__(
        self,
        callback: CanUseTool,
        *,
        tool_name: Callable[[ToolCall], str] = mcp_tool_name,
        ttl_seconds: int = DEFAULT_TTL_SECONDS,
        escalations: Escalations = "defer",
    ) -> None:
        self._callback = callback
        self._tool_name = tool_name
        self._yes = Answer.approve(ttl_seconds)
        self._escalations: Escalations = escalations

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Ask the callback.

        Raises:
            TypeError: It returned something that is no answer; the question is closed without one.
        """
        if (answer := not_ours(request, self._escalations)) is not None:
            return answer
        given = request.call.payload()
        said = await self._callback(self._tool_name(request.call), given, context_of(request))
        match field_of(said, "behavior"):
            case "allow":
                return self._allowed(request.call, given, said)
            case "deny":
                message = field_of(said, "message")
                return Answer.deny(message if isinstance(message, str) and message else None)
            case _:
                raise TypeError(f"can_use_tool returned a {type(said).__name__} that is neither allow nor deny")

    def _allowed(self, call: ToolCall, given: dict[str, Any], said: Any) -> Answer:
        if field_of(said, "updated_permissions", "updatedPermissions"):
            logger.warning("%s (tool: %s)", ONLY_ONCE, plain(call.tool))
        updated = field_of(said, "updated_input", "updatedInput")
        arguments = given if updated is None else updated
        if not isinstance(arguments, Mapping):
            raise TypeError(f"can_use_tool returned a {type(arguments).__name__} as the input")
        return self._yes if canonical_json(arguments) == call.canonical else Answer.edit(arguments)


def context_of(request: ApprovalRequest) -> PermissionContext:
    """Return what a `can_use_tool` callback is told about a question."""
    return PermissionContext(
        request=request,
        title=plain(f"{request.server.name} asks whether {request.call.tool} may run"),
        display_name=plain(request.tool.title or request.call.tool),
        description=plain(request.prompt_hint) if request.prompt_hint else None,
        decision_reason=quoted(request.reason),
        default_to_no=bool(request.danger),
    )


def can_use_tool(
    approver: Approver | AskFunction | Desk,
    *,
    allow: Callable[..., Any] = Allow,
    deny: Callable[..., Any] = Deny,
    **options: Any,
) -> CanUseTool:
    """Return a `can_use_tool` callback that asks an approver.

    Args:
        approver: Asks the person. Questions of parallel calls come one by one.
        allow: Makes the yes; the Claude Agent SDK insists on its own `PermissionResultAllow`.
        deny: Makes the no, likewise `PermissionResultDeny`.
        options: See `Decider`: `server`, `requester`, `dangerous`, `seconds`, `clock`.
    """
    decider = Decider(approver, **options)

    async def decide(tool_name: str, given: dict[str, Any], context: Any = None) -> Any:
        try:
            call = _call_of(tool_name, given, decider.server)
        except ValueError as error:
            return deny(message=f"The tool did not run: its arguments cannot be shown: {error}.")
        decision = await decider.decide(
            call,
            reason=_text(context, "decision_reason", "decisionReason") or "permission_requested",
            hint=_text(context, "title"),
            tool=ToolInfo(
                call.tool,
                title=_text(context, "display_name", "displayName"),
                description=_text(context, "description"),
            ),
        )
        # A copy of what was shown: whoever holds the given input cannot change it any more (design G2).
        return allow(updated_input=decision.call.payload()) if decision.allowed else deny(message=decision.message)

    return decide


def _call_of(tool_name: str, given: Mapping[str, Any], server: str) -> ToolCall:
    named, found, tool = tool_name.removeprefix(_PREFIX).partition("__")
    if tool_name.startswith(_PREFIX) and found and named and tool:
        return ToolCall(named, tool, given)
    return ToolCall(server, tool_name, given)


def _text(context: Any, *names: str) -> str | None:
    value = field_of(context, *names)
    return value if isinstance(value, str) and value else None
