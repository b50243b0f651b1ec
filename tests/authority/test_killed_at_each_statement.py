"""`kill -9` at every statement of an approval and of a claim: the old state or the new one, and nothing between."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from allowly_authority.store.location import DatabaseUrl

SCRIPT = Path(__file__).parents[1] / "support" / "killed_at.py"

CREATED = ["authorization.create authorization_granted"]
ASKED = [*CREATED, "check confirm"]
APPROVED = sorted([*ASKED, "confirmation.resolve confirmation_approved"])
USED = sorted([*APPROVED, "check allow"])
STATES = {
    "approve": (("pending", ASKED), ("approved", APPROVED), "approved"),
    "claim": (("approved", APPROVED), ("consumed", USED), "allow"),
}


def runs(location: object, operation: str, mode: str) -> list[dict]:
    where = location.text if isinstance(location, DatabaseUrl) else str(location)
    command = [sys.executable, str(SCRIPT), where, operation, mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def held(looked: dict, kept_before: int) -> tuple[str, list[str], int]:
    return looked["state"], looked["receipts"], looked["kept"] - kept_before


def check(each: dict, operation: str) -> None:
    """G12: whole or not at all, as told; and done once in the end, however often it is asked for."""
    (old_state, old_receipts), (new_state, new_receipts), success = STATES[operation]
    old, new = (old_state, old_receipts, 0), (new_state, new_receipts, 1)
    kept = each["before"]["kept"]
    possible = {"failed": [old], success: [new]}.get(each["told"], [old, new])
    assert held(each["before"], kept) == old
    assert held(each["after"], kept) in possible, each
    assert each["again"] == success, each
    assert held(each["final"], kept) == new, each


@pytest.mark.parametrize("operation", ["approve", "claim"])
def test_a_process_that_dies_before_a_statement_leaves_the_old_state_or_the_new(location, operation):
    done = runs(location, operation, "process")

    for each in done:
        check(each, operation)
    assert [each["told"] for each in done[:-1]] == ["killed"] * (len(done) - 1)
    assert len(done) > 8


@pytest.mark.parametrize("operation", ["approve", "claim"])
def test_a_process_that_dies_before_it_reads_the_answer_leaves_the_old_state_or_the_new(postgres_url, operation):
    done = runs(postgres_url, operation, "sent")

    for each in done:
        check(each, operation)
    assert {each["after"]["state"] for each in done} == {STATES[operation][0][0], STATES[operation][1][0]}


@pytest.mark.parametrize("operation", ["approve", "claim"])
def test_a_server_that_crashes_at_a_statement_leaves_the_state_that_was_told(postgres, postgres_url, operation):
    try:
        done = runs(postgres_url, operation, "backend")
    finally:
        postgres.wait()

    for each in done:
        check(each, operation)
    assert "killed" not in {each["told"] for each in done}
