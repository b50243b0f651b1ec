"""Runs a demo agent as a user does, and holds its page against its source."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
AGENTS = ROOT / "demos" / "allowly_demos" / "agents"

_BLOCK = re.compile(r"```(?P<language>python|diff)\n(?P<code>.*?)```", re.DOTALL)


def play(name: str) -> str:
    """Return what the agent prints where there is no terminal; it must end well."""
    program = [sys.executable, str(AGENTS / f"{name}.py")]
    done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_page_shows(page: str, name: str) -> None:
    """Hold each block of a page against the agent: a diff with the lines that it adds, at most two."""
    source = (AGENTS / f"{name}.py").read_text()
    blocks = list(_BLOCK.finditer((ROOT / "docs" / "frameworks" / f"{page}.md").read_text()))
    assert {block["language"] for block in blocks} == {"python", "diff"}
    for block in blocks:
        if block["language"] == "python":
            assert block["code"].strip() in source, block["code"]
            continue
        lines = block["code"].splitlines()
        assert len([line for line in lines if line.startswith("+")]) <= 2, "more than two lines are changed"
        kept = [line[1:] for line in lines if line and not line.startswith("-")]
        assert [line for line in kept if line not in source.splitlines()] == []
