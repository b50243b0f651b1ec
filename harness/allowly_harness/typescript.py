"""Finds out how a server that is a TypeScript file can be started.

What a compiler has made of it comes first, because that is what its author runs; then `tsx`, which runs TypeScript as
it is; then a Node that leaves the types out by itself.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from allowly_harness.protocol.errors import ConfigurationError

BUILT_SUFFIXES: Final = {".ts": ".js", ".mts": ".mjs", ".cts": ".cjs"}
"""What a compiler calls its output, by what the source is called."""

MAX_SETTINGS_BYTES: Final = 64 * 1024
"""Longest `tsconfig.json` that is read."""

STRIPS_TYPES: Final = ((22, 18), (23, 6))
"""Since which versions Node runs TypeScript without an option: of its 22nd line, and of all later ones."""

NODE_SECONDS: Final = 10.0
"""How long Node may take to say which version it is."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)


def command_of(path: Path) -> tuple[str, ...]:
    """Return the command that starts a TypeScript file.

    Raises:
        ConfigurationError: There is no way to start it; the message says what to do.
    """
    twins = [twin for twin in _twins(path.absolute()) if twin.is_file()]
    fresh = next((twin for twin in twins if twin.stat().st_mtime >= path.stat().st_mtime), None)
    if fresh is not None:
        return "node", str(fresh)
    tsx = _tsx(path.absolute())
    if tsx is not None:
        return tsx, str(path)
    if _node_strips_types():
        return "node", str(path)
    if twins:
        raise ConfigurationError(f"{str(path)!r} is newer than its built file {str(twins[0])!r}; build it again")
    raise ConfigurationError(
        f"{str(path)!r} is TypeScript, and no built file of it was found; build it, name the JavaScript file that was "
        "built, or install tsx"
    )


def _twins(path: Path) -> Iterator[Path]:
    """Yield where a compiler may have put its output, the likeliest place first."""
    suffix = BUILT_SUFFIXES[path.suffix]
    settings = next((folder for folder in path.parents if (folder / "tsconfig.json").is_file()), None)
    if settings is not None:
        options = _compiler_options(settings / "tsconfig.json")
        out, root = options.get("outDir"), options.get("rootDir", ".")
        if isinstance(out, str) and isinstance(root, str):
            folder = (settings / out).resolve()
            for base in ((settings / root).resolve(), (settings / "src").resolve()):
                if path.resolve().is_relative_to(base):
                    yield (folder / path.resolve().relative_to(base)).with_suffix(suffix)
    yield path.with_suffix(suffix)


def _compiler_options(path: Path) -> dict[str, Any]:
    """Return what a `tsconfig.json` says to the compiler; nothing where it cannot be read."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_SETTINGS_BYTES)
        # The compiler takes comments, and commas before a closing bracket.
        settings = json.loads(_TOKEN.sub(lambda token: token[0] if token[0].startswith('"') else " ", text))
    except (OSError, ValueError, RecursionError):
        return {}
    options = cast("dict[str, Any]", settings).get("compilerOptions") if isinstance(settings, dict) else None
    return cast("dict[str, Any]", options) if isinstance(options, dict) else {}


def _tsx(path: Path) -> str | None:
    places = (folder / "node_modules" / ".bin" / "tsx" for folder in path.parents)
    return next((str(place) for place in places if place.is_file()), None) or shutil.which("tsx")


def _node_strips_types() -> bool:
    node = shutil.which("node")
    if node is None:
        return False
    try:
        said = subprocess.run(  # noqa: S603 - Node itself, without an argument of anybody
            [node, "--version"], capture_output=True, text=True, timeout=NODE_SECONDS, check=False
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    version = re.match(r"v(\d+)\.(\d+)\.", said)
    if version is None:
        return False
    number = (int(version[1]), int(version[2]))
    return number >= (STRIPS_TYPES[0] if number[0] == STRIPS_TYPES[0][0] else STRIPS_TYPES[1])
