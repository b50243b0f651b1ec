"""Where the common MCP hosts keep their servers, for a project and for a user, and how each file is written.

Sources are the hosts' own documentation: code.claude.com/docs/en/mcp, modelcontextprotocol.io (Claude Desktop),
code.visualstudio.com/docs/copilot/reference/mcp-configuration, cursor.com/docs/mcp, docs.windsurf.com,
zed.dev/docs/ai/mcp, developers.openai.com/codex (config.toml), geminicli.com/docs/tools/mcp-server.
Goose keeps its own in YAML, which the standard library cannot read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

Syntax: TypeAlias = Literal["json", "jsonc", "toml"]
Variables: TypeAlias = Literal["none", "shell", "editor", "dollar"]
Scope: TypeAlias = Literal["project", "user"]

PROJECT: Final = "project"
USER: Final = "user"


@dataclass(frozen=True, slots=True)
class Host:
    """One program that keeps a list of servers.

    Attributes:
        name: Its name for people.
        keys: The names under which its file may list servers; the first that is there counts.
        syntax: "json" without comments, "jsonc" with comments and trailing commas, or "toml".
        variables: What it replaces in texts: "none"; "shell" is `${VAR}` and `${VAR:-default}`; "editor" is
            `${env:VAR}`, `${workspaceFolder}` and the like; "dollar" is "shell" and `$VAR`.
        url_is_sse: Whether a `url` without a `type` is the older HTTP+SSE transport.
    """

    name: str
    keys: tuple[str, ...] = ("mcpServers",)
    syntax: Syntax = "json"
    variables: Variables = "none"
    url_is_sse: bool = False


CLAUDE_CODE: Final = Host("Claude Code", variables="shell")
CLAUDE_DESKTOP: Final = Host("Claude Desktop")
CURSOR: Final = Host("Cursor", syntax="jsonc", variables="editor")
VS_CODE: Final = Host("VS Code", ("servers",), syntax="jsonc", variables="editor")
WINDSURF: Final = Host("Windsurf", variables="editor")
ZED: Final = Host("Zed", ("context_servers",), syntax="jsonc")
CODEX: Final = Host("Codex", ("mcp_servers",), syntax="toml")
GEMINI: Final = Host("Gemini CLI", syntax="jsonc", variables="dollar", url_is_sse=True)

_OTHER_JSON: Final = Host("another program", ("mcpServers", "servers", "context_servers"), "jsonc", "shell")
_OTHER_TOML: Final = Host("another program", ("mcp_servers",), "toml")

_PROJECT_FILES: Final = ((".mcp.json", CLAUDE_CODE), (".vscode/mcp.json", VS_CODE), (".cursor/mcp.json", CURSOR))


@dataclass(frozen=True, slots=True)
class Place:
    """One file that may list servers.

    Attributes:
        path: The file; it need not exist.
        host: Whose file it is.
        scope: "user" for the user's own, "project" for what came with a folder.
        folder: Where its servers start unless they say otherwise.
        workspace: What `${workspaceFolder}` means in it.
    """

    path: Path
    host: Host
    scope: Scope
    folder: Path
    workspace: Path


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What decides which files are looked at.

    Attributes:
        folder: The current folder; absolute.
        home: The user's home folder; absolute.
        environ: The environment.
        platform: As `sys.platform` has it.
    """

    folder: Path
    home: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    platform: str = sys.platform

    @classmethod
    def current(cls) -> Surroundings:
        """Return this process's own; the home folder stands in for a current folder that is gone."""
        # Without links, as the current folder is given; and `Path.home()` raises where there is none.
        home = Path(os.path.realpath(os.path.expanduser("~")))  # noqa: PTH111
        try:
            folder = Path.cwd()
        except OSError:
            folder = home
        return cls(folder, home)

    def folders(self) -> tuple[Path, ...]:
        """Return the current folder and its parents, up to the root of the repository or the home folder.

        Outside of both it is the current folder alone: what stands above may be anybody's.
        """
        found: list[Path] = []
        for folder in (self.folder, *self.folder.parents):
            found.append(folder)
            if os.path.lexists(folder / ".git") or folder == self.home:
                return tuple(found)
        return (self.folder,)

    def places(self) -> tuple[Place, ...]:
        """Return every file to look at, the nearest project files first."""
        users = tuple(self._user_places())
        own = {place.path for place in users}
        projects = (
            Place(folder / name, host, PROJECT, folder, folder)
            for folder in self.folders()
            for name, host in _PROJECT_FILES
        )
        return (*(place for place in projects if place.path not in own), *users)

    def place_of(self, path: Path) -> Place:
        """Return the place that a file is, known or not; an unknown one counts as somebody else's."""
        path = Path(os.path.normpath(self.folder / path))
        known = next((place for place in self.places() if place.path == path or _is_users(place, path)), None)
        if known is not None:
            return known
        inside = path.parent.name in {".vscode", ".cursor"}
        folder = path.parent.parent if inside else path.parent
        host = next((host for name, host in _PROJECT_FILES if (folder / name) == path), None)
        return Place(path, host or (_OTHER_TOML if path.suffix == ".toml" else _OTHER_JSON), PROJECT, folder, folder)

    def _user_places(self) -> list[Place]:
        home, environ = self.home, self.environ
        config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        applications = home / "Library" / "Application Support" if self.platform == "darwin" else config
        claude = Path(environ["CLAUDE_CONFIG_DIR"]) if environ.get("CLAUDE_CONFIG_DIR") else home
        codex = Path(environ.get("CODEX_HOME") or home / ".codex")
        files = (
            (claude / ".claude.json", CLAUDE_CODE),
            (applications / "Claude" / "claude_desktop_config.json", CLAUDE_DESKTOP),
            (home / ".cursor" / "mcp.json", CURSOR),
            (applications / "Code" / "User" / "mcp.json", VS_CODE),
            (home / ".codeium" / "windsurf" / "mcp_config.json", WINDSURF),
            (config / "zed" / "settings.json", ZED),
            (codex / "config.toml", CODEX),
            (home / ".gemini" / "settings.json", GEMINI),
        )
        workspace = self.folders()[-1]
        if workspace == self.home:
            workspace = self.folder
        # Servers of the user's own start in the home folder: in the current one, what it holds could
        # take the place of what they run (`npx`, `python -m`), and nobody is asked about these.
        return [Place(path, host, USER, home, workspace) for path, host in files if path.is_absolute()]


def _is_users(place: Place, path: Path) -> bool:
    return place.scope == USER and os.path.realpath(place.path) == os.path.realpath(path)
