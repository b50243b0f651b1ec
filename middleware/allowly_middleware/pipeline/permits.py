"""The leave of one call to enter its tool, as it was decided, for whoever looks again behind everybody else.

It lives in the context of the call. Calls that nobody decided on have none, whatever way they took.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from allowly_authority.binding import canonical_json
from allowly_middleware.pipeline.outcomes import Refusal

CHANGED: Final = Refusal(
    "The call was changed after it had been decided on, so it was not run.", by="error", reason="changed_after_decision"
)
"""The refusal of a call that something behind the pipeline has changed."""


@dataclass(slots=True)
class Permit:
    """Leave to enter one tool, once, with these arguments.

    Attributes:
        pipeline: Who gave it.
        names: The names of the tool, each with its server: as the client used it, and as its own server knows it.
        arguments_json: The canonical arguments.
    """

    pipeline: object
    names: set[tuple[str, str]]
    arguments_json: str

    def names_call(self, pipeline: object, server: str, tool: str) -> bool:
        """Tell whether it is for a call of this tool, and was not used on this server yet."""
        return self.pipeline is pipeline and (server, tool) in self.names

    def use(self, server: str, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Use it up on one server; false where the call is another one than was decided on."""
        self.names.discard((server, tool))
        return same_arguments(self.arguments_json, arguments)


_PERMIT: ContextVar[Permit | None] = ContextVar("allowly_permit", default=None)


def current_permit() -> Permit | None:
    """Return the leave of the call in hand."""
    return _PERMIT.get()


@contextmanager
def permitted(permit: Permit | None) -> Generator[None]:
    """Give leave, or take it away, for all that runs in here."""
    token = _PERMIT.set(permit)
    try:
        yield
    finally:
        _PERMIT.reset(token)


def snapshot(arguments: Mapping[str, Any]) -> str | None:
    """Return arguments as canonical JSON; `None` where they have no such form."""
    try:
        return canonical_json(arguments)
    except ValueError:
        return None


def same_arguments(arguments_json: str, arguments: Mapping[str, Any]) -> bool:
    """Tell whether arguments are those of a snapshot. `True` is not 1, and 1.0 is 1, as in JSON."""
    return snapshot(arguments) == arguments_json
