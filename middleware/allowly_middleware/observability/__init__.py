"""What is told of every decision, whatever it was: records, logs, traces, metrics, and nothing that is a secret.

Names are loaded when they are first used; OpenTelemetry is loaded with `OpenTelemetryObserver` alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_middleware.observability.logs import JsonFormatter, LogObserver
    from allowly_middleware.observability.observers import Observer, Observers
    from allowly_middleware.observability.records import AuditRecord, Decision
    from allowly_middleware.observability.redaction import Redactor
    from allowly_middleware.observability.telemetry import OpenTelemetryObserver

__all__ = [
    "AuditRecord",
    "Decision",
    "JsonFormatter",
    "LogObserver",
    "Observer",
    "Observers",
    "OpenTelemetryObserver",
    "Redactor",
]

_HOME: Final = {
    "AuditRecord": "records",
    "Decision": "records",
    "JsonFormatter": "logs",
    "LogObserver": "logs",
    "Observer": "observers",
    "Observers": "observers",
    "OpenTelemetryObserver": "telemetry",
    "Redactor": "redaction",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
