"""Spans and metrics, as the real SDK of OpenTelemetry exports them."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import mcp
import pytest
from mcp.server.lowlevel import Server
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from allowly_middleware.observability import AuditRecord, Decision, OpenTelemetryObserver
from allowly_middleware.observability.telemetry import MAX_ARGUMENTS_CHARACTERS, MAX_LABELS
from allowly_middleware.pipeline import CallFacts, Operation, Subject

FACTS = CallFacts(Operation.TOOL_CALL, "mail", "send", {"to": "ada"}, subject=Subject("ada"), method="tools/call")


class Telemetry:
    """An SDK of its own: nothing is global."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    def observer(self, **options: Any) -> OpenTelemetryObserver:
        return OpenTelemetryObserver(tracer_provider=self.tracers, meter_provider=self.meters, **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def metrics(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        found = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []
        return {metric.name: list(metric.data.data_points) for metric in found}


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.tracers.shutdown()
    telemetry.meters.shutdown()


def test_a_span_says_what_was_decided_why_and_how_long_it_took(telemetry) -> None:
    observer = telemetry.observer(clock=lambda: 10_000_000_000)

    observer.record(
        AuditRecord.of(
            FACTS,
            Decision.DENIED_BY_PERSON,
            "person_declined",
            rule="line 7",
            ran=False,
            waited_ms=1500.0,
            duration_ms=2000.0,
            request_id="5",
            arguments_digest="0f" * 32,
            arguments={"to": "ada"},
        )
    )

    (span,) = telemetry.spans
    assert (span.name, span.start_time, span.end_time) == ("allowly.decision", 8_000_000_000, 10_000_000_000)
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes) == {
        "allowly.decision": "denied_by_person",
        "allowly.operation": "tool:call",
        "allowly.server": "mail",
        "allowly.target": "send",
        "allowly.reason": "person_declined",
        "allowly.rule": "line 7",
        "allowly.ran": False,
        "allowly.waited_ms": 1500.0,
        "allowly.arguments.digest": "0f" * 32,
        "mcp.method.name": "tools/call",
        "jsonrpc.request.id": "5",
    }


@pytest.mark.parametrize("decision", Decision)
def test_only_what_failed_is_an_error_in_a_trace(decision: Decision, telemetry) -> None:
    telemetry.observer().record(AuditRecord.of(FACTS, decision, "why"))

    failed = telemetry.spans[0].status.status_code is StatusCode.ERROR
    assert failed == (decision in {Decision.ERROR, Decision.UNAVAILABLE})


def test_arguments_and_subject_are_in_spans_only_where_that_was_asked_for(telemetry) -> None:
    record = AuditRecord.of(FACTS, Decision.ALLOWED, arguments={"to": "ada@example.com", "api_key": "canary"})

    telemetry.observer().record(record)
    telemetry.observer(record_arguments=True, record_subject=True).record(record)

    without, with_them = (dict(span.attributes) for span in telemetry.spans)
    assert set(with_them) - set(without) == {"allowly.arguments", "user.id"}
    assert with_them["allowly.arguments"] == '{"to": "ada@example.com", "api_key": "[redacted]"}'
    assert with_them["user.id"] == "ada"


def test_arguments_in_spans_are_bounded(telemetry) -> None:
    record = AuditRecord.of(FACTS, Decision.ALLOWED, arguments={str(n): "x" * 5000 for n in range(60)})

    telemetry.observer(record_arguments=True).record(record)

    shown = telemetry.spans[0].attributes["allowly.arguments"]
    assert len(shown) == MAX_ARGUMENTS_CHARACTERS
    assert shown.endswith(" characters]")


def test_metrics_count_decisions_and_measure_waits_and_durations_in_seconds(telemetry) -> None:
    observer = telemetry.observer()

    observer.record(AuditRecord.of(FACTS, Decision.ALLOWED, "rule_allows", duration_ms=20.0))
    observer.record(AuditRecord.of(FACTS, Decision.ALLOWED, "rule_allows", duration_ms=30.0, waited_ms=10.0))
    observer.record(AuditRecord.of(FACTS, Decision.LIMITED, "limit_exceeded"))

    metrics = telemetry.metrics()
    about = {"allowly.decision": "allowed", "allowly.operation": "tool:call", "allowly.server": "mail"}
    assert {point.attributes["allowly.decision"]: point.value for point in metrics["allowly.decisions"]} == {
        "allowed": 2,
        "limited": 1,
    }
    assert dict(metrics["allowly.decisions"][0].attributes) == about | {"allowly.reason": "rule_allows"}
    (wait,) = metrics["allowly.wait.duration"]
    (duration,) = metrics["allowly.request.duration"]
    assert (wait.count, wait.sum, dict(wait.attributes)) == (1, pytest.approx(0.01), about)
    assert (duration.count, duration.sum, dict(duration.attributes)) == (2, pytest.approx(0.05), about)


def test_no_caller_makes_metrics_grow(telemetry) -> None:
    """Tools, subjects and free texts come from callers; one series each would fill the memory of the process."""
    observer = telemetry.observer()

    for n in range(3 * MAX_LABELS):
        facts = CallFacts(Operation.TOOL_CALL, "mail", f"tool {n}", subject=Subject(f"subject {n}"))
        observer.record(AuditRecord.of(facts, Decision.DENIED_BY_MIDDLEWARE, f"reason_{n}", duration_ms=1.0))
        observer.record(AuditRecord.of(facts, Decision.DENIED_BY_MIDDLEWARE, f"Free text {n}", rule=f"rule {n}"))

    metrics = telemetry.metrics()
    reasons = {point.attributes["allowly.reason"] for point in metrics["allowly.decisions"]}
    assert len(reasons) == MAX_LABELS + 1
    assert "other" in reasons
    assert not any("Free" in reason for reason in reasons)
    assert len(metrics["allowly.request.duration"]) == 1


def test_without_an_sdk_nothing_happens() -> None:
    OpenTelemetryObserver().record(AuditRecord.of(FACTS, Decision.ALLOWED))


async def test_below_the_span_of_a_request_to_an_sdk_server(telemetry, monkeypatch) -> None:
    monkeypatch.setattr("mcp.shared._otel._tracer", telemetry.tracers.get_tracer("mcp-python-sdk"))
    observer = telemetry.observer()

    async def list_tools(ctx: Any, params: Any) -> mcp.types.ListToolsResult:
        return mcp.types.ListToolsResult(tools=[])

    async def decide(ctx: Any, call_next: Any) -> Any:
        result = await call_next(ctx)
        observer.record(AuditRecord.of(FACTS, Decision.ALLOWED))
        return result

    server: Server[Any] = Server("mail", on_list_tools=list_tools)
    server.middleware.append(decide)
    with anyio.fail_after(10):
        async with mcp.Client(server) as client:
            await client.list_tools()

    parents = {span.context.span_id: span.name for span in telemetry.spans}
    decisions = [parents.get(span.parent.span_id) for span in telemetry.spans if span.name == "allowly.decision"]
    assert "tools/list" in decisions
    assert None not in decisions


def test_a_missing_package_is_named() -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import allowly_middleware.observability as o\n"
        "o.LogObserver\n"
        "try: o.OpenTelemetryObserver\n"
        "except ImportError as error: print(error)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)

    assert "allowly-harness[telemetry]" in done.stdout
