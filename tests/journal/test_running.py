"""Which programs still run, told by a lock that ends with its process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from allowly_harness.journal.running import counted_as_running, is_running, programs_folder

HOLD = (
    "import sys\n"
    "from pathlib import Path\n"
    "from allowly_harness.journal.running import counted_as_running\n"
    "with counted_as_running(Path(sys.argv[1])) as program:\n"
    "    print(program, flush=True)\n"
    "    sys.stdin.read()\n"
)


def test_a_program_counts_as_running_until_it_is_killed(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    program = process.stdout.readline().strip()

    assert is_running(path, program)

    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert not is_running(path, program)
    assert list(programs_folder(path).iterdir()) == []


def test_a_program_that_ends_in_order_leaves_nothing(path: Path) -> None:
    with counted_as_running(path) as program:
        assert is_running(path, program)

    assert not is_running(path, program)
    assert list(programs_folder(path).iterdir()) == []


def test_a_name_from_a_damaged_journal_leads_nowhere_else(path: Path) -> None:
    assert not is_running(path, "../../etc/passwd")
    assert not is_running(path, "")
