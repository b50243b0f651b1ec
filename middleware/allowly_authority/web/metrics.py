"""`/metrics`, in the text format of Prometheus.

No label ever holds an id, a user, a tool, a nonce or a path: labels are routes, statuses and the words of decisions,
of which there are only so many. The registry belongs to one server and is not the global one of the library.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from allowly_authority.service.health import Health
from allowly_authority.store.schema import SCHEMA_VERSION, StoreError
from allowly_authority.store.timed import DatabaseTimes
from allowly_authority.web.description import OUTCOMES, Description
from allowly_authority.web.endpoint import ANY_KEY, Endpoint

if TYPE_CHECKING:
    from allowly_authority.web.observing import Exchange
    from allowly_authority.web.protocol import Refused

REQUEST_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets of all durations, in seconds. Clients give a check up after one second."""

_DESCRIPTION: Final = Description(
    "Read how the authority does, as Prometheus reads it", media_type=CONTENT_TYPE_PLAIN_0_0_4, extension=True
)


class Metrics:
    """Counts what one server does."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "allowly_authority_requests",
            "Requests that were answered, by route and status; status 499: given up before the reply was begun.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "allowly_authority_request_seconds",
            "How long requests took, by route.",
            ["route"],
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )
        self._decisions = Counter(
            "allowly_authority_decisions",
            "Decisions and answers in replies, repeated replies included.",
            ["outcome"],
            registry=registry,
        )
        self._refused = Counter(
            "allowly_authority_refused_requests",
            "Requests that were refused before they had a route: not HTTP, or too many connections.",
            ["reason"],
            registry=registry,
        )
        self._database = {
            phase: Histogram(
                f"allowly_authority_database_{phase}_seconds", help_, buckets=REQUEST_BUCKETS, registry=registry
            )
            for phase, help_ in _PHASES.items()
        }
        self._failures = Counter(
            "allowly_authority_database_failures", "Changes and reads that the database refused.", registry=registry
        )
        self._prompts = Gauge(
            "allowly_authority_open_prompts", "Questions that wait for an answer.", ["kind"], registry=registry
        )
        self._connections = Gauge(
            "allowly_authority_connections", "Connections of clients that are open.", registry=registry
        )
        self._certificate = Gauge(
            "allowly_authority_certificate_not_after_seconds",
            "When the TLS certificate expires, in seconds since 1970; 0 where there is none.",
            registry=registry,
        )
        # As many as there are series: routes, methods and statuses are all of ours. Finding one by labels takes longer.
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        build = Gauge("allowly_authority_build_info", "Always 1.", ["version", "python", "schema"], registry=registry)
        build.labels(metadata.version("allowly-harness"), platform.python_version(), str(SCHEMA_VERSION)).set(1)
        # Rates need a first value: what never happened is shown as zero.
        self._outcomes = {outcome: self._decisions.labels(outcome) for outcome in OUTCOMES}
        for reason in ("malformed", "overloaded"):
            self._refused.labels(reason)

    def observe(self, exchange: Exchange) -> None:
        """Count an exchange."""
        kind = exchange.method, exchange.route, exchange.status
        children = self._children.get(kind)
        if children is None:
            children = self._requests.labels(*map(str, kind)), self._seconds.labels(exchange.route)
            self._children[kind] = children
        requests, seconds = children
        requests.inc()
        seconds.observe(exchange.seconds)
        for outcome in exchange.outcomes:
            self._outcomes[outcome].inc()

    def observe_database(self, times: DatabaseTimes) -> None:
        """Count a change of the database, or a read."""
        if times.failed:
            self._failures.inc()
        if times.wait_seconds is not None:
            self._database["wait"].observe(times.wait_seconds)
        if times.commit_seconds is not None:
            self._database["commit"].observe(times.commit_seconds)

    def observe_refused(self, reason: Refused) -> None:
        """Count a request that never reached the application."""
        self._refused.labels(reason).inc()

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Take the number of connections from a function, whenever somebody reads it."""
        self._connections.set_function(count)

    def certify(self, not_after_seconds: float) -> None:
        """Tell when the certificate in use expires."""
        self._certificate.set(not_after_seconds)

    async def text(self, health: Health) -> bytes:
        """Return all of it in the text format."""
        try:
            for kind, number in (await health.open_prompts()).items():
                self._prompts.labels(kind).set(number)
        except StoreError:
            # What is not known must not be shown as if it were; everything else still is.
            self._prompts.clear()
        return generate_latest(self.registry)


_PHASES: Final = {
    "wait": "How long a change or a read waited before it began.",
    "commit": "How long a change that was decided took to be committed; changes of one turn share a commit.",
}


def endpoints(health: Health, metrics: Metrics, *, needs_key: bool = True) -> list[Endpoint]:
    """Return the endpoint of the metrics.

    Args:
        health: Tells how many questions are open.
        metrics: What was counted.
        needs_key: Whether a key must be shown; any will do.
    """

    async def read(_: Request) -> Response:
        return Response(
            await metrics.text(health),
            headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"},
        )

    return [Endpoint("GET", "/metrics", ANY_KEY if needs_key else None, read, description=_DESCRIPTION)]
