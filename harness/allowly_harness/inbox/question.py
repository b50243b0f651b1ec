"""One question opened: the call behind it, proved by the digest on record, and the record as it stands now."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from allowly_authority.binding import is_bound_resource
from allowly_authority.errors import LookupUnsupported, PromptUnknown
from allowly_authority.strict_json import StrictJSONError, parse_json
from allowly_harness.display.escalated import NOT_SHOWN, EscalatedRequest
from allowly_harness.inbox.verdicts import how_it_ended
from allowly_harness.inbox.written import Written
from allowly_harness.performing.danger import danger_of
from allowly_harness.protocol.models import ServerInfo, ToolCall, ToolInfo, Verification
from allowly_harness.protocol.wire import ESCALATION_LIFE

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_authority.wire.replies import PromptDescription

MAX_SERVER_CHARACTERS: Final = 100
"""The longest name that an asker gives its server."""

_DIGEST: Final = "#sha256:"


class QuestionClosed(Exception):
    """The question has ended; the text says how.

    Attributes:
        status: Its state on record.
        by: Who decided it, where the record says so.
    """

    def __init__(self, status: str, by: str | None = None) -> None:
        super().__init__(how_it_ended(status, by))
        self.status = status
        self.by = by


class QuestionRefused(Exception):
    """The question is not put to anybody, because what is known of it does not fit together; the text says why."""


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question as it was shown. Made by `AuthorityInbox.question`, never by hand.

    Attributes:
        prompt_id: Its id.
        item: As it stood in the list.
        request: What an approver is asked.
        written: What the journal is told of it.
    """

    prompt_id: str
    item: PromptItem
    request: EscalatedRequest
    written: Written = field(repr=False, compare=False)

    def is_about(self, found: PromptDescription) -> bool:
        """Tell whether a record is that of the question which was shown."""
        request = self.request
        return found.kind == "escalate" and (request.authorization_id, request.scope, request.resource) == (
            found.authorization_id,
            found.scope,
            found.resource,
        )


async def read_request(
    authority: AuthorityClient, item: PromptItem, *, now: datetime, dangerous: Collection[str] = (), may_decide: bool
) -> EscalatedRequest:
    """Read the call behind a question, and last of all the record, right before it is shown.

    Args:
        authority: Where it waits.
        item: An escalation, as it stands in the list.
        now: This computer's clock, aware.
        dangerous: Patterns of calls that want a typed word; see `danger_of`.
        may_decide: Whether it is answered here.

    Raises:
        QuestionClosed: It has ended.
        QuestionRefused: What was handed in is not what the record is about, or the list is not.
        AuthorityError: There is no answer; see its kinds.
    """
    call = await _call_behind(authority, item)
    try:
        found = await authority.lookup_prompt(escalation_id=item.escalation_id)
    except PromptUnknown:
        raise QuestionClosed("unknown") from None
    if found.status != "pending":
        raise QuestionClosed(found.status, found.resolved_by)
    if (found.authorization_id, found.scope, found.resource) != (item.authorization_id, item.scope, item.resource):
        raise QuestionRefused("the list and the record of the authority contradict each other; nobody is asked")
    tool_call = proved(call, found.resource)
    left = min(max(found.expires_at - found.now, timedelta()), ESCALATION_LIFE)
    known = tool_call or ToolCall("", _named(found.resource) or found.scope, {})
    bound = is_bound_resource(found.resource)
    return EscalatedRequest(
        kind="escalate",
        call=known,
        reason="",
        expires_at=now + left,
        server=ServerInfo(known.server),
        tool=ToolInfo(known.tool),
        escalation_to=found.escalation_to,
        verification=Verification.MATCHED if bound else Verification.UNBOUND,
        may_resolve=may_decide,
        scope=found.scope,
        authorization_id=found.authorization_id,
        danger=danger_of(known, ToolInfo(known.tool), dangerous) if tool_call is not None else NOT_SHOWN,
        user_id=item.user_id,
        agent_id=item.agent_id,
        resource=found.resource,
        shown=tool_call is not None,
        approvals=found.approvals,
        approvals_needed=found.approvals_needed,
        approved_by=tuple(item.approved_by),
    )


class GivenCall(Protocol):
    """A call as whoever asks has handed it in: its tool, its arguments as canonical JSON, their name for the server."""

    @property
    def tool(self) -> str:
        """The tool's name."""
        ...

    @property
    def canonical(self) -> str:
        """The arguments as canonical JSON; not proved yet."""
        ...

    @property
    def server(self) -> str:
        """What the asker calls the server; proved by nothing."""
        ...


async def _call_behind(authority: AuthorityClient, item: PromptItem) -> GivenCall | None:
    if not is_bound_resource(item.resource):
        return None
    try:
        return await authority.call_behind(item.prompt_id)
    except LookupUnsupported:
        return None


def proved(shown: GivenCall | None, resource: str | None) -> ToolCall | None:
    """Return the call that was handed in, if the digest on record is its own; `None` where none was.

    Raises:
        QuestionRefused: Another call was handed in, or something that is none.
    """
    if shown is None:
        return None
    try:
        arguments = parse_json(shown.canonical.encode())
        if not isinstance(arguments, dict):
            raise ValueError("no object")  # noqa: TRY004, TRY301 - one error for all that is no call
        call = ToolCall(shown.server[:MAX_SERVER_CHARACTERS], shown.tool, cast("dict[str, Any]", arguments))
    except (StrictJSONError, ValueError):
        raise QuestionRefused("what was handed in as the call is none; nobody is asked") from None
    if call.resource != resource:
        raise QuestionRefused(
            "the call that was handed in is not the one that the authority was asked about; nobody is asked"
        )
    return call


def _named(resource: str | None) -> str | None:
    """Return the tool that a resource names, whatever its arguments."""
    if resource is None or not is_bound_resource(resource):
        return None
    return resource.removeprefix("mcp:").rpartition(_DIGEST)[0]
