"""Helpers for tests, ours and yours: a script for a conversation, a person, and an authority.

`Playbook` drives a flow by hand and compares what it asks for with what you expect. `ScriptedApprover`
is a person who answers from a list. `FakeAuthority` is an authority in memory, for faults that a real
one cannot be made to show; where no fault is needed, use `allowly_authority.embedded`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal, Self, TypeAlias

from allowly_harness.protocol.effects import Effect, Record
from allowly_harness.protocol.flow import ApprovalFlow, Ended
from allowly_harness.protocol.lifecycle import Lifecycle
from allowly_harness.protocol.models import Answer, ApprovalRequest


class PlaybookError(AssertionError):
    """The flow asked for something else than the script says."""


class Playbook:
    """Drives an approval flow step by step, without a clock, a socket or a screen.

    `expect` names the next effect; `reply` answers it; `end` returns how the flow ended. Steps that are
    only written down (`Record`) are answered on the way and kept in `records`. Every step is also put
    through the life-cycle table, as the real driver does.

        book = Playbook(approval_flow(call, server=server))
        book.expect(Invoke(call)).reply(blocked).expect_type(Lookup).reply(record)
    """

    def __init__(self, flow: ApprovalFlow) -> None:
        self._flow = flow
        self._life = Lifecycle()
        self._ended: Ended | None = None
        self.records: list[Record] = []
        self.effect: Effect[Any] | None = None
        self._advance(lambda: next(flow))

    def expect(self, effect: Effect[Any]) -> Self:
        """Demand that the open effect equals `effect`."""
        if self.effect != effect:
            raise PlaybookError(f"expected {effect!r}, but the flow asked for {self._open()!r}")
        return self

    def expect_type(self, kind: type[Effect[Any]]) -> Self:
        """Demand that the open effect is of one kind."""
        if not isinstance(self.effect, kind):
            raise PlaybookError(f"expected {kind.__name__}, but the flow asked for {self._open()!r}")
        return self

    def reply(self, value: Any) -> Self:
        """Answer the open effect and run on to the next one."""
        if self.effect is None:
            raise PlaybookError(f"nothing is open; the flow ended with {self._ended!r}")
        self._life.after(self.effect, value)
        self._advance(lambda: self._flow.send(value))
        return self

    def end(self) -> Ended:
        """Return how the flow ended; it must have."""
        if self._ended is None:
            raise PlaybookError(f"the flow has not ended; it asks for {self.effect!r}")
        return self._ended

    def _open(self) -> Effect[Any] | Ended | None:
        return self.effect if self.effect is not None else self._ended

    def _advance(self, step: Callable[[], Effect[Any]]) -> None:
        try:
            effect = step()
            while isinstance(effect, Record):
                self.records.append(effect)
                effect = self._flow.send(None)
        except StopIteration as stop:
            self.effect, self._ended = None, stop.value
            return
        self._life.before(effect)
        self.effect = effect


Reaction: TypeAlias = Answer | Callable[[ApprovalRequest], Answer]


class ScriptedApprover:
    """A person who answers from a list, and remembers what was asked.

    Args:
        answers: One for each question, in order: an answer, or a function of the request. When the
            list is empty, nobody is there.
    """

    def __init__(self, *answers: Reaction) -> None:
        self._answers = list(answers)
        self.requests: list[ApprovalRequest] = []

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Return the next answer."""
        self.requests.append(request)
        if not self._answers:
            return Answer.unattended()
        answer = self._answers.pop(0)
        return answer(request) if callable(answer) else answer


