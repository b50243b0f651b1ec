"""Whoever watches sees every record, and changes nothing."""

import json
import logging
from dataclasses import FrozenInstanceError, fields
from functools import partial

import pytest

from allowly_middleware.observability.observers import Observers
from allowly_middleware.observability.records import AuditRecord, Decision
from allowly_middleware.observability.reports import REPORT_SECONDS
from allowly_middleware.pipeline import CallFacts, Operation, Subject

FACTS = CallFacts(Operation.TOOL_CALL, "mail", "send", {"to": "ada"}, subject=Subject("ada"), method="tools/call")
RECORD = AuditRecord.of(FACTS, Decision.ALLOWED, ran=True)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Kept(list[AuditRecord]):
    def record(self, record: AuditRecord, /) -> None:
        self.append(record)


class Broken:
    def record(self, record: AuditRecord, /) -> None:
        raise RuntimeError("canary of a secret")


@pytest.mark.parametrize("decision", Decision)
def test_a_record_has_the_same_members_whatever_was_decided(decision: Decision) -> None:
    members = AuditRecord.of(FACTS, decision, "why").as_dict()

    assert set(members) == {field.name for field in fields(AuditRecord)} | {"v"}
    assert json.loads(json.dumps(members)) == members
    assert (members["decision"], members["server"], members["target"], members["subject_id"]) == (
        decision.value,
        "mail",
        "send",
        "ada",
    )


def test_a_record_holds_no_arguments_unless_they_are_given() -> None:
    assert RECORD.as_dict()["arguments"] is None
    assert AuditRecord.of(FACTS, Decision.ALLOWED, arguments={"to": "ada"}).as_dict()["arguments"] == {"to": "ada"}


def test_a_record_cannot_be_changed_by_those_who_are_told() -> None:
    with pytest.raises(FrozenInstanceError):
        RECORD.decision = Decision.ERROR  # type: ignore[misc]


def test_a_broken_observer_keeps_no_record_from_the_others(caplog) -> None:
    first, last = Kept(), Kept()

    Observers([first, Broken(), last]).record(RECORD)

    assert first == last == [RECORD]
    assert "Broken failed 1 times, last with RuntimeError" in caplog.text
    assert "canary" not in caplog.text


def test_failures_are_reported_once_a_minute_for_each_observer(caplog) -> None:
    clock = Clock()
    observers = Observers([Broken(), Broken()], clock=clock)

    for _ in range(3):
        observers.record(RECORD)
    clock.now = REPORT_SECONDS
    observers.record(RECORD)

    assert [entry.args[1] for entry in caplog.records] == [1, 1, 3, 3]


def test_a_plain_function_is_an_observer() -> None:
    kept: list[AuditRecord] = []

    Observers([kept.append]).record(RECORD)

    assert kept == [RECORD]


def test_what_ends_the_process_is_not_held_back() -> None:
    def interrupted(record: AuditRecord) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Observers([interrupted]).record(RECORD)


async def waiting(record: AuditRecord) -> None: ...


class Waiting:
    async def record(self, record: AuditRecord, /) -> None: ...


class Awaited:
    async def __call__(self, record: AuditRecord) -> None: ...


@pytest.mark.parametrize("observer", [waiting, Waiting(), Awaited(), partial(waiting), None, "print"])
def test_what_would_never_run_is_refused_when_it_is_given(observer) -> None:
    with pytest.raises(TypeError, match="observer"):
        Observers([observer])


def test_a_log_that_fails_does_not_fail_the_call(caplog) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("disk full")

    failing = Failing()
    log = logging.getLogger("allowly_middleware.observability.observers")
    log.addHandler(failing)
    try:
        Observers([Broken()]).record(RECORD)
    finally:
        log.removeHandler(failing)
