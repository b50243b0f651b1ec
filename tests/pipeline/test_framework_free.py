"""The pipeline itself knows no server framework, and a server without FastMCP never loads it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


CORE = "import allowly_middleware.pipeline as p; [getattr(p, name) for name in p.__all__]"
ATTACHED = "import mcp.server, allowly_middleware.pipeline as p; p.Pipeline('x').attach(mcp.server.Server('x'))"
SCREENS = {"textual", "prompt_toolkit", "rich", "allowly_harness"}


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [(CORE, SCREENS | {"mcp", "mcp_types", "fastmcp", "pydantic", "httpx"}), (ATTACHED, SCREENS | {"fastmcp"})],
    ids=["core", "attached"],
)
def test_nothing_is_loaded_that_is_not_needed(statement, unwanted):
    done = subprocess.run([sys.executable, "-c", statement + LOADED], capture_output=True, text=True, check=True)

    assert unwanted.isdisjoint(done.stdout.split())
