"""How an authority is reached, below its API: TLS, and the clock behind it.

No key is sent. What certificates the authority's client accepts, it decides by itself.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from allowly_harness.cli.checkups.finding import Finding
from allowly_harness.cli.exits import ExitCode

PROBE_SECONDS: Final = 5.0
"""How long connecting, and then each read, may take."""

MAX_CLOCK_SECONDS: Final = 5.0
"""Clock difference from which deadlines look wrong to a person; a `Date` header is exact to a second."""

CERTIFICATE_DAYS: Final = 14
"""How long before its end a certificate is worth a word."""

_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Probe:
    """What one request without a key brought.

    Attributes:
        problem: Why there was no answer; empty if there was one.
        tls: The version of TLS; `None` without it.
        certificate_ends: When the certificate ends, in seconds since 1970; `None` without one.
        clock_ahead: How far the authority's clock is ahead of this computer's, in seconds; `None` if it did not say.
    """

    problem: str = ""
    tls: str | None = None
    certificate_ends: float | None = None
    clock_ahead: float | None = None


def probe(base_url: str) -> Probe:
    """Ask an authority whether it is ready, without a key. Blocks; run it in a thread.

    Args:
        base_url: A URL that the authority's client has accepted.
    """
    parts = urlsplit(base_url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.netloc, timeout=PROBE_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=PROBE_SECONDS)
    try:
        connection.connect()
        tls, ends = _certificate(connection)
        before = time.time()
        connection.request("GET", f"{parts.path.rstrip('/')}/readyz", headers={"Accept": "application/json"})
        date = connection.getresponse().getheader("Date")
        return Probe(tls=tls, certificate_ends=ends, clock_ahead=_ahead(date, before, time.time()))
    except ssl.SSLCertVerificationError as error:
        return Probe(f"its certificate is not accepted: {error.verify_message}")
    except TimeoutError:
        return Probe(f"no answer within {PROBE_SECONDS:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Probe(getattr(error, "strerror", None) or f"{type(error).__name__}")
    finally:
        connection.close()


def _certificate(connection: http.client.HTTPConnection) -> tuple[str | None, float | None]:
    if not isinstance(connection.sock, ssl.SSLSocket):
        return None, None
    ends = (connection.sock.getpeercert() or {}).get("notAfter")
    return connection.sock.version(), ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else None


def _ahead(date: str | None, before: float, after: float) -> float | None:
    """Return the difference of the clocks; 0 if the whole second of the header fits into the exchange."""
    try:
        told = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if told + 1 < before:
        return told + 1 - before
    return max(0.0, told - after)


def findings_of(found: Probe, base_url: str, now: float) -> Iterator[Finding]:
    """Say what a probe means.

    Args:
        found: What it brought.
        base_url: What was probed.
        now: Seconds since 1970.
    """
    if found.problem:
        advice = "check the address and the network; allowly-harness authority serve runs one here"
        text = f"{base_url} cannot be reached: {found.problem}"
        yield Finding.fail("authority", text, advice, ExitCode.AUTHORITY_UNREACHABLE)
        return
    if found.tls is not None:
        left = ((found.certificate_ends or now) - now) / _DAY
        text = f"{found.tls}, the certificate ends in {left:.0f} days"
        soon = found.certificate_ends is not None and left < CERTIFICATE_DAYS
        yield Finding.warn("tls", text, "have it renewed") if soon else Finding.ok("tls", text)
    else:
        yield Finding.ok("tls", "none, which is fine on this machine")
    if found.clock_ahead is None:
        yield Finding.warn("clock", "the authority does not say what time it is")
    elif abs(found.clock_ahead) > MAX_CLOCK_SECONDS:
        text = f"the authority's is {abs(found.clock_ahead):.0f} s {'ahead' if found.clock_ahead > 0 else 'behind'}"
        yield Finding.warn("clock", f"{text}: deadlines look wrong where they cannot be verified", "set the clocks")
    else:
        yield Finding.ok("clock", "the authority's agrees with this computer's")
