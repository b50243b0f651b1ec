"""An approver's program that is killed at each step, on a real authority: what its journal says is true (G12)."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

from allowly_harness.journal import Fate, Intact, Journal, verify
from allowly_harness.journal.calls import calls_of

pytestmark = pytest.mark.anyio

CHILD = Path(__file__).parent / "killed_inbox.py"
OPEN, UNKNOWN = ("cut off", Fate.NOT_HERE), ("cut off", Fate.UNKNOWN)
CASES = {
    ("asked", "before"): None,
    ("asked", "after"): OPEN,
    ("answered", "before"): OPEN,
    ("answered", "after"): UNKNOWN,
    ("resolve_escalation", "before"): UNKNOWN,
    ("resolve_escalation", "after"): UNKNOWN,
    ("posted", "after"): ("approved", Fate.NOT_HERE),
}
ON_RECORD = {("resolve_escalation", "after"), ("posted", "after")}


async def test_after_a_kill_at_any_step_the_journal_never_says_of_an_answer_on_record_that_it_was_not_given(
    office, tmp_path
):
    """G12."""
    key = await office.key_for("ada")
    asked = {await office.escalate(arguments={"amount": number}): place for number, place in enumerate(CASES)}
    cases = [",".join((prompt_id, *place)) for prompt_id, place in asked.items()]

    with anyio.fail_after(60):
        command = [sys.executable, str(CHILD), str(tmp_path), office.base_url, key, *cases]
        done = await anyio.run_process(command, check=False)

    assert done.returncode == 0, done.stderr.decode()
    for prompt_id, place in asked.items():
        async with Journal.open(tmp_path / f"{prompt_id}.db") as book:
            calls = calls_of(book.entries())
            assert isinstance(verify(book), Intact)
        status = (await office.owner.lookup_prompt(escalation_id=prompt_id)).status
        said = (calls[0].state(lambda _: False), calls[0].fate) if calls else None
        assert (place, said, status) == (place, CASES[place], "approved" if place in ON_RECORD else "pending")
