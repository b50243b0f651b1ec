"""Policies, bundles of scopes, and settlements of budgets on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from allowly_authority.engine.documents import PolicyDocument, PolicyReference, parse_document
from allowly_authority.engine.reading import RuleFault
from allowly_authority.wire.creation import Micros, PolicyId
from allowly_authority.wire.requests import Body
from allowly_authority.wire.rules import located
from allowly_authority.wire.scalars import Identifier, format_timestamp

MAX_DESCRIPTION_CHARACTERS = 2048
"""Longest description of a policy."""

_DEFINITION = ("profile", "agent_id", "actions", "default_expiry_days")


class PolicyRef(Body):
    """Names an edition, in a request."""

    policy_id: PolicyId
    policy_version: Annotated[int, Field(ge=1)]
    definition_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    def value(self) -> PolicyReference:
        """Return it as the decision model takes it."""
        return PolicyReference(self.policy_id, self.policy_version, self.definition_sha256)


class PolicyCreateRequest(Body):
    """`POST /v1/policies`: the definition's own keys beside a name.

    Attributes:
        previous_policy_ref: The edition that this one follows, as its author last saw it. A second edition of a
            name is refused without it, and where another one came first.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    policy_id: PolicyId
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION_CHARACTERS)] | None = None
    previous_policy_ref: PolicyRef | None = None
    profile: Any
    agent_id: Any
    actions: Any
    default_expiry_days: Any

    @model_validator(mode="after")
    def _definition_is_sound(self) -> Self:
        self.document()
        return self

    def document(self) -> PolicyDocument:
        """Return the parsed definition.

        Raises:
            ValidationError: It is not one; the error names the place.
        """
        try:
            return parse_document({name: getattr(self, name) for name in _DEFINITION})
        except RuleFault as fault:
            raise located(fault) from None


def policy_reply(
    reference: PolicyReference,
    definition: dict[str, Any],
    *,
    description: str | None = None,
    created_by: str | None = None,
    created_ms: int | None = None,
    deleted_ms: int | None = None,
) -> dict[str, Any]:
    """Return one policy, for the replies to creation (201), reading and listing. The SDK accepts no other keys."""
    return {
        "policy_ref": reference.as_json(),
        "definition": definition,
        "description": description,
        "created_by": created_by,
        "created_at": None if created_ms is None else format_timestamp(created_ms),
        "deleted_at": None if deleted_ms is None else format_timestamp(deleted_ms),
    }


class SettleBudgetRequest(Body):
    """`POST /v1/budget-settlements`: what an allowed check really cost."""

    check_receipt_id: Identifier
    actual_cost_micros: Micros

    @field_validator("check_receipt_id")
    @classmethod
    def _of_a_receipt(cls, value: str) -> str:
        if not value.startswith("rcp_"):
            raise ValueError("must be the id of a receipt")
        return value
