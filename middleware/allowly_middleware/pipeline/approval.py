"""Asking somebody in this process: the callback of `approve=`, its deadline, and what it may answer.

An answer is good for the one call that it was asked about. Everything that is not a plain yes is a no.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import anyio
import anyio.to_thread

from allowly_authority.binding import canonical_json, digest_of_strings
from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.outcomes import Refusal

logger = logging.getLogger(__name__)

APPROVAL_TIMEOUT_SECONDS: Final = 300.0
"""How long an approval may take by default, in seconds. Nobody's answer is a no."""

MAX_APPROVAL_TIMEOUT_SECONDS: Final = 24 * 60 * 60.0
"""Longest such limit that may be set, in seconds."""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What somebody is asked to approve.

    Attributes:
        facts: The call. Its arguments are a copy: changing them changes nothing.
        digest: Stands for this operation, server, target, these arguments and this subject, and nothing else.
        reason: Why somebody is asked, as a code.
        message: Why, for people.
        approver: Who should say yes; `None` for the user.
        expires_at: When the answer comes too late.
    """

    facts: CallFacts
    digest: str
    reason: str
    message: str
    approver: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Approve:
    """Yes, to this one call.

    Attributes:
        by: Who said so.
    """

    by: str | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """No.

    Attributes:
        reason: Why, for the model and for people.
        by: Who said so.
    """

    reason: str = "The call was not approved."
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """Not yet: the caller is told where to look, and makes the same call again.

    Attributes:
        id: Names the approval for whoever decides it.
        url: Where it is decided.
        reason: For the model and for people.
        expires_at: Until when it can be decided.
    """

    id: str
    url: str | None = None
    reason: str = "The call waits for an approval. Make the same call again when it is approved."
    expires_at: datetime | None = None


ApprovalAnswer = bool | Approve | Deny | Pending
ApproveFn = Callable[[ApprovalRequest], ApprovalAnswer | Awaitable[ApprovalAnswer]]
"""Asked about one call. A synchronous one runs in a thread, so it may block."""


class ApprovalAnswers:
    """Builds the answers of an `approve=` callback: `ctx.approval.deny("too much")`."""

    approve = Approve
    deny = Deny
    pending = Pending


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of asking.

    Attributes:
        refusal: Why the call must not run; `None` for a yes.
        event: "decided", "pending" or "expired".
        by: Who said so, if that is known.
    """

    refusal: Refusal | None
    event: str = "decided"
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks a callback within a deadline.

    Attributes:
        approve: The callback.
        timeout_seconds: How long it may take.
    """

    approve: ApproveFn
    timeout_seconds: float = field(default=APPROVAL_TIMEOUT_SECONDS)

    def __post_init__(self) -> None:
        """Refuse a limit that is none.

        Raises:
            ValueError: The limit is not above 0 and at most a day.
            TypeError: The callback is none.
        """
        if not callable(self.approve):
            raise TypeError("approve must be a function of one ApprovalRequest")
        if not 0 < self.timeout_seconds <= MAX_APPROVAL_TIMEOUT_SECONDS:
            raise ValueError(f"approve_timeout_seconds must be above 0 and at most {MAX_APPROVAL_TIMEOUT_SECONDS:.0f}")

    async def ask(self, request: ApprovalRequest) -> Decided:
        """Ask about one call. Nothing is raised but cancellation."""
        try:
            with anyio.fail_after(self.timeout_seconds):
                return _decided(await self._answer(request))
        except TimeoutError:
            return Decided(_no("Nobody answered in time. The call was not run.", "approval_timed_out"), "expired")
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody said yes
            logger.error("asking for an approval ended in %s; the call was not run", type(error).__name__)  # noqa: TRY400 - its text may hold secrets
            return Decided(_no("Nobody could be asked. The call was not run.", "approval_unavailable"), "expired")

    async def _answer(self, request: ApprovalRequest) -> object:
        call = getattr(self.approve, "__call__", None)  # noqa: B004 - looked at, not tested
        if inspect.iscoroutinefunction(self.approve) or inspect.iscoroutinefunction(call):
            answer: object = self.approve(request)
        else:
            answer = await anyio.to_thread.run_sync(self.approve, request, abandon_on_cancel=True)
        return await answer if inspect.isawaitable(answer) else answer


def digest_of_call(facts: CallFacts, arguments_json: str) -> str:
    """Return what an approval is bound to, as 64 hexadecimal digits.

    Args:
        facts: The call.
        arguments_json: Its arguments in the form that `canonical_json` writes.
    """
    subject = facts.subject
    # An approval for somebody who has proved who they are is none for somebody who only says the same name.
    who = ("proved" if subject.authenticated else "claimed", subject.tenant or "", subject.id or "")
    return digest_of_strings(str(facts.operation), facts.server, facts.target or "", *who, arguments_json)


def request_of(
    facts: CallFacts, reason: str, message: str, approver: str | None, timeout_seconds: float
) -> ApprovalRequest:
    """Return the question about a call.

    Raises:
        ValueError: The arguments have no JSON form.
    """
    arguments_json = canonical_json({} if facts.arguments is None else facts.arguments)
    until = datetime.now(UTC) + timedelta(seconds=timeout_seconds)
    return ApprovalRequest(facts, digest_of_call(facts, arguments_json), reason, message, approver, until)


def _decided(answer: object) -> Decided:
    match answer:
        case True:
            return Decided(None)
        case Approve(by=by):
            return Decided(None, by=by)
        case Deny(reason=reason, by=by):
            return Decided(Refusal(reason, by="person", reason="denied_by_person"), by=by)
        case Pending():
            return Decided(_pending(answer), "pending")
        case False:
            return Decided(Refusal(Deny().reason, by="person", reason="denied_by_person"))
        case _:
            logger.error("the approve= callback answered with a %s; the call was not run", type(answer).__name__)
            return Decided(_no("Nobody could be asked. The call was not run.", "approval_unavailable"), "expired")


def _pending(pending: Pending) -> Refusal:
    told: Mapping[str, Any] = {
        "status": "pending",
        "request_id": pending.id,
        "url": pending.url,
        "expires_at": None if pending.expires_at is None else pending.expires_at.astimezone(UTC).isoformat(),
    }
    return Refusal(pending.reason, by="approval", reason="approval_pending", payload=told, told=told)


def _no(message: str, reason: str) -> Refusal:
    return Refusal(message, by="approval", reason=reason)
