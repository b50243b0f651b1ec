"""The page tells the limits, metrics and paths that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from allowly_authority import logs
from allowly_authority.service import health
from allowly_authority.strict_json import MAX_JSON_DEPTH
from allowly_authority.web import listening, protocol, reading
from allowly_authority.web.metrics import Metrics

PAGE = (Path(__file__).parents[2] / "docs" / "authority.md").read_text()


@pytest.mark.parametrize(
    "told",
    [
        f"| request line and headers | {protocol.MAX_HEADER_BYTES // 1024} KiB |",
        f"| time until they are there, from the connection or their first byte | {protocol.HEADER_SECONDS:.0f} s |",
        f"| body | {reading.MAX_BODY_BYTES // 1024} KiB |",
        f"| {reading.MAX_POLICY_BODY_BYTES // 1024} KiB | 413 |",
        f"| time until the body is there | {reading.BODY_SECONDS:.0f} s |",
        f"| nesting of a body | {MAX_JSON_DEPTH} levels |",
        f"| `Idempotency-Key` | {reading.MAX_KEY_CHARACTERS} characters",
        f"| idle connection | {listening.KEEP_ALIVE_SECONDS} s |",
        f"| reply that its client does not read | {protocol.WRITE_SECONDS:.0f} s |",
        f"| TLS handshake | {listening.HANDSHAKE_SECONDS:.0f} s |",
        f"| connections at a time | {protocol.MAX_CONNECTIONS:,} | 503 for {protocol.CONNECTIONS_TOLD} more",
        f"requests under way have {listening.GRACE_SECONDS} s",
        f"at most {logs.MAX_WAITING_LINES:,} lines wait",
        f"in at most {health.PROBE_LIMIT_SECONDS} s",
    ],
)
def test_each_limit_is_told_as_it_is(told: str) -> None:
    assert told in PAGE


def test_every_metric_is_told_and_no_other() -> None:
    served = {family.name for family in Metrics().registry.collect() if family.name.startswith("allowly_")}
    told = set(re.findall(r"`(allowly_authority_\w+)`", PAGE)) | {
        f"allowly_authority_database_{short}" for short in re.findall(r"`\.\.\._(\w+)`", PAGE)
    }

    assert {name.removesuffix("_total") for name in told} == served
