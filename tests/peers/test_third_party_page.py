"""The commands of the page about servers of others, as they stand there, and the versions that it names."""

import json
import os
import re
import sys
from pathlib import Path

import anyio
import pytest

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
PAGE = (DOCS / "third-party.md").read_text()
WAIT = " call --unattended defer "
SECONDS = 90


def block(start: str) -> str:
    """Return the one shell block of the page that begins so."""
    found = [text for text in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if text.startswith(start)]
    assert len(found) == 1, f"{len(found)} blocks of the page begin with {start!r}"
    return found[0].strip()


@pytest.fixture
def npx(peers, tmp_path: Path) -> str:
    """A folder with an `npx` that downloads nothing: it runs the package that is installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    shim = folder / "npx"
    shim.write_text(f'#!/bin/sh\nshift 2\nexec {" ".join(peers.npm("mcp-server-filesystem"))} "$@"\n')
    shim.chmod(0o755)
    return str(folder)


async def test_the_commands_of_the_page_lead_from_a_grant_to_a_question(office, npx: str, tmp_path: Path) -> None:
    steps = ["set -e", block("export ADAS_AUTHORIZATION"), block("allowly-harness call").replace(" call ", WAIT, 1)]
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "guard_third_party.py").write_text((DOCS / "examples" / "guard_third_party.py").read_text())
    path = f"{npx}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = office.environment | {"HOME": str(tmp_path), "PATH": path}

    with anyio.fail_after(SECONDS):
        done = await anyio.run_process(["sh", "-c", "\n".join(steps)], cwd=folder, env=environ, check=False)

    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (5, b""), said
    assert "the request for approval was left open" in said
    assert not (folder / "hello.txt").exists()


def test_the_page_names_the_versions_that_the_tests_install() -> None:
    named = dict(re.findall(r"^\| `([^`]+)` \| ([\d.]+) \|", PAGE, re.MULTILINE))
    pinned = dict(json.loads((HERE / "package.json").read_text())["dependencies"])
    for requirements in HERE.glob("requirements-*.txt"):
        lines = [line for line in requirements.read_text().splitlines() if not line.startswith("#")]
        pinned |= {name: version for name, _, version in (line.partition("==") for line in lines)}

    assert named == pinned
