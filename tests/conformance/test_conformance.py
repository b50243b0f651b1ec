"""The newest published SDK against the authority, and whether a run would notice. `make conformance` runs them all."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import anyio
import pytest

from allowly_authority import embedded_authority

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent


def test_the_installed_sdk_does_what_the_table_says():
    run = [sys.executable, str(HERE / "run.py"), "--installed"]

    done = subprocess.run(run, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


async def test_an_authority_that_decides_otherwise_is_noticed(tmp_path, expectations):
    async with embedded_authority(db=tmp_path / "authority.db") as running:
        plan = {"base_url": running.base_url, "api_key": running.api_key, "authorizations": ["auth_nobody"] * 20}
        run = [sys.executable, str(HERE / "sdk_client.py")]
        with anyio.fail_after(300):
            done = await anyio.run_process(run, input=json.dumps(plan).encode())

    said = json.loads(done.stdout)
    faults = {name for name, outcome in said["outcomes"].items() if expectations.fault(name, said["version"], outcome)}
    assert {"check_allow", "check_confirm", "check_escalate", "check_deny", "check_all_at_once"} <= faults
    assert {"confirmation_approve", "confirmation_refuse", "confirmation_status", "revoke"} <= faults
    assert {"escalation_approve", "escalation_reject", "escalation_status"} <= faults
    assert not {"readiness", "check_unknown", "wrong_key"} & faults


@pytest.mark.parametrize(
    ("operation", "version", "outcome", "is_a_fault"),
    [
        ("check_allow", "0.2.0", "works", False),
        ("check_allow", "0.2.0", "AssertionError: got 'deny', not 'allow'", True),
        ("check_allow", "0.2.0", "absent", True),
        ("readiness", "0.6.1", "absent", False),
        ("readiness", "0.6.1", "works", True),
        ("readiness", "0.7.0", "absent", True),
        ("create_inline", "0.8.0", "absent", False),
        ("confirmation_refuse", "0.5.1", "AllowlyProtocolError: unknown confirmation decision", False),
        ("confirmation_refuse", "0.5.1", "AllowlyAPIError: internal", True),
        ("confirmation_refuse", "0.5.1", "works", True),
        ("confirmation_refuse", "0.6.1", "AllowlyProtocolError: unknown confirmation decision", True),
    ],
)
def test_an_outcome_is_a_fault_where_it_is_not_the_expected_one(expectations, operation, version, outcome, is_a_fault):
    assert (expectations.fault(operation, version, outcome) is not None) is is_a_fault


def test_what_begins_to_work_is_a_fault_until_the_table_says_so(expectations, monkeypatch):
    monkeypatch.setattr(expectations, "NOT_YET", frozenset({"check_allow"}))

    assert expectations.fault("check_allow", "0.8.0", "AllowlyAPIError: not found") is None
    assert "correct expectations.py" in expectations.fault("check_allow", "0.8.0", "works")


def test_the_page_shows_the_table(expectations):
    assert expectations.page() == expectations.PAGE.read_text(), "run python tests/conformance/expectations.py"


def test_the_sdk_of_the_tests_is_the_newest_of_the_table(expectations):
    assert version("allowly") == expectations.VERSIONS[-1]
