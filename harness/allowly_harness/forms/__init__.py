"""Forms from JSON Schema, without a screen: fields, typed text, values, problems."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.forms.coerce import CoerceError, coercer
    from allowly_harness.forms.drafting import defaults, draft
    from allowly_harness.forms.fields import Field, Form, Kind
    from allowly_harness.forms.json_text import JSONTextError, locate, parse_json_object, parse_json_value, write_json
    from allowly_harness.forms.reading import read_form
    from allowly_harness.forms.state import FormError, FormProblem, FormState

__all__ = [
    "CoerceError",
    "Field",
    "Form",
    "FormError",
    "FormProblem",
    "FormState",
    "JSONTextError",
    "Kind",
    "coercer",
    "defaults",
    "draft",
    "locate",
    "parse_json_object",
    "parse_json_value",
    "read_form",
    "write_json",
]

_HOMES = {
    "CoerceError": "coerce",
    "Field": "fields",
    "Form": "fields",
    "FormError": "state",
    "FormProblem": "state",
    "FormState": "state",
    "JSONTextError": "json_text",
    "Kind": "fields",
    "coercer": "coerce",
    "defaults": "drafting",
    "draft": "drafting",
    "locate": "json_text",
    "parse_json_object": "json_text",
    "parse_json_value": "json_text",
    "read_form": "reading",
    "write_json": "json_text",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
