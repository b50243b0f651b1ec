"""A call that waits survives the end of its program at any step, and runs at most once whoever resumes it (G4, G12)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from allowly_harness.journal import Fate, Intact, Journal, verify
from allowly_harness.journal.calls import calls_of
from allowly_harness.journal.pending import PendingState


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case, played once by processes of their own."""
    folder = tmp_path_factory.mktemp("killed")
    script = Path(__file__).with_name("killed_pending.py")
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def runs_of(place: Path) -> int:
    ran = place / "ran"
    return len(ran.read_text().splitlines()) if ran.exists() else 0


def outcomes_of(place: Path) -> list[str]:
    return (place / "outcome").read_text().splitlines()


@pytest.mark.parametrize("step", ["dispatched", "blocked"])
async def test_before_its_question_nothing_is_kept_of_a_call(folder: Path, step: str) -> None:
    place = folder / f"deferring, killed after {step}"

    assert (outcomes_of(place), runs_of(place)) == (["nothing waits"], 0)


@pytest.mark.parametrize("step", ["asked", "answered", "finished"])
async def test_from_its_question_on_a_call_survives_its_program_and_runs_once_when_it_is_approved(
    folder: Path, step: str
) -> None:
    place = folder / f"deferring, killed after {step}"

    assert (outcomes_of(place), runs_of(place)) == (["allowed"], 1)
    async with Journal.open(place / "journal.db") as journal:
        assert journal.pending.list() == []
        assert isinstance(verify(journal), Intact)
        (call,) = calls_of(journal.entries())
        assert call.fate is Fate.RAN


@pytest.mark.parametrize(("last", "runs"), [("dispatched", 0), ("in the tool", 1), ("in finished", 1)])
async def test_a_call_whose_sending_was_cut_off_is_unknown_and_is_never_sent_again(
    folder: Path, last: str, runs: int
) -> None:
    place = folder / f"resuming, killed {last}"

    assert (outcomes_of(place), runs_of(place)) == (["deferred", "PendingError"], runs)
    async with Journal.open(place / "journal.db") as journal:
        assert journal.pending.list()[0].state is PendingState.UNKNOWN
        (call,) = calls_of(journal.entries())
        assert call.fate is Fate.UNKNOWN


async def test_of_two_processes_that_resume_one_call_at_once_one_makes_it(folder: Path) -> None:
    place = folder / "two at once"

    assert runs_of(place) == 1
    first, *rest = outcomes_of(place)
    assert first == "deferred"
    assert "allowed" in rest
    assert set(rest) <= {"allowed", "PendingTaken", "PendingUnknown", "nothing waits", "PendingError"}
