"""What a receipt says. Everything that the public verifier would refuse is refused here, before it is signed.

A receipt is about an action that was checked, or about an event: an authorization, a question, a budget. Source of
the rules: the public package `allowly-receipt-format` 5.0.0, sections 3 and 4 of its text. The daily checkpoints of
that format are not issued here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, cast

from allowly_authority.engine.limits import LARGEST_INTEGER
from allowly_authority.wire.scalars import format_timestamp

SCHEMA_VERSION: Final = "5"
"""The version of the format."""

ACTION_DECISIONS: Final = frozenset({"allow", "confirm", "deny", "escalate"})
EVENT_DECISIONS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "authorization.create": frozenset({"authorization_granted"}),
        "authorization.revoke": frozenset({"authorization_revoked"}),
        "budget.settle": frozenset({"budget_settled"}),
        "confirmation.resolve": frozenset({"confirmation_approved", "confirmation_rejected"}),
        "escalation.resolve": frozenset({"escalation_approved", "escalation_rejected"}),
    }
)
"""Which decisions each event may have."""

_WITHOUT_RESOURCE: Final = frozenset({"authorization.create", "authorization.revoke"})
LATEST_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999: years have four digits."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_POLICY_REF: Final = frozenset({"policy_id", "policy_version", "definition_sha256"})
_POLICY_EVAL: Final = frozenset({"input_sha256", "result"})
_RESULT: Final = frozenset({"profile", "status", "decision", "target", "matched_rule_id", "evaluated_fields"})
_MAX_NAME: Final = 128
_MEMBER: Final = re.compile(r"member:.{1,249}", re.DOTALL)


class ReceiptError(ValueError):
    """A receipt of this content would not verify. The text names the member, never its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptClaims:
    """The content of one receipt, except for whose workspace it is: the key knows that.

    Attributes:
        issued_ms: When it was decided, in milliseconds since 1970; it chooses the key.
        action: The action that was checked; `None` for an event.
        event: The event, one of `EVENT_DECISIONS`; `None` for a check.
        user_id: Whose authorization it is; empty where there is none. The format has no null here.
        agent_id: Whose agent it is; empty where there is no authorization.
        engine_version: `sha256:` and 64 lowercase hexadecimal digits.
        authorization_id: `None` where the check named one that does not exist.
        resource: What was to be acted on; always `None` for the making and revoking of an authorization.
        context: More facts, as JSON without fractions.
        policy_ref: The edition that decided, as `{policy_id, policy_version, definition_sha256}`.
        policy_eval: How it was evaluated, as `{input_sha256, result}`; checks alone have one.
    """

    receipt_id: str
    issued_ms: int
    decision: str
    reason: str
    user_id: str
    agent_id: str
    engine_version: str
    action: str | None = None
    event: str | None = None
    authorization_id: str | None = None
    resource: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    policy_ref: Mapping[str, Any] | None = None
    policy_eval: Mapping[str, Any] | None = None

    def payload(self, workspace_id: str) -> dict[str, Any]:
        """Return the object that is signed.

        Raises:
            ReceiptError: A verifier would refuse it.
        """
        _check(self)
        _require_texts(workspace_id=workspace_id)
        about = {"action": self.action} if self.event is None else {"event": self.event}
        evaluation = {} if self.policy_eval is None else {"policy_eval": self.policy_eval}
        return {
            "schema_version": SCHEMA_VERSION,
            "receipt_id": self.receipt_id,
            "workspace_id": workspace_id,
            "issued_at": format_timestamp(self.issued_ms),
            **about,
            "decision": self.decision,
            "reason": self.reason,
            "user_id": self.user_id,
            "agent_id": self.agent_id,
            "resource": self.resource,
            "context": self.context,
            "authorization_id": self.authorization_id,
            "policy_ref": self.policy_ref,
            "engine_version": self.engine_version,
            **evaluation,
        }


def is_signable(authorization_id: str | None, policy_ref: Mapping[str, Any] | None) -> bool:
    """Tell whether a receipt can have the signed form.

    The form wants a policy edition beside every authorization, and none where there is no authorization. Receipts of
    authorizations whose rules were given with them, without an edition, therefore stay pending for ever.
    """
    return (authorization_id is None) == (policy_ref is None)


