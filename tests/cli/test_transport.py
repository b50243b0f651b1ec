"""What `doctor` makes of an authority below its API: TLS, the clock, and who is not there."""

import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from allowly_harness.cli.checkups.transport import Probe, findings_of, probe

URL = "https://authority.example"
NOW = 1_800_000_000.0
DAY = 86_400


@pytest.fixture
def serve() -> Iterator[object]:
    """Start a server that answers with one `Date` header, and return its URL."""
    running: list[HTTPServer] = []

    def start(date: str | None) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.headers["Authorization"] is None
                self.send_response_only(200)
                if date is not None:
                    self.send_header("Date", date)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        running.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def line(found: Probe, subject: str) -> str:
    return next(one.line() for one in findings_of(found, URL, NOW) if one.subject == subject)


def test_a_clock_that_agrees_is_fine(serve) -> None:
    found = probe(serve(formatdate(usegmt=True)))

    assert found.problem == ""
    assert found.clock_ahead is not None
    assert abs(found.clock_ahead) < 5


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_off_is_measured(serve, seconds: int) -> None:
    found = probe(serve(formatdate(time.time() + seconds, usegmt=True)))

    assert found.clock_ahead == pytest.approx(seconds, abs=10)


@pytest.mark.parametrize("date", [None, "yesterday", ""])
def test_a_clock_that_is_not_told_is_said_to_be_unknown(serve, date: str | None) -> None:
    found = probe(serve(date))

    assert found == Probe()
    assert line(found, "clock").startswith("warn")


def test_nobody_listening_is_a_failure_with_its_code() -> None:
    found = probe("http://127.0.0.1:9")

    failure = next(findings_of(found, "http://127.0.0.1:9", NOW))
    assert (failure.status, int(failure.code)) == ("FAIL", 7)
    assert "http://127.0.0.1:9 cannot be reached" in failure.line()


@pytest.mark.parametrize(
    ("found", "subject", "words"),
    [
        (Probe(tls="TLSv1.3", certificate_ends=NOW + 90 * DAY, clock_ahead=0), "tls", "ok    tls            TLSv1.3"),
        (Probe(tls="TLSv1.3", certificate_ends=NOW + 3 * DAY, clock_ahead=0), "tls", "ends in 3 days; next: have it"),
        (Probe(clock_ahead=0), "tls", "none, which is fine on this machine"),
        (Probe(clock_ahead=120), "clock", "the authority's is 120 s ahead"),
        (Probe(clock_ahead=-120), "clock", "the authority's is 120 s behind"),
        (Probe(clock_ahead=2), "clock", "ok    clock"),
        (Probe(problem="its certificate is not accepted: expired"), "authority", "FAIL  authority"),
    ],
)
def test_what_was_measured_is_said_in_one_line(found: Probe, subject: str, words: str) -> None:
    assert words in line(found, subject)
