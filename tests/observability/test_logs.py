"""Records and whatever else is logged, as lines that machines read and that give nothing away."""

import io
import json
import logging
from typing import Any

import pytest

from allowly_middleware.observability import AuditRecord, Decision, JsonFormatter, LogObserver
from allowly_middleware.observability.logs import LEVELS
from allowly_middleware.pipeline import CallFacts, Operation, Subject

FACTS = CallFacts(Operation.TOOL_CALL, "mail", "send", {"to": "ada"}, subject=Subject("ada"), method="tools/call")


@pytest.fixture
def log() -> tuple[logging.Logger, io.StringIO]:
    """A logger of its own that writes JSON."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("own")  # noqa: LOG001 - shared with nobody
    logger.addHandler(handler)
    return logger, written


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize("decision", Decision)
def test_every_decision_is_one_line_of_one_shape(decision: Decision, log) -> None:
    logger, written = log

    LogObserver(logger).record(AuditRecord.of(FACTS, decision, "why", ran=False, duration_ms=1.5))

    (line,) = lines(written)
    assert line["level"] == logging.getLevelName(LEVELS[decision])
    assert line["message"] == f'{decision.value} tool:call "mail.send" reason="why" subject="ada"'
    assert line["audit"]["decision"] == decision.value
    assert set(line["audit"]) == set(AuditRecord.of(FACTS, decision).as_dict())


def test_an_entry_carries_the_record_as_one_plain_object(caplog) -> None:
    with caplog.at_level(logging.INFO, logger="allowly_middleware.audit"):
        LogObserver().record(AuditRecord.of(FACTS, Decision.ALLOWED, arguments={"to": ("ada",), "password": "canary"}))

    audit = caplog.records[0].audit
    assert audit["arguments"] == {"to": ["ada"], "password": "[redacted]"}
    assert json.loads(json.dumps(audit)) == audit


def test_a_logger_that_wants_no_records_costs_no_redaction() -> None:
    class Refusing:
        def redact(self, value: Any) -> Any:
            raise AssertionError("redacted")

    logger = logging.Logger("own", logging.ERROR)  # noqa: LOG001 - shared with nobody

    LogObserver(logger, redactor=Refusing()).record(AuditRecord.of(FACTS, Decision.ALLOWED))  # type: ignore[arg-type]


HOSTILE = "x\nERROR forged\x1b[2J\u202e\u2028\ud800"


def test_names_cannot_begin_a_line_of_their_own_or_turn_the_text_round(log) -> None:
    """G8: names, reasons and ids come from callers."""
    logger, written = log
    facts = CallFacts(Operation.TOOL_CALL, HOSTILE, HOSTILE, subject=Subject(HOSTILE), method=HOSTILE)
    plain = logging.StreamHandler(text := io.StringIO())
    logger.addHandler(plain)

    LogObserver(logger).record(
        AuditRecord.of(facts, Decision.DENIED_BY_POLICY, HOSTILE, rule=HOSTILE, request_id=HOSTILE)
    )

    for output in (written.getvalue(), text.getvalue()):
        assert output.isascii()
        assert output.count("\n") == 1
        assert "\x1b" not in output


def test_what_others_log_is_redacted_too(log, secret) -> None:
    logger, written = log
    text, canary = secret

    logger.error("the reply was %s", text)
    logger.error("failed", exc_info=RuntimeError(text))

    assert canary not in written.getvalue()
    assert "RuntimeError" in lines(written)[1]["traceback"]


def test_an_entry_that_cannot_be_written_is_noted(log) -> None:
    logger, written = log

    logger.error("%d", "no number")
    logger.error("%s", type("Hostile", (), {"__str__": lambda self: 1 / 0})())

    assert [line["message"] for line in lines(written)] == [
        "[a message that cannot be written: TypeError]",
        "[a message that cannot be written: ZeroDivisionError]",
    ]
