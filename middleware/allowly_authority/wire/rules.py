"""Rules inside of bodies: read by the parsers of the decision model, with faults at their place in the body.

The language of rules is defined there and nowhere else; here it only becomes a type that bodies can use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from allowly_authority.engine import limits
from allowly_authority.engine.conditions import FLAGS, MEMBERSHIP, ORDERED, OVERLAP
from allowly_authority.engine.constraints import parse_constraints
from allowly_authority.engine.reading import RuleFault

_SCALAR: Final = {"type": ["string", "integer", "boolean", "null"]}
_SCALARS: Final = {"type": "array", "items": _SCALAR, "minItems": 1, "maxItems": limits.MAX_CONDITION_VALUES}
_VALUES: Final = {
    **dict.fromkeys(("eq", "neq"), _SCALAR),
    **{name: {"type": "integer"} for name in ORDERED},
    **dict.fromkeys(sorted(MEMBERSHIP | OVERLAP), _SCALARS),
    **{name: {"type": "boolean"} for name in sorted(FLAGS)},
}
_CONDITION: Final = {
    "type": "object",
    "description": "field and exactly one operator",
    "properties": {
        "field": {"type": "string", "minLength": 1, "maxLength": limits.MAX_FIELD_CHARACTERS},
        **_VALUES,
    },
    "required": ["field"],
    "minProperties": 2,
    "maxProperties": 2,
    "additionalProperties": False,
}
_CONDITIONS: Final = {"type": ["array", "null"], "items": _CONDITION, "maxItems": limits.MAX_CONDITIONS}

CONSTRAINTS_SCHEMA: Final = {
    "type": "object",
    "description": f"At most {limits.MAX_CONDITIONS} conditions in all.",
    "properties": {
        "resource_pattern": {"type": ["string", "null"], "minLength": 1, "maxLength": limits.MAX_PATTERN_CHARACTERS},
        "allowed_initiators": {
            "type": ["array", "null"],
            "items": {"type": "string", "minLength": 1, "maxLength": limits.MAX_INITIATOR_CHARACTERS},
            "minItems": 1,
            "maxItems": limits.MAX_INITIATORS,
            "uniqueItems": True,
        },
        "max_per_day": {"type": ["integer", "null"], "minimum": 1, "maximum": limits.LARGEST_INTEGER},
        "deny_when": _CONDITIONS,
        "escalate_when": _CONDITIONS,
        "confirm_when": _CONDITIONS,
    },
    "additionalProperties": False,
}
"""The constraints of an inline scope or action, as JSON Schema."""


def read_by(parser: Callable[[Any], object]) -> Callable[[Any], Any]:
    """Return a validator that keeps a value as it came, once a parser of the decision model accepts it.

    Args:
        parser: Raises `RuleFault`, which is told as an error at the place that it names.
    """

    def read(value: Any) -> Any:
        try:
            parser(value)
        except RuleFault as fault:
            raise located(fault) from None
        return value

    return read


def located(fault: RuleFault) -> ValidationError:
    """Turn a fault into an error of the body that the rules stand in."""
    details = InitErrorDetails(
        type=PydanticCustomError("rule", "{message}", {"message": fault.message}), loc=fault.path, input=None
    )
    return ValidationError.from_exception_data("rules", [details], hide_input=True)


Constraints = Annotated[dict[str, Any], AfterValidator(read_by(parse_constraints)), WithJsonSchema(CONSTRAINTS_SCHEMA)]
"""The constraints of an inline scope or action, as they were sent."""
