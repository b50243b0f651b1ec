"""Hands records to those who watch, so that nothing they do changes what the caller gets."""

from __future__ import annotations

import contextlib
import inspect
import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from allowly_middleware.observability.records import AuditRecord
from allowly_middleware.observability.reports import Reports

logger = logging.getLogger(__name__)


class Observer(Protocol):
    """Whoever wants to know of every decision."""

    def record(self, record: AuditRecord, /) -> None:
        """Take note of a record.

        It is called in the task of the request, before the caller has its answer, so it must not wait for
        anything: what takes long belongs on a queue (`logging.handlers.QueueHandler` is one).
        """
        ...


RecordFn = Callable[[AuditRecord], None]
"""A plain function in the place of an observer."""


class Observers:
    """Several observers as one that never fails.

    Each is told of every record in the order given, whatever became of those before it. One that raises is
    reported to this module's logger by the type of its exception alone (the text may hold what the record
    held), once a minute with the number of failures since.

    Args:
        observers: Observers, or plain functions that take a record.
        clock: Seconds that only go forward.

    Raises:
        TypeError: One is neither, or is asynchronous: nobody would wait for it.
    """

    def __init__(
        self, observers: Iterable[Observer | RecordFn] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._told = tuple(_Told(observer, clock) for observer in observers)

    def __len__(self) -> int:
        return len(self._told)

    def record(self, record: AuditRecord, /) -> None:
        """Tell everyone. Nothing is raised but what ends the process or the task."""
        for told in self._told:
            told.record(record)


class _Told:
    def __init__(self, observer: Observer | RecordFn, clock: Callable[[], float]) -> None:
        record = getattr(observer, "record", observer)
        if not callable(record):
            raise TypeError(f"an observer has a method `record` or is a function, not {type(observer).__name__}")
        if inspect.iscoroutinefunction(record) or inspect.iscoroutinefunction(getattr(record, "__call__", None)):  # noqa: B004 - looked at, not tested
            raise TypeError("an observer must not be asynchronous: put records on a queue, and wait elsewhere")
        self._record: Callable[[AuditRecord], object] = record
        self._name = getattr(observer, "__qualname__", type(observer).__qualname__)
        self._reports = Reports(clock)

    def record(self, record: AuditRecord) -> None:
        try:
            self._record(record)
        except Exception as error:  # noqa: BLE001 - a watcher must not change what is watched
            self._report(type(error).__name__)

    def _report(self, failure: str) -> None:
        failures = self._reports.failed()
        if not failures:
            return
        # Where even the log fails there is nobody left to tell.
        with contextlib.suppress(Exception):
            logger.error("the observer %s failed %d times, last with %s", self._name, failures, failure)
