"""Votes against a small pure model: any program of answers, checks and ticks goes as the model says.

The model is written from the rules of the API, not from the code: who asked, who has approved, and one state.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from allowly_authority.engine import ANYBODY, Principal
from allowly_authority.service.authority import Authority
from allowly_authority.service.problems import ApiProblem
from allowly_authority.store.database import open_database
from allowly_authority.wire.creation import CreateInline
from allowly_authority.wire.requests import CheckRequest, ResolveRequest

DAY = 86400
ADDRESSED = ("ada", "bob", "cara", "usr_7")
OUTSIDERS = ("lea", "gate-2")
SIGNED = ("ada", "member:bob", "dora")
PEOPLE = {name: Principal(name, frozenset({"approver"}), frozenset({"compliance"})) for name in ADDRESSED}
PEOPLE |= {"lea": Principal("lea", frozenset({"approver"}), frozenset({"legal"}))}
PEOPLE |= {"gate-2": Principal("gate-2", frozenset({"gate"}))}
GATES = {name: Principal(name, frozenset({"gate"})) for name in ("gate-1", *ADDRESSED)}
BODY = {
    "user_id": "usr_7",
    "agent_id": "mail-bot",
    "scopes": ["pay"],
    "expires_at": "2100-01-01T00:00:00Z",
    "requires_escalation_for": ["pay"],
    "escalation_targets": {"pay": "compliance"},
}

voters = st.sampled_from([*ADDRESSED[:3], *ADDRESSED, *OUTSIDERS, *(f"workspace as {name}" for name in SIGNED)])
yes = st.tuples(st.just("approved"), voters)
steps = st.one_of(
    yes,
    yes,
    yes,
    st.tuples(st.just("rejected"), voters),
    st.tuples(st.just("check"), st.sampled_from(["gate-1", *ADDRESSED[:2]])),
    st.tuples(st.just("tick"), st.sampled_from([1, DAY - 2, DAY])),
)


@dataclass
class Question:
    """One escalation, as the model sees it."""

    quorum: int
    expires: float
    asked_by: set[str]
    approved_by: list[tuple[str, str]] = field(default_factory=list)
    state: str = "pending"

    def is_open(self, now: float) -> bool:
        return self.state != "used" and self.expires > now

    def answer(self, resolution: str, key: str, person: str, now: float) -> int | tuple[str, int]:
        """Return the status of a refusal, or how the question stands and how many have approved it."""
        if key in OUTSIDERS:
            return 403
        if resolution == "approved" and person in self.asked_by:
            return 422 if key == "workspace" else 403
        if self.state == "pending" and self.expires <= now:
            return 410
        if self.state != "pending":
            return self.told() if (self.state == "rejected") == (resolution == "rejected") else 409
        if resolution == "rejected":
            self.state = "rejected"
        elif all(key != other_key and person != other for other_key, other in self.approved_by):
            # Whoever asked since they approved does not count any more.
            self.approved_by = [vote for vote in self.approved_by if not self.asked_by & set(vote)]
            self.approved_by.append((key, person))
            self.state = "approved" if len(self.approved_by) == self.quorum else "pending"
        return self.told()

    def told(self) -> tuple[str, int]:
        return "approved" if self.state == "used" else self.state, len(self.approved_by)


class Desk:
    """The authority and the model beside it, asked the same."""

    def __init__(self, runner: asyncio.Runner, database: Any, begins: Iterator[float], quorum: int) -> None:
        self.runner, self.quorum, self.now = runner, quorum, next(begins)
        self.authority = Authority(database, workspace_key="k" * 32, base_url="http://x", clock=lambda: self.now)
        body = CreateInline.model_validate(BODY | {"quorum_for": {"pay": quorum}})
        self.authorization = runner.run(self.authority.create(body, None, ANYBODY))["authorization_id"]
        self.ids: list[str] = []
        self.check("gate-1")

    def check(self, gate: str) -> None:
        request = CheckRequest(authorization_id=self.authorization, scopes=["pay"], resource=None)
        reply = self.runner.run(self.authority.check(request, None, GATES[gate]))["results"]["pay"]
        alive = bool(self.ids) and self.question.is_open(self.now)
        expected = (
            {"pending": "escalate", "approved": "allow", "rejected": "deny"}[self.question.state] if alive else None
        )

        assert reply["decision"] == (expected or "escalate")
        if expected is None:
            assert reply["escalation_id"] not in self.ids
            self.ids.append(reply["escalation_id"])
            self.question = Question(self.quorum, self.now + DAY, {"usr_7", "mail-bot", gate})
        elif expected == "escalate":
            assert reply["escalation_id"] == self.ids[-1]
            self.question.asked_by.add(gate)
        elif expected == "allow":
            self.question.asked_by.add(gate)
            self.question.state = "used"

    def answer(self, resolution: Any, who: str) -> None:
        key, _, name = who.partition(" as ")
        person = (name or key).removeprefix("member:")
        request = ResolveRequest(resolution=resolution, resolved_by=name or None)
        try:
            sent = self.authority.resolve(self.ids[-1], request, PEOPLE.get(key, ANYBODY))
            reply = self.runner.run(sent)
            outcome = reply["status"], reply["approvals"]
        except ApiProblem as problem:
            outcome = problem.status

        assert outcome == self.question.answer(resolution, key, person, self.now)


@pytest.fixture
def opened(location) -> Iterator[tuple[asyncio.Runner, Any, Iterator[float]]]:
    database = open_database(location)
    with asyncio.Runner() as runner:
        # No clock runs backwards: each program begins later than the one before it can have ended.
        yield runner, database, itertools.count(1_900_000_000.0, 20 * DAY)
    database.close()


TWO = [("approved", "ada"), ("approved", "bob"), ("check", "gate-1"), ("check", "gate-1")]
LATE = [("approved", "ada"), ("check", "ada"), ("approved", "bob"), ("approved", "cara"), ("check", "gate-1")]
ENDED = [("approved", "ada"), ("tick", DAY), ("approved", "bob"), ("check", "gate-1"), ("approved", "bob")]
SIGNING = [("approved", "workspace as dora"), ("approved", "workspace as ada"), ("approved", "ada")]
REFUSED = [("approved", "ada"), ("rejected", "ada"), ("approved", "bob"), ("check", "gate-1")]


@example(quorum=2, program=TWO)
@example(quorum=2, program=LATE)
@example(quorum=2, program=ENDED)
@example(quorum=3, program=SIGNING)
@example(quorum=2, program=REFUSED)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(quorum=st.integers(2, 3), program=st.lists(steps, max_size=12))
def test_any_program_of_votes_agrees_with_the_model(opened, quorum, program) -> None:
    """G1, G5, G11: so many different people as are needed, none of whom asked, before anything is allowed."""
    desk = Desk(*opened, quorum)
    for what, value in program:
        if what == "tick":
            desk.now += value
        elif what == "check":
            desk.check(value)
        else:
            desk.answer(what, value)
