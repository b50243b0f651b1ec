"""What is told of every decision, whatever it was: records, logs, traces, metrics, and nothing that is a secret."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_middleware.observability.observers import Observer, Observers
    from allowly_middleware.observability.records import AuditRecord, Decision

__all__ = [
    "AuditRecord",
    "Decision",
    "Observer",
    "Observers",
]

_HOME: Final = {
    "AuditRecord": "records",
    "Decision": "records",
    "Observer": "observers",
    "Observers": "observers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
