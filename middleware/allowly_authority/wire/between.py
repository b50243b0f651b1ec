"""What JSON Schema cannot learn from the types of the models: rules between members, and the form of a policy.

The models refuse what breaks these rules; this only says so in the published description. Where a rule has no form in
JSON Schema either, such as that a list names only what another member holds, the text of a model tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from allowly_authority.engine import limits
from allowly_authority.engine.conditions import FLAGS, ORDERED, OVERLAP
from allowly_authority.engine.documents import DOCUMENT_PROFILE, OWNER
from allowly_authority.engine.policies import PROFILE
from allowly_authority.wire.creation import CreateFromBundle, CreateFromPolicy, CreateInline
from allowly_authority.wire.policies import PolicyCreateRequest, SettleBudgetRequest
from allowly_authority.wire.requests import MAX_AUTHORIZATION_NAMES, CheckRequest, LookupRequest
from allowly_authority.wire.scalars import MAX_CHECK_NAMES

_NULL: Final = {"type": "null"}
_CLOSED: Final = {"additionalProperties": _NULL}
_SCALAR: Final = {"type": ["string", "integer", "boolean", "null"]}
_COMPARABLE: Final = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "maxItems": limits.MAX_CONDITION_VALUES}]}
_OPERATORS: Final = ("eq", "ne", "in", "not_in", *sorted(ORDERED), *sorted(OVERLAP), *sorted(FLAGS))


def _either(one: str, other: str, form: Mapping[str, Any]) -> dict[str, Any]:
    """Exactly one of two members is there, and not null."""
    return {
        "oneOf": [
            {"required": [one], "properties": {one: dict(form), other: _NULL}},
            {"required": [other], "properties": {other: dict(form), one: _NULL}},
        ]
    }


def _names(most: int, *, different: bool) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "maxItems": most} | ({"uniqueItems": True} if different else {})


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _decided(**others: Any) -> dict[str, Any]:
    """An object that decides, with the target that each decision needs."""
    targets = {
        "confirm": {"const": OWNER},
        "escalate": {"type": "string", "pattern": r"^member:\S{1,128}$"},
    }
    plain = _object(decision={"enum": ["allow", "deny"]}, target=_NULL, **others)
    asking = [_object(decision={"const": word}, target=target, **others) for word, target in targets.items()]
    return {"oneOf": [plain, *asking]}


_CONDITION: Final = _object(field=_text(limits.MAX_FIELD_CHARACTERS), op={"enum": list(_OPERATORS)}, value=_COMPARABLE)
_RULE: Final = _decided(
    id=_text(128), conditions={"type": "array", "items": _CONDITION, "minItems": 1, "maxItems": limits.MAX_CONDITIONS}
)
_FIELDS: Final = {
    "type": "object",
    "propertyNames": _text(limits.MAX_FIELD_CHARACTERS),
    "additionalProperties": {"enum": ["string", "integer", "boolean", "null", "list"]},
    "maxProperties": limits.MAX_POLICY_FIELDS,
}
_POLICY: Final = _decided(
    profile={"const": PROFILE},
    action=_text(limits.MAX_ACTION_CHARACTERS),
    fields=_FIELDS,
    rules={"type": "array", "items": _RULE, "maxItems": limits.MAX_POLICY_RULES},
)
_GUARDS: Final = {
    "type": "object",
    "properties": {
        "resource_pattern": _text(limits.MAX_PATTERN_CHARACTERS),
        "allowed_initiators": {
            "type": "array",
            "items": _text(limits.MAX_INITIATOR_CHARACTERS),
            "minItems": 1,
            "maxItems": limits.MAX_INITIATORS,
            "uniqueItems": True,
        },
        "max_per_day": {"type": "integer", "minimum": 1, "maximum": limits.LARGEST_INTEGER},
    },
    "additionalProperties": False,
}
_OPERATION: Final = _object(
    **dict.fromkeys(("enabled_executable_id", "provider_id", "operation_id", "catalog_revision"), _text(128)),
    definition_fingerprint={"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    minimum_evidence_mode={"enum": ["receipt", "witnessed"]},
)
_OPERATIONS: Final = {"type": "array", "items": _OPERATION, "maxItems": limits.MAX_EXECUTABLE_OPERATIONS}
_ACTION: Final = _object(policy=_POLICY, guards=_GUARDS, executable_operations=_OPERATIONS)

_DEFINITION: Final = {
    "profile": {"const": DOCUMENT_PROFILE},
    "agent_id": _text(128),
    "actions": {"type": "array", "items": _ACTION, "minItems": 1, "maxItems": limits.MAX_POLICY_ACTIONS},
    "default_expiry_days": {"type": ["integer", "null"], "minimum": 1, "maximum": limits.MAX_EXPIRY_DAYS},
}

RULES: Final[Mapping[type[BaseModel], Mapping[str, Any]]] = {
    CheckRequest: _either("scopes", "actions", _names(MAX_CHECK_NAMES, different=True)),
    LookupRequest: _either("nonce", "escalation_id", {"type": "string"}),
    CreateInline: _either("scopes", "actions", _names(MAX_AUTHORIZATION_NAMES, different=False)) | _CLOSED,
    CreateFromBundle: {"properties": dict.fromkeys(("agent_id", "scopes", "actions"), _NULL)} | _CLOSED,
    CreateFromPolicy: _CLOSED
    | {
        # Before editions had numbers, actions beside a policy could only be rules of the request's own.
        "anyOf": [
            {"required": ["policy_version"], "properties": {"policy_version": {"type": "integer"}}},
            {"properties": {"actions": _NULL}},
        ]
    },
    SettleBudgetRequest: {"properties": {"check_receipt_id": {"pattern": "^rcp_"}}},
    PolicyCreateRequest: {"properties": _DEFINITION},
}
"""What is added to the schema of a model: `properties` to each member, everything else to the whole."""
