"""The rules of a check as a table over plain JSON: first row that applies answers.

Written from the text of the API's contract, sections 2 and 3, and from nothing else: it shares no code with the
authority, and reads the JSON that clients send. Slow and plain on purpose.
"""

from __future__ import annotations

import re
from typing import Any

DAY = 86_400_000
RANK = ["allow", "confirm", "escalate", "deny"]
SAME = {"ne": "neq", "not_in": "nin"}


def answer(grant: dict[str, Any] | None, ask: dict[str, Any], record: dict[str, Any], now: int) -> dict[str, Any]:  # noqa: C901 - a table
    """Answer one check.

    Args:
        grant: `names`, `expires`, `revoked`, `successor`, `confirm`, `escalate`, `deny` (lists of names),
            `constraints` (by name), `policy` (a definition's entries by name), `budget`.
        ask: `name`, `dialect`, `resource`, `context`, `initiator`, `estimate`.
        record: `escalation` ("pending", "approved", "rejected" or None), `confirmed`, `today`, `spent`.
        now: Milliseconds since 1970.
    """
    word, name = ("scope" if ask["dialect"] == "scopes" else "action"), ask["name"]
    absent = "scope_not_authorized" if word == "scope" else "action_not_in_authorization"
    if grant is None:
        return deny("authorization_not_found")
    if grant["revoked"]:
        replaced = grant["successor"] is not None and word == "action"
        return deny("authorization_superseded" if replaced else "authorization_revoked")
    if now >= grant["expires"]:
        return deny("authorization_expired")
    if name not in grant["names"] or not guards_let_pass(grant, ask):
        return deny(absent)
    wants = wishes(grant, ask, word)
    if "deny" in wants:
        return deny(wants["deny"])
    most = guards(grant, name).get("max_per_day")
    if most is not None and record["today"] >= most:
        return deny("rate_limit_exceeded")
    if grant["budget"] is not None and record["spent"] + ask["estimate"] > grant["budget"]:
        return deny("budget_exceeded")
    uses, how = [], f"granted_{word}_active"
    if "escalate" in wants:
        if record["escalation"] == "rejected":
            return deny("escalation_rejected")
        if record["escalation"] != "approved":
            return {"decision": "escalate", "reason": wants["escalate"], "uses": []}
        uses, how = ["escalation"], "granted_via_escalation"
    if "confirm" in wants:
        if not record["confirmed"]:
            return {"decision": "confirm", "reason": wants["confirm"], "uses": []}
        once = re.fullmatch(r"mcp:.+#sha256:[0-9a-f]{64}", ask["resource"] or "", re.DOTALL)
        uses, how = [*uses, *(["confirmation"] if once else [])], "granted_via_confirmation"
    return {"decision": "allow", "reason": f"authorization_{how}", "uses": uses}


def deny(reason: str) -> dict[str, Any]:
    return {"decision": "deny", "reason": reason, "uses": []}


def guards(grant: dict[str, Any], name: str) -> dict[str, Any]:
    entry = grant["policy"].get(name)
    return entry["guards"] if entry else grant["constraints"].get(name, {})


def guards_let_pass(grant: dict[str, Any], ask: dict[str, Any]) -> bool:
    found = guards(grant, ask["name"])
    who = found.get("allowed_initiators")
    if who is not None and ask["initiator"] not in who:
        return False
    pattern = found.get("resource_pattern")
    if pattern is None:
        return True
    if ask["resource"] is None:
        return False
    texts = [ask["resource"]]
    bound = re.fullmatch(r"(mcp:.{1,256})#sha256:[0-9a-f]{64}", ask["resource"], re.DOTALL)
    if bound:
        texts.append(bound.group(1))
    return any(re.fullmatch(as_regex(pattern), text, re.DOTALL) for text in texts)


def as_regex(pattern: str) -> str:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join(".*" if part == "*" else re.escape(part[-1]) for part in parts)


def wishes(grant: dict[str, Any], ask: dict[str, Any], word: str) -> dict[str, str]:
    """What the rules want done, with the reason: several wishes of an inline grant, one of a policy."""
    entry = grant["policy"].get(ask["name"])
    return policy_wish(entry["policy"], ask["context"]) if entry else inline_wishes(grant, ask, word)


