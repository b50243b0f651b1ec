"""Records as log entries of the standard library: one line for people, one object for machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from allowly_middleware.observability.records import AuditRecord, Decision
from allowly_middleware.observability.redaction import Redactor

AUDIT_LOGGER: Final = "allowly_middleware.audit"
"""The logger that records go to by default."""

AUDIT_EXTRA: Final = "audit"
"""The attribute of a log entry that holds the record, as a plain JSON object."""

LEVELS: Final[Mapping[Decision, int]] = MappingProxyType(
    {
        Decision.ALLOWED: logging.INFO,
        Decision.ASKED: logging.INFO,
        Decision.SHADOW: logging.WARNING,
        Decision.LIMITED: logging.WARNING,
        Decision.DENIED_BY_POLICY: logging.WARNING,
        Decision.DENIED_BY_MIDDLEWARE: logging.WARNING,
        Decision.DENIED_BY_PERSON: logging.WARNING,
        Decision.UNAVAILABLE: logging.ERROR,
        Decision.ERROR: logging.ERROR,
    }
)
"""How loud each decision is."""

MAX_TRACEBACK_CHARACTERS: Final = 16_384
"""Longest traceback in a line of JSON."""


class LogObserver:
    """Writes each record to a logger, redacted, with all its members in the one attribute `audit`.

    Args:
        logger: The logger, or its name.
        redactor: Redacts and bounds the record.
    """

    def __init__(self, logger: logging.Logger | str = AUDIT_LOGGER, *, redactor: Redactor | None = None) -> None:
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._redactor = Redactor() if redactor is None else redactor

    def record(self, record: AuditRecord, /) -> None:
        """As `Observer` says."""
        level = LEVELS[record.decision]
        if not self._logger.isEnabledFor(level):
            return
        members = {name: self._shown(value) for name, value in record.as_dict().items()}
        # Names come from callers. As JSON in ASCII they stay on the line and hide nothing.
        where = json.dumps(members["server"] if record.target is None else f"{members['server']}.{members['target']}")
        text = "%s %s %s reason=%s subject=%s"
        told = (record.decision.value, record.operation.value, where)
        about = (json.dumps(members["reason"]), json.dumps(members["subject_id"]))
        self._logger.log(level, text, *told, *about, extra={AUDIT_EXTRA: members})

    def _shown(self, value: Any) -> Any:
        return self._redactor.text(value) if isinstance(value, str) else self._redactor.redact(value)


class JsonFormatter(logging.Formatter):
    """Writes every log entry as one line of JSON, in ASCII: time, level, logger, message, and the record if it has one.

    It is for any logger of the process, not for records alone. Messages and tracebacks are redacted too.

    Args:
        redactor: Redacts messages, tracebacks and records.
    """

    def __init__(self, *, redactor: Redactor | None = None) -> None:
        super().__init__()
        self._redactor = Redactor() if redactor is None else redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        members: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._redactor.text(_message(record)),
        }
        audit = getattr(record, AUDIT_EXTRA, None)
        if audit is not None:
            members[AUDIT_EXTRA] = self._redactor.redact(audit)
        if record.exc_info:
            traceback = self.formatException(record.exc_info)
            members["traceback"] = self._redactor.text(traceback, MAX_TRACEBACK_CHARACTERS)
        return json.dumps(members)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - a log entry that cannot be written must not end what wrote it
        return f"[a message that cannot be written: {type(error).__name__}]"
