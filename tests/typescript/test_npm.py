"""The package's own tests, with Node's own runner."""

import subprocess
import sys
from pathlib import Path

SECONDS = 300


def test_the_tests_of_the_package_pass(twin) -> None:
    program = Path(sys.executable).with_name("allowly-harness")
    done = subprocess.run(
        [*twin.npm, "test"],
        cwd=twin.built,
        env=twin.environment | {"ALLOWLY_HARNESS": str(program)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert "# fail 0" in done.stdout or "fail 0" in done.stdout