def inline_wishes(grant: dict[str, Any], ask: dict[str, Any], word: str) -> dict[str, str]:
    name, rules = ask["name"], grant["constraints"].get(ask["name"], {})
    told = {
        key: [tell(condition, ask["context"]) for condition in rules.get(key) or []]
        for key in ("deny_when", "escalate_when", "confirm_when")
    }
    wants: dict[str, str] = {}
    if "?" in told["deny_when"]:
        wants["confirm"] = "context_field_missing"
    for key, decision in (("escalate_when", "escalate"), ("confirm_when", "confirm")):
        first = next((said for said in told[key] if said != "no"), None)
        if first:
            wants[decision] = f"{decision}_condition_matched" if first == "yes" else "context_field_missing"
    if "yes" in told["deny_when"] or name in grant["deny"]:
        wants["deny"] = "deny_condition_matched"
    if name in grant["escalate"]:
        wants["escalate"] = "escalation_required"
    if name in grant["confirm"]:
        wants["confirm"] = f"{word}_requires_user_confirmation"
    return wants


def policy_wish(policy: dict[str, Any], context: dict[str, Any]) -> dict[str, str]:
    """The strongest of: the action's own decision, and each rule that matches or cannot be told."""
    if policy["decision"] == "deny":
        return {"deny": "deny_condition_matched"}
    by_rule = {
        "deny": "deny_condition_matched",
        "escalate": "escalate_condition_matched",
        "confirm": "condition_requires_user_confirmation",
        "allow": "",
    }
    by_action = {
        "allow": "",
        "confirm": "action_requires_user_confirmation",
        "escalate": "action_requires_escalation",
    }
    # Each candidate: rank, certainty, source, position, decision, reason. The greatest wins.
    own = policy["decision"]
    candidates = [(RANK.index(own), 1, 0, 0, own, by_action[own])]
    for at, rule in enumerate(policy["rules"]):
        told = [tell(condition, context) for condition in rule["conditions"]]
        if "yes" in told:
            decision = rule["decision"]
            candidates.append((RANK.index(decision), 2, 1, -at, decision, by_rule[decision]))
        elif "?" in told and rule["decision"] != "allow":
            decision = "confirm" if rule["decision"] == "deny" else rule["decision"]
            candidates.append((RANK.index(decision), 1, 1, -at, decision, "context_field_missing"))
    best = max(candidates)
    return {best[4]: best[5]} if best[4] != "allow" else {}


def kind(value: Any) -> str:
    kinds = {type(None): "null", bool: "boolean", int: "integer", str: "string", list: "list"}
    return kinds.get(type(value), "other")


def tell(condition: dict[str, Any], context: dict[str, Any]) -> str:
    """Tell whether a condition holds: "yes", "no", or "?" where a field is missing or of another type."""
    field = condition["field"]
    if "op" in condition:
        op, wanted = SAME.get(condition["op"], condition["op"]), condition["value"]
    else:
        op = next(key for key in condition if key != "field")
        wanted = condition[op]
    if op == "exists":
        return "yes" if (field in context) == wanted else "no"
    if field not in context:
        return "?"
    return compare(op, context[field], wanted)


def is_plain_list(value: Any) -> bool:
    return kind(value) == "list" and not any(kind(item) in {"list", "other"} for item in value)


def compare(op: str, actual: Any, wanted: Any) -> str:
    scalar = kind(actual) in {"null", "boolean", "integer", "string"}
    said: bool | None = None
    if op in {"lt", "lte", "gt", "gte"} and kind(actual) == "integer":
        said = {"lt": actual < wanted, "lte": actual <= wanted, "gt": actual > wanted, "gte": actual >= wanted}[op]
    elif op in {"eq", "neq"} and scalar and kind(actual) == kind(wanted):
        said = (actual == wanted) == (op == "eq")
    elif op in {"in", "nin"} and scalar and any(kind(item) == kind(actual) for item in wanted):
        said = any(kind(item) == kind(actual) and item == actual for item in wanted) == (op == "in")
    elif op == "empty" and kind(actual) == "list":
        said = (actual == []) == wanted
    elif op in {"contains_any", "contains_none"} and is_plain_list(actual):
        shared = any(kind(a) == kind(b) and a == b for a in actual for b in wanted)
        said = shared == (op == "contains_any")
    return "?" if said is None else "yes" if said else "no"
