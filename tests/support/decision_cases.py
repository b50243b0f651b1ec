"""Generated grants, checks and records for the decision model, as plain JSON, and the way into its own values."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from allowly_authority.binding import bound_resource
from allowly_authority.engine import (
    Authorization,
    Circumstances,
    Grant,
    Lists,
    PolicyReference,
    Prompt,
    Standing,
    parse_constraints,
    parse_document,
    read_authorization,
    rules_text,
)

DAY = 86_400_000
NOW = 1_800_000_000_000
NAMES = ("read", "send")
BOUND = bound_resource("send", '{"n":1}')
RESOURCES = (None, "", "mailbox:7", "mcp:send", BOUND, bound_resource("read", "{}"))
PATTERNS = ("*", "mcp:*", "mcp:send", "mcp:*#sha256:*", "mail*:7", r"mailbox\:7", "mcp:s*d*", BOUND)
INITIATORS = ("gate-1", "gate-2", None)

scalars = st.sampled_from([0, 1, 5, -1, True, False, None, "", "a", "b", "1"])
fields = st.sampled_from(["amount", "to", "tags"])
values = scalars | st.sampled_from([[], ["a"], ["a", 1], [True, None]])
odd_values = values | st.sampled_from([1.5, {"k": 1}, [["a"]], 2**60])
contexts = st.dictionaries(fields, values, max_size=3)
odd_contexts = st.dictionaries(fields, odd_values, max_size=3)
a_few = st.lists(scalars, min_size=1, max_size=3)
numbers = st.sampled_from([0, 1, 5, -1])

comparisons = st.one_of(
    st.tuples(st.sampled_from(["eq", "neq"]), scalars),
    st.tuples(st.sampled_from(["lt", "lte", "gt", "gte"]), numbers),
    st.tuples(st.sampled_from(["in", "nin", "contains_any", "contains_none"]), a_few),
    st.tuples(st.sampled_from(["exists", "empty"]), st.booleans()),
)
conditions = st.builds(lambda name, pair: {"field": name, pair[0]: pair[1]}, fields, comparisons)
condition_lists = st.lists(conditions, max_size=3)
guards = st.fixed_dictionaries(
    {},
    optional={
        "resource_pattern": st.sampled_from(PATTERNS),
        "allowed_initiators": st.sampled_from([["gate-1"], ["gate-1", "gate-2"]]),
        "max_per_day": st.integers(1, 3),
    },
)
seldom_guards = st.just({}) | guards
constraints = st.builds(
    lambda limits, lists: limits | lists,
    seldom_guards,
    st.fixed_dictionaries(
        {}, optional={"deny_when": condition_lists, "escalate_when": condition_lists, "confirm_when": condition_lists}
    ),
)

TARGETS = {"allow": None, "deny": None, "confirm": "agent_owner", "escalate": "member:ada"}
DECLARED = {"amount": "integer", "to": "string", "tags": "list"}
policy_conditions = st.one_of(
    st.builds(
        lambda op, value: {"field": "amount", "op": op, "value": value},
        st.sampled_from(["eq", "ne", "lt", "lte", "gt", "gte"]),
        numbers,
    ),
    st.builds(
        lambda op, value: {"field": "to", "op": op, "value": value},
        st.sampled_from(["in", "not_in"]),
        st.lists(st.sampled_from(["a", "b", "1"]), min_size=1, max_size=2),
    ),
    st.builds(
        lambda op, value: {"field": "tags", "op": op, "value": value},
        st.sampled_from(["contains_any", "contains_none"]),
        a_few,
    ),
    st.builds(lambda value: {"field": "tags", "op": "empty", "value": value}, st.booleans()),
    st.builds(lambda name, value: {"field": name, "op": "exists", "value": value}, fields, st.booleans()),
)
decisions = st.sampled_from(["allow", "allow", "confirm", "escalate", "deny"])


@st.composite
def policy_entries(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """One action of a policy."""
    own = draw(decisions)
    rules = [
        {"id": f"r{at}", "decision": decision, "target": TARGETS[decision], "conditions": found}
        for at, (decision, found) in enumerate(
            draw(st.lists(st.tuples(decisions, st.lists(policy_conditions, min_size=1, max_size=2)), max_size=3))
        )
    ]
    policy = {"profile": "allowly.basic.v1", "action": name, "decision": own, "target": TARGETS[own]}
    policy |= {"fields": DECLARED, "rules": rules}
    return {"policy": policy, "guards": draw(seldom_guards), "executable_operations": []}


some_names = st.sets(st.sampled_from(NAMES), max_size=2).map(sorted) | st.just([])


@st.composite
def grants(draw: st.DrawFn, *, ended: bool = True, of_policy: bool | None = None) -> dict[str, Any]:
    """A grant: inline rules or a policy, with or without a budget, alive or ended."""
    of_policy = draw(st.booleans()) if of_policy is None else of_policy
    revoked = ended and draw(st.integers(0, 9)) == 0
    return {
        "names": list(NAMES),
        "expires": NOW + (draw(st.sampled_from([9 * DAY, 9 * DAY, 9 * DAY, 0, 1, -1])) if ended else 9 * DAY),
        "revoked": revoked,
        "successor": draw(st.sampled_from([None, "auth_2"])) if revoked else None,
        "confirm": [] if of_policy else draw(some_names),
        "escalate": [] if of_policy else draw(some_names),
        "deny": [] if of_policy else draw(some_names if draw(st.integers(0, 4)) == 0 else st.just([])),
        "constraints": {} if of_policy else draw(st.dictionaries(st.sampled_from(NAMES), constraints, max_size=2)),
        "policy": {name: draw(policy_entries(name)) for name in NAMES} if of_policy else {},
        "budget": draw(st.sampled_from([None, None, 0, 5, 10])),
    }


lively = st.fixed_dictionaries(
    {
        "names": st.just(list(NAMES)),
        "expires": st.just(NOW + 9 * DAY),
        "revoked": st.just(False),
        "successor": st.none(),
        "confirm": st.sampled_from([[], ["send"], ["send"]]),
        "escalate": st.sampled_from([[], [], ["send"]]),
        "deny": st.just([]),
        "constraints": st.sampled_from(
            [
                {},
                {"send": {"max_per_day": 1}},
                {"send": {"max_per_day": 2}},
                {"send": {"confirm_when": [{"field": "amount", "exists": True}]}},
                {"send": {"deny_when": [{"field": "amount", "gt": 1}]}},
                {"send": {"escalate_when": [{"field": "to", "nin": ["a"]}]}},
            ]
        ),
        "policy": st.just({}),
        "budget": st.sampled_from([None, None, 10]),
    }
)
"""Grants under which the same check is asked about, allowed and used up again and again."""


def asks(found: st.SearchStrategy[dict[str, Any]] = contexts) -> st.SearchStrategy[dict[str, Any]]:
    """Checks."""
    return st.fixed_dictionaries(
        {
            "name": st.sampled_from([*NAMES, *NAMES, *NAMES, "other"]),
            "dialect": st.sampled_from(["scopes", "actions"]),
            "resource": st.sampled_from(RESOURCES),
            "context": found,
            "initiator": st.sampled_from(INITIATORS),
            "estimate": st.integers(0, 6),
        }
    )


records = st.fixed_dictionaries(
    {
        "escalation": st.sampled_from([None, "pending", "approved", "rejected"]),
        "confirmed": st.booleans(),
        "today": st.integers(0, 3),
        "spent": st.integers(0, 12),
    }
)


def built(grant: dict[str, Any]) -> Authorization:
    """Turn a grant into the model's own value, on the way that a stored one takes."""
    rules, reference = {}, None
    if grant["policy"]:
        entries = list(grant["policy"].values())
        definition = {"profile": "allowly.policy.v1", "agent_id": "mail-bot", "actions": entries}
        document = parse_document(definition | {"default_expiry_days": None})
        rules, reference = dict(document.actions), PolicyReference("mail", 1, document.sha256)
    for name, found in grant["constraints"].items():
        rules[name] = parse_constraints(found)
    lists = Lists(frozenset(grant["confirm"]), frozenset(grant["escalate"]), frozenset(grant["deny"]))
    fresh = Grant(
        "actions",
        "usr_7",
        "mail-bot",
        tuple(grant["names"]),
        grant["expires"],
        lists,
        rules,
        grant["budget"],
        reference,
    ).authorization("auth_1", grant["expires"] - 1)
    row = {"authorization_id": "auth_1", "dialect": "actions", "user_id": "usr_7", "agent_id": "mail-bot"}
    stored = read_authorization(
        **row, rules=rules_text(fresh, {}), created_ms=fresh.created_ms, expires_ms=fresh.expires_ms, revoked_ms=None
    )
    assert stored == fresh
    revoked = NOW - 1 if grant["revoked"] else None
    return dataclasses.replace(stored, revoked_ms=revoked, superseded_by=grant["successor"])


def circumstances(ask: dict[str, Any]) -> Circumstances:
    """Turn a check into the model's own value."""
    return Circumstances(ask["resource"], ask["context"], ask["initiator"], ask["estimate"])


def prompt(kind: Any, state: Any, resource: str | None, now: int) -> Prompt:
    """A question on record, in a state."""
    return Prompt(
        prompt_id=f"{kind}_1",
        kind=kind,
        dialect="actions",
        authorization_id="auth_1",
        scope="send",
        resource=resource,
        state=state,
        created_ms=now - 10,
        expires_ms=now + 10,
        single_use=kind == "escalate" or (resource or "").count("#sha256:") > 0,
        escalation_to=None,
        source_receipt_id="rcp_1",
        grant_expires_ms=now + 10 if state == "approved" else None,
    )


def standing(record: dict[str, Any], ask: dict[str, Any], now: int) -> Standing:
    """Turn a record into the model's own value."""
    escalation = record["escalation"] and prompt("escalate", record["escalation"], ask["resource"], now)
    confirmed = prompt("confirm", "approved", ask["resource"], now) if record["confirmed"] else None
    return Standing(escalation, confirmed, record["today"], record["spent"])
