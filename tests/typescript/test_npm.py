"""The package's own tests, with Node's own runner."""

import sys
from pathlib import Path

SECONDS = 300


def test_the_tests_of_the_package_pass(twin) -> None:
    program = Path(sys.executable).with_name("allowly-harness")
    done = twin.run([*twin.npm, "test"], twin.built, SECONDS, ALLOWLY_HARNESS=str(program))

    assert done.returncode == 0, done.stdout[-20_000:]
    assert "fail 0" in done.stdout
