"""Records as spans and metrics of OpenTelemetry. Only its API is needed; what is not set up costs next to nothing."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Final

try:
    from opentelemetry import metrics, trace
except ImportError as missing:
    raise ImportError("telemetry needs one more package: pip install 'allowly-harness[telemetry]'") from missing

from allowly_middleware.observability.records import AuditRecord, Decision
from allowly_middleware.observability.redaction import Redactor

INSTRUMENTATION: Final = "allowly_middleware"
"""The name of the tracer and of the meter."""

SPAN_NAME: Final = "allowly.decision"
"""Every span has this name; what differs is in its attributes."""

MAX_LABELS: Final = 64
"""How many reasons, and how many servers, metrics of one process tell apart; all further ones are `other`."""

MAX_LABEL_CHARACTERS: Final = 100
"""Longest reason or server in metrics."""

MAX_ARGUMENTS_CHARACTERS: Final = 4096
"""Longest arguments in a span, as JSON."""

OTHER: Final = "other"
NONE: Final = "none"
"""What metrics have for a reason or a server that is one too many or no code, and for one that is not given."""

WAIT_BUCKETS: Final = (0.1, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 3600.0)
DURATION_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0)
"""The bounds of the histograms, in seconds: people take minutes, tools take milliseconds."""

_FAILED: Final = frozenset({Decision.ERROR, Decision.UNAVAILABLE})
_CODE: Final = re.compile(r"[a-z0-9_.:-]+")
_MS: Final = 1000


class OpenTelemetryObserver:
    """Makes of each record a span, below the span that is current, and counts it.

    The MCP SDK and FastMCP open a server span round each request, so a trace shows the decision where it was made.
    A span says what was decided and why, by its times how long it took, and has the status `error` only where no
    decision could be had or something failed: a refusal is no error. Metrics hold what has few values, so neither
    tools nor subjects.

    Args:
        tracer_provider: Where spans go; the global provider by default.
        meter_provider: Where metrics go; the global provider by default.
        record_arguments: Whether spans hold the arguments, redacted, of the records that have them.
        record_subject: Whether spans hold the id of the subject.
        redactor: Redacts and bounds all texts.
        clock: Nanoseconds since 1970.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        record_arguments: bool = False,
        record_subject: bool = False,
        redactor: Redactor | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._tracer = trace.get_tracer(INSTRUMENTATION, tracer_provider=tracer_provider)
        meter = metrics.get_meter(INSTRUMENTATION, meter_provider=meter_provider)
        self._decisions = meter.create_counter(
            "allowly.decisions", unit="{decision}", description="Requests, by what was decided about them."
        )
        self._wait = meter.create_histogram(
            "allowly.wait.duration",
            unit="s",
            description="How long approvals were waited for.",
            explicit_bucket_boundaries_advisory=WAIT_BUCKETS,
        )
        self._duration = meter.create_histogram(
            "allowly.request.duration",
            unit="s",
            description="How long requests took, the wait and the tool included.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self._record_arguments = record_arguments
        self._record_subject = record_subject
        self._redactor = Redactor() if redactor is None else redactor
        self._clock = clock
        self._reasons, self._servers = _Few(), _Few()

    def record(self, record: AuditRecord, /) -> None:
        """As `Observer` says."""
        self._count(record)
        self._trace(record)

    def _trace(self, record: AuditRecord) -> None:
        end = self._clock()
        start = end - round((record.duration_ms or 0) * 1_000_000)
        span = self._tracer.start_span(SPAN_NAME, start_time=start)
        if span.is_recording():
            span.set_attributes(self._attributes(record))
            if record.decision in _FAILED:
                span.set_status(trace.StatusCode.ERROR, self._redactor.text(record.reason))
        span.end(end)

    def _attributes(self, record: AuditRecord) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            "allowly.decision": record.decision.value,
            "allowly.operation": record.operation.value,
            "allowly.server": record.server,
            "allowly.target": record.target,
            "allowly.reason": record.reason or None,
            "allowly.rule": record.rule,
            "allowly.ran": record.ran,
            "allowly.waited_ms": record.waited_ms,
            "allowly.arguments.digest": record.arguments_digest,
            "mcp.method.name": record.method or None,
            "jsonrpc.request.id": record.request_id,
            "error.type": record.error,
            "user.id": record.subject_id if self._record_subject else None,
        }
        given = ((name, value) for name, value in attributes.items() if value is not None)
        shown = {name: self._redactor.text(value) if isinstance(value, str) else value for name, value in given}
        if self._record_arguments and record.arguments is not None:
            shown["allowly.arguments"] = self._arguments(record)
        return shown

    def _arguments(self, record: AuditRecord) -> str:
        text = json.dumps(self._redactor.redact(record.arguments), ensure_ascii=False)
        if len(text) <= MAX_ARGUMENTS_CHARACTERS:
            return text
        note = f"...[+{len(text) - MAX_ARGUMENTS_CHARACTERS} characters]"
        return text[: MAX_ARGUMENTS_CHARACTERS - len(note)] + note

    def _count(self, record: AuditRecord) -> None:
        about = {
            "allowly.decision": record.decision.value,
            "allowly.operation": record.operation.value,
            "allowly.server": self._servers.of(self._shown(record.server)),
        }
        reason = self._shown(record.reason)
        code = self._reasons.of(reason) if not reason or _CODE.fullmatch(reason) else OTHER
        self._decisions.add(1, about | {"allowly.reason": code})
        if record.waited_ms is not None:
            self._wait.record(record.waited_ms / _MS, about)
        if record.duration_ms is not None:
            self._duration.record(record.duration_ms / _MS, about)

    def _shown(self, text: str) -> str:
        return self._redactor.text(text, MAX_LABEL_CHARACTERS)


class _Few:
    """The first values as they are, whatever comes later as `other`."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def of(self, value: str) -> str:
        if not value:
            return NONE
        with self._lock:
            if value not in self._known and len(self._known) < MAX_LABELS:
                self._known.add(value)
            return value if value in self._known else OTHER
