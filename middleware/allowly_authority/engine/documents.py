"""Policy documents: `allowly.policy.v1`, read as strictly as the public SDK reads them, and their digest.

An edition is immutable: it is named by its policy, its number and the SHA-256 of its canonical form, which the
SDK computes again and compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from allowly_authority.engine import limits
from allowly_authority.engine.canonical import receipt_digest, receipt_json
from allowly_authority.engine.conditions import FLAGS, MEMBERSHIP, ORDERED, OVERLAP, Condition, value_at
from allowly_authority.engine.constraints import GUARDS, ScopeRules, parse_guards
from allowly_authority.engine.policies import PROFILE, STRENGTH, BasicPolicy, Decision, PolicyRule
from allowly_authority.engine.reading import Path, RuleFault, integer_at, list_at, object_at, text_at, word_at

DOCUMENT_PROFILE: Final = "allowly.policy.v1"
OWNER: Final = "agent_owner"
"""The target of every confirmation: the user of the authorization."""

_TYPES: Final[Mapping[str, type]] = {"string": str, "integer": int, "boolean": bool, "null": type(None), "list": list}
_OPERATORS: Final = {"eq": "eq", "ne": "neq", "in": "in", "not_in": "nin"} | {
    name: name for name in (*ORDERED, *OVERLAP, *FLAGS)
}
_GRANT: Final = (
    "enabled_executable_id",
    "provider_id",
    "operation_id",
    "catalog_revision",
    "definition_fingerprint",
    "minimum_evidence_mode",
)
_FINGERPRINT: Final = re.compile(r"sha256:[0-9a-f]{64}")
_MEMBER: Final = re.compile(r"member:(?=.*\S).{1,128}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PolicyReference:
    """Names one edition of a policy."""

    policy_id: str
    policy_version: int
    definition_sha256: str

    def as_json(self) -> dict[str, Any]:
        """Return the three members, as every reply names them."""
        return {
            "policy_id": self.policy_id,
            "policy_version": self.policy_version,
            "definition_sha256": self.definition_sha256,
        }


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A parsed definition.

    Attributes:
        actions: The rules of each action, in the order of the document.
        default_expiry_days: How long an authorization lasts that names no end; `None` where it must.
        sha256: The digest of the canonical form.
        source: The definition itself.
    """

    agent_id: str
    actions: Mapping[str, ScopeRules]
    default_expiry_days: int | None
    sha256: str
    source: Mapping[str, Any]


def parse_document(value: Any) -> PolicyDocument:
    """Read a policy definition.

    Raises:
        RuleFault: It is not one.
    """
    found = object_at(value, (), required=("profile", "agent_id", "actions", "default_expiry_days"))
    try:
        size = len(receipt_json(found))
    except ValueError as error:
        raise RuleFault((), f"has no canonical form: {error}") from None
    if size > limits.MAX_POLICY_BYTES:
        raise RuleFault((), f"must be at most {limits.MAX_POLICY_BYTES} bytes in canonical form")
    _refuse_nul(found, ())
    word_at(found["profile"], ("profile",), [DOCUMENT_PROFILE])
    days = found["default_expiry_days"]
    if days is not None:
        integer_at(days, ("default_expiry_days",), most=limits.MAX_EXPIRY_DAYS)
    agent_id = text_at(found["agent_id"], ("agent_id",), most=128)
    return PolicyDocument(agent_id, _actions(found["actions"]), days, receipt_digest(found), found)


def parse_action(entry: Any, path: Path = ()) -> ScopeRules:
    """Read one action of a definition.

    Raises:
        RuleFault: It is not one.
    """
    found = object_at(entry, path, required=("policy", "guards", "executable_operations"))
    guards_path = (*path, "guards")
    guards = object_at(found["guards"], guards_path, optional=GUARDS)
    for name, value in guards.items():
        if value is None:
            raise RuleFault((*guards_path, name), "must not be null; leave it out")
    _check_operations(found["executable_operations"], (*path, "executable_operations"))
    policy = _policy(found["policy"], (*path, "policy"))
    return ScopeRules(**parse_guards(guards, guards_path), policy=policy, source=found)


def _actions(value: Any) -> dict[str, ScopeRules]:
    actions: dict[str, ScopeRules] = {}
    operations: set[tuple[str, str]] = set()
    for at, entry in enumerate(list_at(value, ("actions",), least=1, most=limits.MAX_POLICY_ACTIONS)):
        rules = parse_action(entry, ("actions", at))
        name = rules.policy.action if rules.policy else ""
        if name in actions:
            raise RuleFault(("actions", at, "policy", "action"), "is there already")
        actions[name] = rules
        for where, grant in enumerate(entry["executable_operations"]):
            identity = (grant["enabled_executable_id"], grant["operation_id"])
            if identity in operations:
                path = ("actions", at, "executable_operations", where)
                raise RuleFault(path, "belongs to another entry already")
            operations.add(identity)
    return actions


