"""A harness that is killed at any step leaves a journal that tells what can have happened (G12)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from allowly_harness.journal import Fate, Intact, Journal, verify
from allowly_harness.journal.calls import calls_of

STEPS = ["dispatched", "blocked", "asked", "answered", "posted", "dispatched", "finished"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen runs, each killed before or after one of the steps was written down."""
    folder = tmp_path_factory.mktemp("killed")
    script = Path(__file__).with_name("killed_harness.py")
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 8))
async def test_the_verdict_of_a_call_that_was_cut_off_is_never_wrong(folder: Path, number: int, when: str) -> None:
    place = folder / f"{number}-{when}"
    ran = (place / "ran").exists()

    async with Journal.open(place / "journal.db") as journal:
        entries = list(journal.entries())
        calls = calls_of(entries)
        intact = verify(journal)

    written = number if when == "after" else number - 1
    assert [entry.step for entry in entries] == STEPS[:written]
    assert isinstance(intact, Intact)
    fate = calls[0].fate if calls else Fate.NOT_RUN
    assert ran is (number == 7)
    assert fate is (Fate.RAN if written == 7 else Fate.UNKNOWN if written in {1, 6} else Fate.NOT_RUN)
    assert not (ran and fate is Fate.NOT_RUN)
