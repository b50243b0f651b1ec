"""G7: whatever a secret stands in, no log, span or metric of the pipeline has it."""

import io
import json
import logging
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from allowly_middleware.observability import (
    AuditRecord,
    Decision,
    JsonFormatter,
    LogObserver,
    Observers,
    OpenTelemetryObserver,
)
from allowly_middleware.pipeline import CallFacts, Operation, Subject


def record_of(text: str) -> AuditRecord:
    facts = CallFacts(Operation.RESOURCE_READ, text, text, subject=Subject(text), method=text)
    arguments = {
        "body": text,
        text: 1,
        "list": [text, {"deep": (text,)}],
        "password": "hunter2",
        "headers": {"Cookie": text},
    }
    texts = {"rule": text, "request_id": text, "error": text, "arguments_digest": text, "arguments": arguments}
    return AuditRecord.of(facts, Decision.ERROR, text, waited_ms=1.0, duration_ms=2.0, **texts)


def everything_that_comes_out(records: list[AuditRecord], **options: Any) -> str:
    plain, structured = io.StringIO(), io.StringIO()
    logger = logging.Logger("own")  # noqa: LOG001 - shared with nobody
    for stream, formatter in ((plain, logging.Formatter("%(message)s %(audit)s")), (structured, JsonFormatter())):
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(shutdown_on_exit=False), MeterProvider([reader], shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = OpenTelemetryObserver(
        tracer_provider=tracers, meter_provider=meters, record_arguments=True, record_subject=True, **options
    )

    observers = Observers([LogObserver(logger, **options), telemetry])
    for record in records:
        observers.record(record)

    spans = "\n".join(span.to_json() for span in exporter.get_finished_spans())
    metrics = reader.get_metrics_data().to_json()
    tracers.shutdown()
    meters.shutdown()
    return f"{plain.getvalue()}\n{structured.getvalue()}\n{spans}\n{metrics}"


def test_no_secret_of_any_kind_comes_out(every_secret, caplog) -> None:
    shown = everything_that_comes_out([record_of(text) for text, _ in every_secret.values()])

    assert shown.count("allowly.decision") > len(every_secret)
    assert caplog.records == []
    for kind, (text, canary) in every_secret.items():
        for form in (canary, json.dumps(canary)[1:-1], canary[:8] if len(canary) > 20 else canary):
            assert form not in shown, f"{kind}: {text[:8]}"


class Careless:
    """Redacts nothing."""

    def redact(self, value: Any) -> Any:
        return value

    def text(self, text: str, limit: int = 0) -> str:
        return text


def test_without_redaction_they_all_do(every_secret) -> None:
    """The negative control: the test above looks where secrets would be."""
    records = [record_of(text) for text, _ in every_secret.values()]

    shown = everything_that_comes_out(records, redactor=Careless())

    assert all(canary in shown for _, canary in every_secret.values())
