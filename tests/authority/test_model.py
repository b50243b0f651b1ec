"""The authority against a small pure model: any sequence of requests, ticks and restarts agrees with it.

The model is written from the rules of the API, not from the code: a list of questions, each with one
state. After every step the database itself is checked for what must never happen.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from allowly_authority.binding import bound_resource
from allowly_authority.engine import ANYBODY
from allowly_authority.service.authority import Authority
from allowly_authority.service.problems import ApiProblem
from allowly_authority.store.database import open_database
from allowly_authority.store.statements import Statement, word
from allowly_authority.store.tables import prompts, receipts
from allowly_authority.wire.creation import CreateInline
from allowly_authority.wire.policies import SettleBudgetRequest
from allowly_authority.wire.requests import (
    CheckRequest,
    LookupRequest,
    ResolveRequest,
    RevokeRequest,
    SettleRequest,
)
from allowly_authority.wire.scalars import format_timestamp
from allowly_authority.workspace import Location

KEY = "allowly_test_key_0123456789abcdef"
RESOURCES = [None, bound_resource("send", '{"n":1}')]
SCOPES = {
    "read": (),
    "send": ("confirm",),
    "delete": ("escalate",),
    "wire": ("escalate", "confirm"),
    "never": ("deny",),
    "rare": ("twice a day",),
    "seldom": ("twice a day", "confirm"),
}
STATES = Statement(sa.select(prompts.c.prompt_id, prompts.c.state, prompts.c.consumed_ms))
CLAIMS = Statement(
    sa.select(receipts.c.prompt_id, sa.func.count())
    .where(receipts.c.event == word("check"), receipts.c.decision == word("allow"), receipts.c.prompt_id.is_not(None))
    .group_by(receipts.c.prompt_id)
)
TERMINAL = {"rejected", "expired", "consumed", "cancelled"}


@dataclass
class Asked:
    """One question, as the model sees it."""

    kind: str
    authorization: str
    scope: str
    resource: str | None
    handle: str
    expires: float
    state: str = "pending"
    usable_until: float = 0.0

    @property
    def once(self) -> bool:
        return self.kind == "escalate" or (self.resource or "").startswith("mcp:")


class AuthorityMachine(RuleBasedStateMachine):
    authorizations = Bundle("authorizations")
    nonces = Bundle("nonces")

    def __init__(self, location: Location) -> None:
        super().__init__()
        self.location = location

    @initialize(target=authorizations)
    def begin(self) -> str:
        self.empty()
        self.now = 1_800_000_000.0
        self.runner = asyncio.Runner()
        self.open()
        self.expiry: dict[str, float] = {}
        self.revoked: set[str] = set()
        self.allowed: Counter[tuple[str, str, int]] = Counter()
        self.asked: list[Asked] = []
        self.keys: dict[str, tuple[Any, dict[str, Any], float]] = {}
        self.seen: dict[str, str] = {}
        self.purse = self.authorize_purse()
        self.costs: dict[str, tuple[int, bool]] = {}
        return self.authorize(5000)

    def authorize_purse(self) -> str:
        body = {"user_id": "u", "agent_id": "a", "scopes": ["buy"], "expires_at": "2100-01-01T00:00:00Z"}
        request = CreateInline.model_validate(body | {"budget_limit_micros": 20})
        return self.runner.run(self.authority.create(request, None, ANYBODY))["authorization_id"]

    @rule(cost=st.integers(0, 9))
    def buy(self, cost: int) -> None:
        """A budget is the sum of what was reserved or, once it is known, spent."""
        request = CheckRequest(authorization_id=self.purse, scopes=["buy"], estimated_cost_micros=cost)
        result = self.runner.run(self.authority.check(request, None, ANYBODY))["results"]["buy"]
        spent = sum(amount for amount, _ in self.costs.values())

        assert result["decision"] == ("allow" if spent + cost <= 20 else "deny")
        assert result["budget"]["spent_micros"] == spent
        if result["decision"] == "allow":
            self.costs[result["receipt"]["receipt_id"]] = (cost, False)

    @precondition(lambda self: self.costs)
    @rule(back=st.integers(0, 5), actual=st.integers(0, 12))
    def settle_cost(self, back: int, actual: int) -> None:
        receipt = list(self.costs)[-1 - back % len(self.costs)]
        request = SettleBudgetRequest(check_receipt_id=receipt, actual_cost_micros=actual)
        outcome = self.problem(self.authority.settle_budget(request, None, ANYBODY))
        if self.costs[receipt][1]:
            assert outcome == 409
            return
        self.costs[receipt] = (actual, True)
        assert outcome["spent_after_micros"] == sum(amount for amount, _ in self.costs.values())

    def open(self) -> None:
        self.database = open_database(self.location)
        self.authority = Authority(self.database, workspace_key=KEY, base_url="http://x", clock=lambda: self.now)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()
            self.database.close()

    def empty(self) -> None:
        """Every program begins with an empty database."""
        if isinstance(self.location, Path):
            for path in self.location.parent.glob(f"{self.location.name}*"):
                path.unlink()
            return
        open_database(self.location).close()
        with psycopg.connect(self.location.text) as link:
            link.execute(
                "TRUNCATE authorizations, budgets, daily_counts, policies, reservations, prompts, prompt_calls, "
                "receipts, replies RESTART IDENTITY"
            )

    def problem(self, coroutine: Any) -> Any:
        try:
            return self.runner.run(coroutine)
        except ApiProblem as problem:
            return problem.status

    @rule(target=authorizations, hours=st.integers(1, 100))
    def another_authorization(self, hours: int) -> str:
        return self.authorize(hours)

    @rule(target=authorizations, authorization=authorizations, hours=st.integers(1, 100))
    def replacement(self, authorization: str, hours: int) -> str:
        """A new authorization takes the place of one that stands, and of no other."""
        return self.authorize(hours, replaces=authorization)

    def authorize(self, hours: int, replaces: str | None = None) -> str:
        request = CreateInline.model_validate(
            {
                "user_id": "usr_7",
                "agent_id": "mail-bot",
                "scopes": [
                    {"name": name, "constraints": {"max_per_day": 2} if "twice a day" in rules else None}
                    for name, rules in SCOPES.items()
                ],
                "replaces": replaces,
                "requires_confirm_for": [name for name, rules in SCOPES.items() if "confirm" in rules],
                "requires_escalation_for": [name for name, rules in SCOPES.items() if "escalate" in rules],
                "requires_deny_for": ["never"],
                "expires_at": format_timestamp(int((self.now + hours * 3600) * 1000)),
            }
        )
        reply = self.problem(self.authority.create(request, None, ANYBODY))
        if replaces in self.revoked:
            assert reply == 409
            return replaces
        created = reply["authorization_id"]
        if replaces is not None:
            self.end(replaces)
        self.expiry[created] = self.now + hours * 3600
        return created

    @rule(
        target=nonces,
        authorization=authorizations,
        scope=st.sampled_from(["send", "delete", "wire", "rare", *SCOPES, "other"]),
        resource=st.sampled_from(RESOURCES),
    )
    def check(self, authorization: str, scope: str, resource: str | None) -> str:
        return self.ask(authorization, scope, resource)

    @precondition(lambda self: self.asked)
    @rule(target=nonces, back=st.integers(1, 4), times=st.integers(1, 2))
    def check_again(self, back: int, times: int) -> str:
        """The retry after an answer, or instead of one."""
        question = self.asked[-min(back, len(self.asked))]
        for _ in range(times):
            handle = self.ask(question.authorization, question.scope, question.resource)
        return handle

    @rule(
        target=nonces,
        authorization=authorizations,
        scope=st.sampled_from(["send", "delete", "wire"]),
        resource=st.sampled_from(RESOURCES),
        yes=st.sampled_from([True, True, False]),
        pause=st.sampled_from([0, 0, 0, 59, 60, 61, 299, 300]),
    )
    def converse(self, authorization: str, scope: str, resource: str | None, yes: bool, pause: float) -> str:
        """A whole course: asked, answered, perhaps late, and tried until the approval is used up."""
        for _ in range(2 if scope == "wire" else 1):
            self.ask(authorization, scope, resource)
            if self.asked:
                self.answer(1, yes, 60)
        self.now += pause
        self.ask(authorization, scope, resource)
        return self.ask(authorization, scope, resource)

    @precondition(lambda self: self.asked)
    @rule(back=st.integers(1, 4), yes=st.booleans(), ttl=st.integers(1, 300))
    def answer(self, back: int, yes: bool, ttl: int) -> None:
        """The usual course: one of the last questions is answered by whom it is for."""
        question = self.asked[-min(back, len(self.asked))]
        if question.kind == "confirm":
            self.settle_one(question.handle, yes, ttl)
        else:
            self.resolve_one(question.handle, "approved" if yes else "rejected", "compliance-1")

    def ask(self, authorization: str, scope: str, resource: str | None, key: str | None = None) -> str:
        request = CheckRequest(authorization_id=authorization, scopes=[scope], resource=resource)
        whole = self.runner.run(self.authority.check(request, key, ANYBODY))
        if key is not None and scope != "read":
            self.keys[key] = (request, whole, self.now)
        reply = whole["results"][scope]
        expected, used = self.expected(authorization, scope, resource)

        assert reply["decision"] == expected
        for question in used:
            question.state = "consumed"
        self.allowed[authorization, scope, self.now // 86400] += expected == "allow"
        if expected == "confirm":
            nonce = reply["confirm_nonce"]
            assert all(question.handle != nonce for question in self.asked)
            self.asked.append(Asked("confirm", authorization, scope, resource, nonce, self.now + 300))
            return nonce
        if expected == "escalate":
            raised = self.open_escalation(authorization, scope, resource)
            if raised is None:
                handle = reply["escalation_id"]
                self.asked.append(Asked("escalate", authorization, scope, resource, handle, self.now + 86400))
            else:
                assert reply["escalation_id"] == raised.handle
            return reply["escalation_id"]
        return "unknown"

    def matching(self, kind: str, authorization: str, scope: str, resource: str | None) -> list[Asked]:
        wanted = (kind, authorization, scope, resource)
        return [a for a in self.asked if (a.kind, a.authorization, a.scope, a.resource) == wanted]

    def open_escalation(self, authorization: str, scope: str, resource: str | None) -> Asked | None:
        found = [
            question
            for question in self.matching("escalate", authorization, scope, resource)
            if question.state in {"pending", "approved", "rejected"} and question.expires > self.now
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def expected(self, authorization: str, scope: str, resource: str | None) -> tuple[str, list[Asked]]:
        refused = authorization in self.revoked or self.expiry[authorization] <= self.now
        if refused or scope not in SCOPES or "deny" in SCOPES[scope]:
            return "deny", []
        used: list[Asked] = []
        if "twice a day" in SCOPES[scope] and self.allowed[authorization, scope, self.now // 86400] >= 2:
            return "deny", []
        if "escalate" in SCOPES[scope]:
            raised = self.open_escalation(authorization, scope, resource)
            if raised is None or raised.state == "pending":
                return "escalate", []
            if raised.state == "rejected":
                return "deny", []
            used.append(raised)
        if "confirm" in SCOPES[scope]:
            live = [
                question
                for question in self.matching("confirm", authorization, scope, resource)
                if question.state == "approved" and question.usable_until > self.now
            ]
            if not live:
                return "confirm", []
            first = min(live, key=lambda question: question.usable_until)
            if first.once:
                ties = [question for question in live if question.usable_until == first.usable_until]
                used.append(self.which_was_used(ties))
        return "allow", used

    def which_was_used(self, ties: list[Asked]) -> Asked:
        """Among grants that end together any may be taken; ask the authority which one it was."""
        for question in ties:
            if self.runner.run(self.authority.look_up(LookupRequest(nonce=question.handle)))["status"] == "consumed":
                return question
        raise AssertionError("an allow without a claim")

    @rule(handle=nonces, approved=st.booleans(), ttl=st.integers(1, 300))
    def settle(self, handle: str, approved: bool, ttl: int) -> None:
        self.settle_one(handle, approved, ttl)

    def settle_one(self, handle: str, approved: bool, ttl: int) -> None:
        outcome = self.problem(
            self.authority.settle(handle, SettleRequest(approved=approved, ttl_seconds=ttl), None, ANYBODY)
        )
        question = next((a for a in self.asked if a.handle == handle and a.kind == "confirm"), None)
        if question is None or question.state != "pending" or question.expires <= self.now:
            assert outcome == 410
            return
        question.state = "approved" if approved else "rejected"
        question.usable_until = self.now + ttl
        assert outcome["decision"] == ("approved" if approved else "denied_by_user")

    @rule(
        handle=nonces,
        resolution=st.sampled_from(["approved", "rejected"]),
        by=st.sampled_from(["compliance-1", "usr_7", "mail-bot"]),
    )
    def resolve(self, handle: str, resolution: Any, by: str) -> None:
        self.resolve_one(handle, resolution, by)

    def resolve_one(self, handle: str, resolution: Any, by: str) -> None:
        request = ResolveRequest(resolution=resolution, resolved_by=by)
        outcome = self.problem(self.authority.resolve(handle, request, ANYBODY))
        question = next((a for a in self.asked if a.handle == handle and a.kind == "escalate"), None)
        if question is None:
            assert outcome == 404
        elif by != "compliance-1" and resolution == "approved":
            assert outcome == 422
        elif question.state == "pending" and question.expires > self.now:
            question.state, question.usable_until = resolution, question.expires
            assert outcome["status"] == resolution
            assert outcome["receipt"] is not None
        elif question.state in {"pending", "cancelled", "expired"}:
            assert outcome == 410
        elif (question.state == "rejected") == (resolution == "rejected"):
            assert outcome["receipt"] is None
        else:
            assert outcome == 409

    @precondition(lambda self: len(self.expiry) > 2)
    @rule(authorization=authorizations)
    def revoke(self, authorization: str) -> None:
        """I13: from here on nothing is allowed, which `check` goes on to try."""
        reply = self.problem(self.authority.revoke(authorization, RevokeRequest(), None, ANYBODY))
        if authorization in self.revoked:
            assert reply == 409
            return
        mine = self.end(authorization)
        live = [a for a in mine if a.kind == "confirm" and a.state == "approved" and a.usable_until > self.now]

        assert len(reply["revoked_confirmations"]) == len(live)

    def end(self, authorization: str) -> list[Asked]:
        self.revoked.add(authorization)
        mine = [question for question in self.asked if question.authorization == authorization]
        for question in mine:
            if question.state == "pending":
                question.state = "expired" if question.expires <= self.now else "cancelled"
        return mine

    @rule(
        target=nonces,
        authorization=authorizations,
        scope=st.sampled_from(["send", "delete", "wire"]),
        resource=st.sampled_from(RESOURCES),
        key=st.sampled_from(["k1", "k2"]),
    )
    def check_under_a_key(self, authorization: str, scope: str, resource: str | None, key: str) -> str:
        """The same request repeats its reply, whatever was answered since; another one is refused."""
        first = self.keys.get(key)
        if first is None or first[2] + 86400 <= self.now:
            return self.ask(authorization, scope, resource, key)
        request = CheckRequest(authorization_id=authorization, scopes=[scope], resource=resource)
        self.repeat(request, key)
        return "unknown"

    @precondition(lambda self: self.keys)
    @rule(key=st.sampled_from(["k1", "k2"]))
    def repeat_under_a_key(self, key: str) -> None:
        """I14: a repetition asks nothing and uses up nothing, which the other rules would notice."""
        first = self.keys.get(key)
        if first is not None and first[2] + 86400 > self.now:
            self.repeat(first[0], key)

    def repeat(self, request: CheckRequest, key: str) -> None:
        first = self.keys[key]
        outcome = self.problem(self.authority.check(request, key, ANYBODY))
        refused = request.authorization_id in self.revoked or self.expiry[request.authorization_id] <= self.now
        if first[0] != request:
            assert outcome == 409
        elif refused and first[1]["results"][request.names[0]]["decision"] == "allow":
            assert outcome["results"][request.names[0]]["decision"] == "deny"
        else:
            assert outcome == first[1]

    @rule(authorization=authorizations, resource=st.sampled_from(RESOURCES), key=st.sampled_from(["k1", "k2"]))
    def check_a_plain_scope_under_a_key(self, authorization: str, resource: str | None, key: str) -> None:
        """What the rules alone decide is decided anew, whatever the key was used for."""
        self.ask(authorization, "read", resource, key)

    @rule(seconds=st.sampled_from([0.001, 1, 29, 60, 300, 86399]))
    def tick(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def restart(self) -> None:
        """I11: nothing comes back to life because the program was started again."""
        self.database.close()
        self.open()

    @invariant()
    def states_only_move_forward(self) -> None:
        """I2, I3, I4: one answer per question, one use per approval, none after a refusal."""
        if not hasattr(self, "database"):
            return
        rows = self.runner.run(self.database.read(lambda db: db.rows(STATES)))
        claims = self.runner.run(self.database.read(lambda db: db.rows(CLAIMS)))
        assert all(count == 1 for _, count in claims)
        for prompt_id, state, consumed_ms in rows:
            before = self.seen.get(prompt_id, "pending")
            assert before in {state, "pending"} or (before, state) in {
                ("approved", "consumed"),
                ("approved", "expired"),
                ("rejected", "expired"),
            }
            assert before not in {"consumed", "cancelled", "expired"} or before == state
            assert (consumed_ms is not None) == (state == "consumed")
            self.seen[prompt_id] = state

    @invariant()
    def the_record_agrees_with_the_model(self) -> None:
        for question in getattr(self, "asked", [])[-20:]:
            request = (
                LookupRequest(nonce=question.handle)
                if question.kind == "confirm"
                else LookupRequest(escalation_id=question.handle)
            )
            status = self.runner.run(self.authority.look_up(request))["status"]
            if question.state == "pending":
                assert status == ("expired" if question.expires <= self.now else "pending")
            elif question.state == "approved":
                assert status in {"approved", "cancelled", "expired"}
            else:
                assert status in {question.state, "expired"}


def test_any_program_agrees_with_the_model(location):
    # Each step of a program takes several times as long where a server is asked.
    examples, steps = (25, 50) if isinstance(location, Path) else (12, 40)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )

    run_state_machine_as_test(partial(AuthorityMachine, location), settings=chosen)
