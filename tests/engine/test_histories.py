"""Whole histories: checks, answers, settlements and time, decided by the model and by the table side by side.

The desk below keeps records as the authority's service must: what `needs` names is looked up, and what a verdict
claims, counts, reserves or asks is written down. The table keeps records of its own, in plain JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from decision_cases import BOUND, DAY, NAMES, NOW, RESOURCES, built, circumstances, contexts, grants, lively
from decision_table import answer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from allowly_authority.engine import (
    CONFIRMATION_LIFE_MS,
    ESCALATION_LIFE_MS,
    Prompt,
    Reservation,
    Settlement,
    Standing,
    Verdict,
    day_of,
    decide,
    needs,
    question_of,
    settle,
)

WINDOW = 60_000


@dataclass
class Desk:
    """The model with a memory."""

    grant: dict[str, Any]
    prompts: list[tuple[str, Prompt]] = field(default_factory=list)
    days: dict[tuple[str, int], int] = field(default_factory=dict)
    spent: int = 0
    reservations: list[Reservation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.authorization = built(self.grant)

    def check(self, ask: dict[str, Any], now: int) -> Verdict:
        asked, name = circumstances(ask), ask["name"]
        question = question_of(self.authorization, "auth_1", name, ask["dialect"], asked)
        wanted = needs(self.authorization, name)
        standing = Standing(
            self.found(question.binding, "escalate", now) if wanted.prompts else None,
            self.found(question.binding, "confirm", now) if wanted.prompts else None,
            self.days.get((name, day_of(now)), 0) if wanted.usage else None,
            self.spent if wanted.budget else None,
        )
        verdict = decide(self.authorization, name, ask["dialect"], standing, now, asked=asked)
        for claim in verdict.claims:
            self.change(claim, state="consumed")
        if verdict.count_up_to is not None:
            self.days[name, day_of(now)] = self.days.get((name, day_of(now)), 0) + 1
        if verdict.reserve_micros is not None:
            self.spent += verdict.reserve_micros
            self.reservations.append(Reservation(f"rcp_{len(self.reservations)}", "auth_1", verdict.reserve_micros))
        if verdict.open_prompt:
            self.open(question.binding, ask, verdict, now, single=question.single_use)
        return verdict

    def found(self, binding: str, kind: str, now: int) -> Prompt | None:
        mine = [prompt for key, prompt in self.prompts if key == binding and prompt.kind == kind]
        if kind == "escalate":
            alive = {"pending", "approved", "rejected"}
            return next((p for p in mine if p.state in alive and p.expires_ms > now), None)
        usable = [prompt for prompt in mine if prompt.is_usable_at(now)]
        return min(usable, key=lambda prompt: prompt.grant_expires_ms or 0, default=None)

    def open(self, binding: str, ask: dict[str, Any], verdict: Verdict, now: int, *, single: bool) -> None:
        confirm = verdict.decision == "confirm"
        prompt = Prompt(
            prompt_id=f"p{len(self.prompts)}",
            kind="confirm" if confirm else "escalate",
            dialect=ask["dialect"],
            authorization_id="auth_1",
            scope=ask["name"],
            resource=ask["resource"],
            state="pending",
            created_ms=now,
            expires_ms=now + (CONFIRMATION_LIFE_MS if confirm else ESCALATION_LIFE_MS),
            single_use=single or not confirm,
            escalation_to=verdict.target,
            source_receipt_id="rcp",
        )
        self.prompts.append((binding, prompt))

    def answer_last(self, now: int, *, yes: bool) -> str | None:
        """Answer the last question that is open, and return what kind it was."""
        pending = [prompt for _, prompt in self.prompts if prompt.state_at(now) == "pending"]
        if not pending:
            return None
        until = now + WINDOW if pending[-1].kind == "confirm" else pending[-1].expires_ms
        self.change(pending[-1], state="approved" if yes else "rejected", grant_expires_ms=until if yes else None)
        return pending[-1].prompt_id

    def change(self, prompt: Prompt, **changes: Any) -> None:
        self.prompts = [
            (key, replace(found, **changes) if found.prompt_id == prompt.prompt_id else found)
            for key, found in self.prompts
        ]

    def settle(self, at: int, actual: int) -> Settlement | str:
        found = self.reservations[at] if at < len(self.reservations) else None
        settled = settle(found, actual, self.spent)
        if isinstance(settled, Settlement):
            self.spent += settled.delta_micros
            self.reservations[at] = replace(settled.reservation, actual_micros=actual)
        return settled


class Ledger:
    """The table with a memory of its own: a list of questions as dictionaries, and a list of what happened."""

    def __init__(self, grant: dict[str, Any]) -> None:
        self.grant, self.asked, self.allowed = grant, [], []

    def check(self, ask: dict[str, Any], now: int) -> dict[str, Any]:
        reads = bool(self.grant["policy"]) or any(
            key.endswith("_when") and rules for key, rules in self.grant["constraints"].get(ask["name"], {}).items()
        )
        context = ask["context"] if ask["dialect"] == "actions" or reads else None
        about = [ask["name"], ask["resource"], repr(sorted((context or {}).items())), context is None]
        mine = [question for question in self.asked if question["about"] == about]
        escalation = next((q for q in mine if q["kind"] == "escalate" and q["until"] > now and not q["used"]), None)
        grants_ = [q for q in mine if q["kind"] == "confirm" and not q["used"] and q.get("usable", 0) > now]
        record = {
            "escalation": escalation and escalation["state"],
            "confirmed": bool(grants_),
            "today": sum(1 for name, at, _ in self.allowed if name == ask["name"] and at // DAY == now // DAY),
            "spent": sum(cost for _, _, cost in self.allowed),
        }
        said = answer(self.grant, ask, record, now)
        for used in said["uses"]:
            found = escalation if used == "escalation" else min(grants_, key=lambda q: q["usable"])
            found["used"] = True
        if said["decision"] == "allow":
            self.allowed.append([ask["name"], now, ask["estimate"] if self.grant["budget"] is not None else 0])
        new = said["decision"] == "confirm" or (said["decision"] == "escalate" and escalation is None)
        if new:
            life = 300_000 if said["decision"] == "confirm" else DAY
            question = {"kind": said["decision"], "about": about, "state": "pending", "until": now + life}
            self.asked.append(question | {"used": False})
        return said

    def answer_last(self, now: int, *, yes: bool) -> bool:
        pending = [q for q in self.asked if q["state"] == "pending" and q["until"] > now]
        if pending:
            pending[-1]["state"] = "approved" if yes else "rejected"
            if yes and pending[-1]["kind"] == "confirm":
                pending[-1]["usable"] = now + WINDOW
        return bool(pending)


sends = st.deferred(lambda: checks.map(lambda ask: ask | {"name": "send", "resource": BOUND}))
checks = st.fixed_dictionaries(
    {
        "do": st.just("check"),
        "name": st.sampled_from(NAMES),
        "dialect": st.sampled_from(["scopes", "actions"]),
        "resource": st.sampled_from(RESOURCES[2:5]),
        "context": contexts,
        "initiator": st.just("gate-1"),
        "estimate": st.integers(0, 4),
    }
)
again = st.fixed_dictionaries({"do": st.just("again"), "pause": st.sampled_from([0, 0, 0, 1, WINDOW - 1, WINDOW])})
resource_again = st.fixed_dictionaries({"do": st.just("again"), "resource": st.sampled_from(RESOURCES[2:5])})
context_again = st.fixed_dictionaries({"do": st.just("again"), "context": contexts})
steps = st.one_of(
    checks,
    again,
    again,
    again,
    resource_again,
    context_again,
    context_again,
    *(st.fixed_dictionaries({"do": st.just("answer"), "yes": st.just(yes)}) for yes in (True, True, True, False)),
    st.fixed_dictionaries({"do": st.just("wait"), "pause": st.sampled_from([1, 299_999, 300_000, DAY - 1, DAY])}),
    st.fixed_dictionaries({"do": st.just("settle"), "at": st.integers(0, 3), "actual": st.integers(0, 4)}),
)


ASKED = {"do": "check", "name": "send", "dialect": "actions", "resource": BOUND, "context": {}, "initiator": "gate-1"}
CONFIRMED = {"names": list(NAMES), "expires": NOW + DAY, "revoked": False, "successor": None, "confirm": ["send"]}
CONFIRMED |= {"escalate": [], "deny": [], "constraints": {}, "policy": {}, "budget": None}
AGAIN = {"do": "again", "pause": 0}


@example(grant=CONFIRMED, first=ASKED | {"estimate": 0}, program=[{"do": "answer", "yes": True}, AGAIN, AGAIN])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    grant=lively | grants(ended=False),
    first=checks | checks.map(lambda ask: ask | {"name": "send", "resource": BOUND}),
    program=st.lists(steps, max_size=25),
)
def test_a_history_goes_as_the_table_says(grant, first, program) -> None:
    """Days end, windows close, approvals are used up, budgets run out: both memories agree at every step."""
    desk, ledger, now, ask = Desk(grant), Ledger(grant), NOW, first
    for step in [first, *program]:
        now += step.get("pause", 0)
        if step["do"] == "answer":
            assert (desk.answer_last(now, yes=step["yes"]) is not None) == ledger.answer_last(now, yes=step["yes"])
        elif step["do"] == "settle":
            settled = desk.settle(step["at"], step["actual"])
            if isinstance(settled, Settlement):
                ledger.allowed[step["at"]][2] = step["actual"]
        elif step["do"] != "wait":
            ask = {**ask, **{name: value for name, value in step.items() if name not in {"do", "pause"}}}
            verdict, said = desk.check(ask, now), ledger.check(ask, now)
            assert (verdict.decision, verdict.reason) == (said["decision"], said["reason"])
        if grant["budget"] is not None:
            assert desk.spent == sum(cost for _, _, cost in ledger.allowed)
    for (name, _), count in desk.days.items():
        rules = desk.authorization.rules[name]
        assert rules.max_per_day is not None
        assert count <= rules.max_per_day