def _check(claims: ReceiptClaims) -> None:
    _require_texts(receipt_id=claims.receipt_id, engine_version=claims.engine_version)
    for name in ("decision", "reason", "user_id", "agent_id"):
        _require(isinstance(getattr(claims, name), str), f"{name} must be a string")
    for name in ("action", "event", "resource", "authorization_id"):
        _require(isinstance(getattr(claims, name), str | None), f"{name} must be a string or null")
    issued = claims.issued_ms
    _require(type(issued) is int and 0 <= issued <= LATEST_MS, "issued_ms must lie between 1970 and 9999")
    version = claims.engine_version.removeprefix("sha256:")
    _require(version != claims.engine_version and _is_digest(version), "engine_version must be sha256: and a digest")
    _require(isinstance(claims.context, dict), "context must be an object")
    if claims.policy_ref is not None:
        _check_policy_ref(claims.policy_ref)
    if claims.event is None:
        _check_action(claims)
    else:
        _check_event(claims, claims.event)
    _require(
        is_signable(claims.authorization_id, claims.policy_ref),
        "policy_ref must stand with authorization_id, or both be null",
    )


def _check_action(claims: ReceiptClaims) -> None:
    _require(bool(claims.action), "it must be about an action or an event")
    _require(claims.decision in ACTION_DECISIONS, "decision must be one of a check")
    if claims.policy_eval is not None:
        _require(claims.policy_ref is not None, "policy_eval needs policy_ref")
        _check_policy_eval(claims.policy_eval)


def _check_event(claims: ReceiptClaims, event: str) -> None:
    _require(claims.action is None, "it must be about an action or an event, not both")
    _require(claims.decision in EVENT_DECISIONS.get(event, frozenset()), "event and decision must belong together")
    _require(claims.authorization_id is not None, "an event has an authorization_id")
    _require(claims.resource is None or event not in _WITHOUT_RESOURCE, "resource must be null for this event")
    _require(claims.policy_eval is None, "an event has no policy_eval")


def _check_policy_ref(value: Any) -> None:
    _require_members(value, _POLICY_REF, "policy_ref")
    _require_texts(policy_id=value["policy_id"])
    version = value["policy_version"]
    _require(type(version) is int and 1 <= version <= LARGEST_INTEGER, "policy_version must be a positive integer")
    _require(_is_digest(value["definition_sha256"]), "definition_sha256 must be a digest")


def _check_policy_eval(value: Any) -> None:
    _require_members(value, _POLICY_EVAL, "policy_eval")
    _require(_is_digest(value["input_sha256"]), "input_sha256 must be a digest")
    result = value["result"]
    _require_members(result, _RESULT, "policy_eval.result")
    _require((result["profile"], result["status"]) == ("allowly.basic.v1", "ok"), "the evaluation must have succeeded")
    _require(_is_target(result["decision"], result["target"]), "decision and target must belong together")
    rule, fields = result["matched_rule_id"], result["evaluated_fields"]
    _require(rule is None or _is_name(rule), "matched_rule_id must be a short string or null")
    _require(
        isinstance(fields, dict) and all(map(_is_name, cast("dict[object, Any]", fields))),
        "evaluated_fields must be an object with short names",
    )
    _require(rule is not None or not fields, "without a rule no fields were evaluated")


def _is_target(decision: object, target: object) -> bool:
    match decision:
        case "allow" | "deny":
            return target is None
        case "confirm":
            return target == "agent_owner"
        case "escalate":
            return isinstance(target, str) and _MEMBER.fullmatch(target) is not None
        case _:
            return False


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _require_members(value: Any, names: frozenset[str], what: str) -> None:
    members = frozenset(cast("dict[str, Any]", value)) if isinstance(value, dict) else frozenset[str]()
    _require(members == names, f"{what} must have exactly {', '.join(sorted(names))}")


def _require_texts(**values: object) -> None:
    for name, value in values.items():
        _require(isinstance(value, str) and value != "", f"{name} must be a string that is not empty")


def _require(condition: bool, fault: str) -> None:  # noqa: FBT001 - an assertion reads best so
    if not condition:
        raise ReceiptError(fault)
