"""The commands of the page about guarding a server, as they stand there, in a shell of their own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "guard-a-server.md").read_text()
SECONDS = 120


def block(start: str) -> str:
    """Return the one shell block of the page that holds `start`, without what sets up an environment."""
    found = [text for text in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if start in text]
    assert len(found) == 1, f"{len(found)} blocks of the page hold {start!r}"
    return found[0].replace(". .venv/bin/activate\n", "").strip()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    programs = Path(sys.executable).parent
    return {"HOME": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}", "TERM": "xterm-256color"}


@pytest.fixture
def authority(tmp_path: Path, environment) -> Iterator[str]:
    """Start the authority as the page does, but on a free port, and yield its address."""
    command = ["sh", "-c", f"exec {block('authority serve')} --port 0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["base_url"]
        process.terminate()
        process.wait(timeout=20)


def test_the_commands_lead_from_an_authority_to_a_question(tmp_path: Path, environment, authority: str) -> None:
    steps = [
        block("export ALLOWLY_KEY=").replace("http://127.0.0.1:8787", authority),
        block("--confirm send_email"),
        f"{block('call server.py send_email --arg').replace(' call ', ' call --unattended defer ')} </dev/null",
    ]
    (tmp_path / "server.py").write_text(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0])

    done = subprocess.run(
        ["sh", "-c", "\n".join(["set -e", *steps])],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert "the request for approval was left open" in done.stderr
