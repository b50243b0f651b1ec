"""JSON Schemas of the wire models, as the description of the API shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from allowly_authority.wire.between import RULES
from allowly_authority.wire.served import Served

_SCHEMAS: Final = "#/components/schemas/{model}"
_WITHOUT_NUL: Final = "^[^\\u0000]*$"


def reference_to(model: type[BaseModel]) -> dict[str, Any]:
    """Return what stands for the schema of a model elsewhere in the document."""
    return {"$ref": _SCHEMAS.format(model=model.__name__)}


def schemas_of(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """Return the schemas of models, and of all that they are made of, by name."""
    _, found = models_json_schema([(model, "validation") for model in models], ref_template=_SCHEMAS)
    rules = {model.__name__: more for model, more in RULES.items()}
    served = {model.__name__ for model in _below(Served)}
    return {
        name: _with(rules.get(name, {}), _told(schema if name in served else _without_nul(schema)))
        for name, schema in found["$defs"].items()
    }


def query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Return the parameters of a query part."""
    schema = _told(_without_nul(model.model_json_schema(ref_template=_SCHEMAS)))
    found: list[dict[str, Any]] = []
    for name, value in schema["properties"].items():
        # What is left out is null; nothing in a query part is.
        options = [option for option in value.get("anyOf", [value]) if option.get("type") != "null"]
        shown = _plain(options[0]) if len(options) == 1 else {"anyOf": options}
        default = value.get("default")
        parameter = {"name": name, "in": "query", "schema": shown | ({} if default is None else {"default": default})}
        found.append(parameter | ({"description": value["description"]} if "description" in value else {}))
    return found


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in schema.items() if key not in {"title", "description", "default"}}


def _told(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema whose properties say what the `Attributes` of the model's docstring say of them."""
    said, _, attributes = str(schema.get("description", "")).partition("\n\nAttributes:")
    found = re.findall(r"^    (\w+): (.*(?:\n     .*)*)", attributes, re.MULTILINE)
    texts = {name: " ".join(text.split()) for name, text in found}
    properties = {
        name: {**value, "description": texts[name]} if name in texts and "$ref" not in value else value
        for name, value in schema.get("properties", {}).items()
    }
    told = {**schema, "properties": properties} if properties else dict(schema)
    return {**told, "description": " ".join(said.split())} if said else told


def _with(rules: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with the rules that its types do not tell."""
    properties = dict(schema.get("properties", {}))
    for name, more in rules.get("properties", {}).items():
        properties[name] = {**properties.get(name, {}), **more}
    whole = {name: value for name, value in rules.items() if name != "properties"}
    return {**schema, **({"properties": properties} if properties else {}), **whole}


def _without_nul(schema: Any) -> Any:
    """Return a schema of a request whose strings hold no U+0000, which no request may."""
    if isinstance(schema, list):
        return [_without_nul(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    told: dict[str, Any] = {name: _without_nul(part) for name, part in schema.items()}
    plain = told.get("type") == "string" and not told.keys() & {"pattern", "format", "enum", "const"}
    return told | {"pattern": _WITHOUT_NUL} if plain else told


def _below(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return all models that are made of one."""
    return [found for child in model.__subclasses__() for found in (child, *_below(child))]