@dataclass
class FakeAuthority:
    """An authority in memory with the methods that a session uses.

    Put an exception into `faults` under a method's name to have that method raise it; it is raised
    once for each time it stands there.

    Attributes:
        prompts: The record of each question, by nonce or escalation id.
        posted: Every answer that arrived: (id, what was said).
        faults: Method name to the exceptions that it raises next.
    """

    prompts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    posted: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    faults: dict[str, list[Exception]] = field(default_factory=dict[str, list[Exception]])
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def issue(
        self,
        prompt_id: str,
        *,
        kind: Literal["confirm", "escalate"] = "confirm",
        scope: str = "",
        resource: str | None = None,
        seconds: float = 300,
        escalation_to: str | None = None,
    ) -> None:
        """Record a question, as a check would."""
        self.prompts[prompt_id] = {
            "kind": kind,
            "authorization_id": "auth_fake",
            "scope": scope,
            "resource": resource,
            "status": "pending",
            "expires_at": self.clock() + timedelta(seconds=seconds),
            "escalation_to": escalation_to,
            "resolved_by": None,
            "note": None,
        }

    def answer_elsewhere(self, prompt_id: str, status: str, *, by: str | None = None, note: str | None = None) -> None:
        """Decide a question as another session would; nothing stands in `posted`."""
        self.prompts[prompt_id].update(status=status, resolved_by=by, note=note)

    def fail(self, method: str, *errors: Exception) -> None:
        """Have `method` raise each of `errors`, one a call."""
        self.faults.setdefault(method, []).extend(errors)

    def _raise(self, method: str) -> None:
        waiting: Iterable[Exception] = self.faults.get(method, [])
        for error in list(waiting)[:1]:
            self.faults[method].pop(0)
            raise error

    async def lookup_prompt(self, *, nonce: str | None = None, escalation_id: str | None = None) -> Any:
        """Return the record of a question."""
        from allowly_authority.errors import PromptUnknown

        self._raise("lookup_prompt")
        found = self.prompts.get(nonce or escalation_id or "")
        if found is None:
            raise PromptUnknown("this authority never issued it")
        return SimpleNamespace(**found, now=self.clock())

    async def settle_confirmation(
        self, nonce: str, *, approved: bool, ttl_seconds: int = 60, idempotency_key: str | None = None
    ) -> Any:
        """Take in the answer to a confirmation."""
        del idempotency_key, ttl_seconds
        self.posted.append((nonce, "approved" if approved else "denied"))
        self._raise("settle_confirmation")
        self._decide(nonce, "approved" if approved else "rejected")
        return SimpleNamespace(decision="approved" if approved else "denied")

    async def resolve_escalation(
        self, escalation_id: str, *, resolution: str, resolved_by: str, note: str | None = None
    ) -> Any:
        """Take in the answer to an escalation."""
        del note, resolved_by
        self.posted.append((escalation_id, resolution))
        self._raise("resolve_escalation")
        self._decide(escalation_id, resolution)
        return SimpleNamespace(status=resolution)

    async def escalation_status(self, escalation_id: str) -> Any:
        """Return where an escalation stands."""
        self._raise("escalation_status")
        return SimpleNamespace(status=self.prompts[escalation_id]["status"], approvals=0, approvals_needed=1)

    async def show_call(self, **given: Any) -> None:
        """Take no call: an authority need not.

        Raises:
            LookupUnsupported: Always.
        """
        from allowly_authority.errors import LookupUnsupported

        del given
        raise LookupUnsupported("this authority takes no calls")

    async def pending(self, **given: Any) -> Any:
        """List nothing: an authority need not.

        Raises:
            LookupUnsupported: Always.
        """
        from allowly_authority.errors import LookupUnsupported

        del given
        raise LookupUnsupported("this authority lists no questions")

    async def watch_prompts(self, **given: Any) -> AsyncGenerator[Any]:
        """Tell nothing: an authority need not.

        Raises:
            LookupUnsupported: Always.
        """
        from allowly_authority.errors import LookupUnsupported

        del given
        raise LookupUnsupported("this authority has no stream")
        yield  # what makes this a stream

    def _decide(self, prompt_id: str, status: str) -> None:
        from allowly_authority.errors import PromptGone

        found = self.prompts.get(prompt_id)
        if found is None or found["status"] != "pending":
            raise PromptGone("the question is no longer valid")
        found["status"] = status
