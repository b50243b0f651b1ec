"""The description of the API, OpenAPI 3.1, at `/openapi.json`.

It is made of the table of endpoints and of the models that read requests, so that there is no second truth. The models
of replies are held against the replies by the tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from allowly_authority.engine.principals import Operation
from allowly_authority.identifiers import MAX_ID_CHARACTERS
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint
from allowly_authority.web.reading import MAX_BODY_BYTES, MAX_KEY_CHARACTERS
from allowly_authority.wire.served import ErrorBody

EXTENSION: Final = "x-allowly-extension"
"""Marks what the hosted service does not have."""

_DESCRIPTION: Final = Description("Read this description", extension=True)
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_SCHEMAS: Final = "#/components/schemas/{model}"
_NO_CONTENT: Final = 204

_MEANINGS: Final[Mapping[int, str]] = {
    400: "The request cannot be read",
    401: "The key is missing, wrong, revoked or expired",
    403: "The key may not do that, or the Host or Origin header is not accepted",
    404: "There is nothing of this name",
    408: "The body did not arrive in time",
    409: "It contradicts what came first",
    410: "It cannot be answered any more; every unusable nonce gets the same reply",
    413: "The body is too long",
    422: "The request can be read, and says something that is not accepted",
    429: "Too many requests",
    500: "The authority failed",
    503: "The database cannot be used now, or too many connections are open",
}


def endpoints(described: Sequence[Endpoint]) -> list[Endpoint]:
    """Return the endpoint of the description.

    Args:
        described: The other endpoints.
    """

    @cache
    def text() -> bytes:
        return json.dumps(document([*described, own]), ensure_ascii=False, separators=(",", ":")).encode()

    async def read(_: Request) -> Response:
        return Response(text(), media_type="application/json")

    own = Endpoint("GET", "/openapi.json", None, read, description=_DESCRIPTION)
    return [own]


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the description of endpoints; those without a description are left out."""
    told = [(endpoint, endpoint.description) for endpoint in endpoints if endpoint.description is not None]
    models = {model: None for _, said in told for model in (*said.body, *said.reply)} | {ErrorBody: None}
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_SCHEMAS)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint, said in told:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, said)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Allowly authority",
            "version": metadata.version("allowly-harness"),
            "description": "The authorization API, as a self-hosted authority serves it. What is marked with "
            f"`{EXTENSION}` is not part of the API of the hosted service.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {name: _told(schema) for name, schema in schemas["$defs"].items()},
            "responses": {"Refused": _refusal("The request was refused")},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A key of the authority."}},
        },
        "security": [{"key": []}],
    }


def operation_id(endpoint: Endpoint) -> str:
    """Return the name of an operation, such as `post_v1_check`."""
    return "_".join([endpoint.method.lower(), *re.findall(r"[a-z0-9]+", endpoint.path.lower())])


def _operation(endpoint: Endpoint, said: Description) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(endpoint),
        "summary": said.summary,
        "parameters": _parameters(endpoint, said),
        "responses": _responses(endpoint, said),
    }
    if isinstance(endpoint.operation, Operation):
        operation["x-allowly-operation"] = endpoint.operation.value
    if said.body:
        content: dict[str, Any] = {"schema": _any_of(said.body)}
        if said.example:
            content["example"] = dict(said.example)
        operation["requestBody"] = {
            "required": not said.optional_body,
            "description": f"At most {MAX_BODY_BYTES} bytes.",
            "content": {"application/json": content},
        }
    if endpoint.operation is None:
        operation["security"] = []
    if said.extension:
        operation[EXTENSION] = True
    return operation


def _parameters(endpoint: Endpoint, said: Description) -> list[dict[str, Any]]:
    pattern = rf"^[A-Za-z0-9_.~:-]{{1,{MAX_ID_CHARACTERS}}}$"
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": pattern}}
        for name in _PLACEHOLDER.findall(endpoint.path)
    ]
    if said.repeatable:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "The same request under the same key changes nothing more; another one is refused.",
                "schema": {"type": "string", "pattern": rf"^[ -~]{{1,{MAX_KEY_CHARACTERS}}}$"},
            }
        )
    return found + ([] if said.query is None else _query(said.query))


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = _told(model.model_json_schema(ref_template=_SCHEMAS))
    found: list[dict[str, Any]] = []
    for name, value in schema["properties"].items():
        # What is left out is null; nothing in a query part is.
        options = [option for option in value.get("anyOf", [value]) if option.get("type") != "null"]
        extra = {key: part for key, part in value.items() if key in {"description", "default"} and part is not None}
        shown = options[0] if len(options) == 1 else {"anyOf": options}
        parameter = {"name": name, "in": "query", "schema": {**_plain(shown), **_plain(extra)}}
        found.append(parameter | ({"description": extra["description"]} if "description" in extra else {}))
    return found


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in schema.items() if key not in {"title", "description"}}


def _responses(endpoint: Endpoint, said: Description) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done"}
    if said.reply:
        done["content"] = {said.media_type: {"schema": _any_of(said.reply)}}
    elif endpoint.status != _NO_CONTENT:
        kind = "object" if said.media_type == "application/json" else "string"
        done["content"] = {said.media_type: {"schema": {"type": kind}}}
    if said.links:
        done["links"] = {name: {"operationId": name, "parameters": dict(how)} for name, how in said.links.items()}
    refused = {str(status): _refusal(_MEANINGS[status]) for status in sorted(_refusals(endpoint, said))}
    return {str(endpoint.status): done} | refused


def _refusals(endpoint: Endpoint, said: Description) -> set[int]:
    # A head that cannot be read is refused with 400, whatever it is of.
    found = {400, 403, 500, 503} | said.refusals
    if endpoint.operation is not None:
        found |= {401}
    if "{" in endpoint.path:
        found |= {404}
    if said.body:
        found |= {408, 413, 422}
    if said.query is not None:
        found |= {422}
    if said.repeatable:
        found |= {409}
    return found


def _refusal(meaning: str) -> dict[str, Any]:
    schema = {"$ref": _SCHEMAS.format(model=ErrorBody.__name__)}
    return {"description": meaning, "content": {"application/json": {"schema": schema}}}


def _any_of(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    references = [{"$ref": _SCHEMAS.format(model=model.__name__)} for model in models]
    return references[0] if len(references) == 1 else {"anyOf": references}


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