def _policy(value: Any, path: Path) -> BasicPolicy:
    found = object_at(value, path, required=("profile", "action", "decision", "target", "fields", "rules"))
    word_at(found["profile"], (*path, "profile"), [PROFILE])
    action = text_at(found["action"], (*path, "action"), most=limits.MAX_ACTION_CHARACTERS)
    if action in STRENGTH:
        raise RuleFault((*path, "action"), "must not be the name of a decision")
    decision, target = _decision(found, path)
    fields = _fields(found["fields"], (*path, "fields"))
    rules: list[PolicyRule] = []
    for at, rule in enumerate(list_at(found["rules"], (*path, "rules"), most=limits.MAX_POLICY_RULES)):
        parsed = _rule(rule, fields, (*path, "rules", at))
        if any(parsed.rule_id == other.rule_id for other in rules):
            raise RuleFault((*path, "rules", at, "id"), "is there already")
        rules.append(parsed)
    return BasicPolicy(action, decision, target, fields, tuple(rules), found)


def _fields(value: Any, path: Path) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > limits.MAX_POLICY_FIELDS:
        raise RuleFault(path, f"must be an object of at most {limits.MAX_POLICY_FIELDS} fields")
    return {
        text_at(name, path, most=limits.MAX_FIELD_CHARACTERS): word_at(declared, (*path, name), _TYPES)
        for name, declared in value.items()
    }


def _rule(value: Any, fields: Mapping[str, str], path: Path) -> PolicyRule:
    found = object_at(value, path, required=("id", "decision", "target", "conditions"))
    rule_id = text_at(found["id"], (*path, "id"), most=128)
    decision, target = _decision(found, path)
    where = (*path, "conditions")
    entries = list_at(found["conditions"], where, least=1, most=limits.MAX_CONDITIONS)
    conditions = tuple(_condition(entry, fields, (*where, at)) for at, entry in enumerate(entries))
    return PolicyRule(rule_id, decision, target, conditions)


def _condition(value: Any, fields: Mapping[str, str], path: Path) -> Condition:
    found = object_at(value, path, required=("field", "op", "value"))
    field = text_at(found["field"], (*path, "field"), most=limits.MAX_FIELD_CHARACTERS)
    declared = fields.get(field)
    if declared is None:
        raise RuleFault((*path, "field"), "is not among the declared fields")
    op = _OPERATORS[word_at(found["op"], (*path, "op"), _OPERATORS)]
    where = (*path, "value")
    if op != "exists" and (declared == "list") != (op in OVERLAP or op == "empty"):
        raise RuleFault((*path, "op"), f"does not compare a field of type {declared}")
    if op in ORDERED and declared != "integer":
        raise RuleFault((*path, "op"), "compares integers only")
    compared = value_at(op, found["value"], where, least=0 if op in MEMBERSHIP else 1)
    if op in {"eq", "neq"} | MEMBERSHIP:
        for item in compared if isinstance(compared, tuple) else (compared,):
            if type(item) is not _TYPES[declared]:
                raise RuleFault(where, f"must be of the declared type, {declared}")
    return Condition(field, op, compared)


def _decision(found: Mapping[str, Any], path: Path) -> tuple[Decision, str | None]:
    decision = cast("Decision", word_at(found["decision"], (*path, "decision"), STRENGTH))
    target, where = found["target"], (*path, "target")
    if decision in {"allow", "deny"} and target is not None:
        raise RuleFault(where, "must be null for allow and deny")
    if decision == "confirm" and target != OWNER:
        raise RuleFault(where, f"must be {OWNER} for confirm")
    if decision == "escalate" and (type(target) is not str or not _MEMBER.fullmatch(target)):
        raise RuleFault(where, "must be member:<id> for escalate, with an id of 1 to 128 characters")
    return decision, target


def _check_operations(value: Any, path: Path) -> None:
    for at, entry in enumerate(list_at(value, path, most=limits.MAX_EXECUTABLE_OPERATIONS)):
        grant = object_at(entry, (*path, at), required=_GRANT)
        for name in _GRANT:
            text_at(grant[name], (*path, at, name), most=128)
        if not _FINGERPRINT.fullmatch(grant["definition_fingerprint"]):
            raise RuleFault((*path, at, "definition_fingerprint"), "must be sha256: and 64 hexadecimal digits")
        word_at(grant["minimum_evidence_mode"], (*path, at, "minimum_evidence_mode"), ["receipt", "witnessed"])


def _refuse_nul(value: Any, path: Path) -> None:
    """Refuse U+0000 anywhere. The depth was bounded before."""
    if isinstance(value, str) and "\x00" in value:
        raise RuleFault(path, "must not hold U+0000")
    if isinstance(value, dict):
        for name, item in value.items():
            _refuse_nul(name, path)
            _refuse_nul(item, (*path, name))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            _refuse_nul(item, (*path, at))
