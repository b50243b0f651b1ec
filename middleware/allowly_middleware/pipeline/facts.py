"""What is known of a request before it is answered: what policies, limits and observers look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.subjects import ANONYMOUS, Subject


@dataclass(frozen=True, slots=True)
class CallFacts:
    """One request.

    Attributes:
        operation: What it asks for.
        server: The server's name, as the pipeline knows it.
        target: The tool's name, the resource's URI, the template's URI, the prompt's name, or what a completion is
            for; `None` for lists and for everything that has no target.
        arguments: The arguments, chosen by the caller; `None` where there are none or where they are not known.
        annotations: The tool's annotations by their MCP names, as listed; empty where they are not known.
        subject: Who calls.
        method: The JSON-RPC method; empty where no request is at hand.
    """

    operation: Operation
    server: str
    target: str | None = None
    arguments: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    annotations: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False, hash=False)
    subject: Subject = ANONYMOUS
    method: str = ""
