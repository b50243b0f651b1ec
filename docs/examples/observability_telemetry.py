"""Decisions as spans and metrics, with the arguments of calls, redacted, in the spans."""

import re

from allowly_middleware.observability import OpenTelemetryObserver, Redactor
from allowly_middleware.pipeline import Pipeline

redactor = Redactor(names=[re.compile("(?i)iban")], patterns=[re.compile(r"customer-\d+")])
pipeline = Pipeline(
    "mail",
    observers=[OpenTelemetryObserver(record_arguments=True, redactor=redactor)],
    record_arguments=True,
)
