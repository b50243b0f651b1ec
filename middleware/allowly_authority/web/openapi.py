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
from starlette.requests import Request
from starlette.responses import Response

from allowly_authority.engine.principals import Operation
from allowly_authority.identifiers import MAX_ID_CHARACTERS
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint
from allowly_authority.web.reading import MAX_BODY_BYTES, MAX_KEY_CHARACTERS
from allowly_authority.web.schemas import query_parameters, reference_to, schemas_of
from allowly_authority.wire.served import ErrorBody

EXTENSION: Final = "x-allowly-extension"
"""Marks what the hosted service does not have."""

_DESCRIPTION: Final = Description("Read this description", extension=True)
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
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
            "schemas": schemas_of(list(models)),
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
    return found + ([] if said.query is None else query_parameters(said.query))


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
    return {"description": meaning, "content": {"application/json": {"schema": reference_to(ErrorBody)}}}


def _any_of(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    references = [reference_to(model) for model in models]
    return references[0] if len(references) == 1 else {"anyOf": references}
