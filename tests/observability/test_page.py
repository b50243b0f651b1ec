"""The examples of the page about observability do what it says, in front of a real server."""

import importlib.util
import json
import logging
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import anyio
import pytest
from fastmcp import Client

from allowly_middleware.observability import AuditRecord, Decision, LogObserver
from allowly_middleware.observability.logs import LEVELS
from allowly_middleware.pipeline import CallFacts, Operation

pytestmark = pytest.mark.anyio
DOCS = Path(__file__).parents[2] / "docs"
FACTS = CallFacts(Operation.TOOL_CALL, "mail", "send")


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", DOCS / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_logging_example_writes_a_line_for_each_call(monkeypatch, capsys):
    monkeypatch.setattr(logging, "basicConfig", lambda **options: None)
    server = example("observability_logs")
    audit = logging.getLogger("allowly_middleware.audit")
    audit.addHandler(server.handler)
    monkeypatch.setattr(audit, "level", logging.INFO)

    with anyio.fail_after(10):
        async with Client(server.mcp) as client:
            await client.call_tool_mcp("send_email", {"to": "ada@example.com"})
    audit.removeHandler(server.handler)

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"audit"' in line]
    calls = [line["audit"] for line in lines if line["audit"]["operation"] == "tool:call"]
    assert [(call["decision"], call["target"], call["ran"]) for call in calls] == [("allowed", "send_email", True)]
    assert "ada@example.com" not in json.dumps(lines)


def test_the_queue_example_writes_records_from_a_thread_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    queued = example("observability_queue")

    queued.listener.start()
    queued.observer.record(AuditRecord.of(FACTS, Decision.LIMITED, "limit_exceeded"))
    queued.listener.stop()
    queued.written.close()
    queued.audit.handlers.clear()

    line = json.loads((tmp_path / "audit.jsonl").read_text())
    assert line["audit"]["reason"] == "limit_exceeded"


def test_the_telemetry_example_redacts_what_it_names():
    redactor = example("observability_telemetry").redactor

    shown = redactor.redact({"iban": "DE02", "note": "for customer-4711"})

    assert shown == {"iban": "[redacted]", "note": "for [redacted]"}


def test_the_example_observer_counts_what_is_refused():
    own = example("observability_own")

    for decision in (Decision.ALLOWED, Decision.ASKED, Decision.LIMITED, Decision.LIMITED):
        own.count(AuditRecord.of(FACTS, decision, "why"))

    assert own.refused == {"why": 2}


def test_the_page_names_every_decision_and_every_member():
    page = (DOCS / "observability.md").read_text()

    levels = {f"| `{decision.value}` | {logging.getLevelName(LEVELS[decision])} |" for decision in Decision}
    assert all(row in page for row in levels)
    assert all(f"`{field.name}`" in page for field in fields(AuditRecord))


def test_a_line_of_the_page_is_what_the_observer_writes(caplog):
    page = (DOCS / "observability.md").read_text()
    with caplog.at_level(logging.INFO, "allowly_middleware.audit"):
        LogObserver().record(AuditRecord.of(FACTS, Decision.LIMITED, "limit_exceeded"))

    assert caplog.messages[0] in page
