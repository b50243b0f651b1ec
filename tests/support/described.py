"""Holds replies against the description of the API that the authority itself serves."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator


class Described:
    """The served description.

    Args:
        document: `/openapi.json`.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._routes = [
            (re.compile(re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(path)) + r"\Z"), methods)
            for path, methods in document["paths"].items()
        ]
        self._validator = cache(self._made)

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """Return what is described of a request, where anything is."""
        path = path.partition("?")[0]
        fitting = [
            methods[method.lower()] for form, methods in self._routes if form.match(path) and method.lower() in methods
        ]
        return fitting[0] if fitting else None

    def faults(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """Return how a reply is another than is described; nothing for requests that no route takes."""
        operation = self.operation(method, path)
        if operation is None:
            return []
        described = operation["responses"].get(str(status))
        if described is None:
            return [f"{method} {path} is not described to answer {status}"]
        content = described.get("content", {}).get("application/json")
        if content is None:
            return [] if body in (None, {}) else [f"{method} {path} is described without a body"]
        found = self._validator(operation["operationId"], status).iter_errors(body)
        return [f"{method} {path} {status}: {error.json_path} {error.message[:200]}" for error in found]

    def _made(self, operation_id: str, status: int) -> Draft202012Validator:
        operations = [operation for methods in self.document["paths"].values() for operation in methods.values()]
        operation = next(one for one in operations if one["operationId"] == operation_id)
        schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
        return Draft202012Validator({**schema, "components": self.document["components"]})
