"""Which handlers a request passes, found without trying every registration.

The table is built when something is registered and then only read. Handlers keep the order of their
registration, whatever scope they were registered in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from allowly_middleware.pipeline.handlers import Registered
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.patterns import Pattern, PatternIndex
from allowly_middleware.pipeline.subjects import Subject

_AT: Final = attrgetter("at")


@dataclass(frozen=True, slots=True)
class Entry:
    """One registration.

    Attributes:
        at: Its place in the order, from 0.
        handler: What runs.
        operation: The one operation it is for; `None` for all named ones.
        pattern: The tools it is for; `None` for all.
        server: The one server it is for; `None` for all.
        groups: The groups that the subject must be in, all of them.
    """

    at: int
    handler: Registered
    operation: Operation | None = None
    pattern: Pattern | None = None
    server: str | None = None
    groups: tuple[str, ...] = ()

    def admits(self, subject: Subject) -> bool:
        """Tell whether it is for this caller."""
        return all(subject.has_group(group) for group in self.groups)

    def __str__(self) -> str:
        """Return how it was registered, for people."""
        scope = "".join(f"group({group!r})." for group in self.groups)
        scope += "" if self.server is None else f"server({self.server!r})."
        if self.pattern is not None:
            verb = f"tool({str(self.pattern)!r})"
        else:
            verb = "use" if self.operation is None else f"operation({self.operation.value!r})"
        return f"{scope}{verb} {self.handler.name}"


class RouteTable:
    """All registrations, ready to be looked up.

    Args:
        entries: In the order of registration.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = tuple(entries)
        self._everywhere = {operation: self._unscoped(operation) for operation in Operation}
        self._of_server: dict[str, dict[Operation, list[Entry]]] = {}
        for entry in self.entries:
            if entry.server is not None and entry.pattern is None:
                for operation in _operations(entry):
                    self._of_server.setdefault(entry.server, {}).setdefault(operation, []).append(entry)
        patterns = [(entry.pattern, entry) for entry in self.entries if entry.pattern is not None]
        self._patterns = PatternIndex(patterns) if patterns else None
        self.names_other = any(entry.operation is Operation.OTHER for entry in self.entries)
        self.has_groups = any(entry.groups for entry in self.entries)

    def find(
        self, operation: Operation, names: Iterable[tuple[str, str | None]], subject: Subject
    ) -> tuple[Entry, ...]:
        """Return what a request passes, in order.

        Args:
            operation: What it asks for.
            names: The names of server and target, all that it is known under: whatever fits one of them counts.
            subject: Who calls.
        """
        found = self._everywhere[operation]
        if self._of_server or self._patterns is not None:
            more = {entry for server, target in names for entry in self._scoped(operation, server, target)}
            if more:
                found = tuple(sorted([*found, *more], key=_AT))
        if self.has_groups:
            found = tuple(entry for entry in found if not entry.groups or entry.admits(subject))
        return found

    def _scoped(self, operation: Operation, server: str, target: str | None) -> Iterable[Entry]:
        of_server = self._of_server.get(server)
        if of_server is not None:
            yield from of_server.get(operation, ())
        if operation is Operation.TOOL_CALL and self._patterns is not None and target is not None:
            yield from self._patterns.find(server, target)

    def _unscoped(self, operation: Operation) -> tuple[Entry, ...]:
        everywhere = (entry for entry in self.entries if entry.server is None and entry.pattern is None)
        return tuple(entry for entry in everywhere if operation in _operations(entry))


def _operations(entry: Entry) -> tuple[Operation, ...]:
    if entry.operation is not None:
        return (entry.operation,)
    return tuple(operation for operation in Operation if operation is not Operation.OTHER)
