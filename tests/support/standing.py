"""`allowly-harness authority serve` as a process of its own, with any options."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("allowly-harness"))
KEY = "allowly_canary_key_0123456789abcdef"
SECONDS = 30


@dataclass
class Standing:
    """A running authority: what it said when it was ready, and what it has written since."""

    process: subprocess.Popen[str]
    where: dict[str, str]
    stderr: Path

    @property
    def base_url(self) -> str:
        return self.where["base_url"]

    def said(self) -> str:
        """All that stands on its stderr so far."""
        return self.stderr.read_text()

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> str:
        """Stop it and return all that it said."""
        self.process.send_signal(sig)
        self.process.wait(SECONDS)
        return self.said()


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALLOWLY_", "PG", "SSL_"))}
    return kept | {"ALLOWLY_KEY": KEY} | changes


@contextmanager
def standing(folder: Path, *options: str, **variables: str) -> Iterator[Standing]:
    """Serve a database in a folder, on any free port of this computer."""
    stderr = folder / "stderr.txt"
    command = [PROGRAM, "authority", "serve", "--port", "0", "--db", str(folder / "a.db"), *options]
    with (
        stderr.open("w") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(**variables)
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, stderr.read_text()
            yield Standing(process, json.loads(line), stderr)
        finally:
            if process.poll() is None:
                process.kill()


def refused(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Try to serve, and return the process, which must have ended by itself."""
    command = [PROGRAM, "authority", "serve", "--port", "0", "--db", str(folder / "a.db"), *options]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(**variables), check=False, timeout=SECONDS
    )
