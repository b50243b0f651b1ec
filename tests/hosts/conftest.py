"""A project and a home folder on disk, as other hosts leave them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from allowly_harness.hosts.entries import Entry
from allowly_harness.hosts.finding import Found, find_servers
from allowly_harness.hosts.places import Surroundings


@dataclass
class World:
    """A user who stands in a folder of a repository."""

    home: Path
    project: Path
    environ: dict[str, str] = field(default_factory=dict[str, str])
    platform: str = "linux"

    def surroundings(self, folder: Path | None = None) -> Surroundings:
        return Surroundings(folder or self.project, self.home, self.environ, self.platform)

    def write(self, path: Path, content: Any) -> Path:
        """Write text, bytes, or anything else as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def mcp_json(self, **servers: Any) -> Path:
        """Write the project's `.mcp.json`."""
        return self.write(self.project / ".mcp.json", {"mcpServers": servers})

    def find(self, folder: Path | None = None) -> Found:
        return find_servers(self.surroundings(folder))

    def entry(self, name: str) -> Entry:
        (found,) = self.find().of_name(name)
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    home = tmp_path / "home"
    project = home / "work" / "project"
    (project / ".git").mkdir(parents=True)
    return World(home, project)
