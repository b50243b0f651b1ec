"""How the tools of a server were defined when its policy was written, and what has changed since.

A policy is written for tools that somebody looked at. A server may say something else of the same tool later, and
may offer tools that nobody looked at: both are said, once each. What happens with them, the policy decides.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from allowly_authority.strict_json import parse_json
from allowly_harness.bridge.eras import Wire
from allowly_harness.guarding.survey import is_tool
from allowly_harness.protocol.errors import ConfigurationError

PARTS: Final = {
    "title": "title",
    "description": "description",
    "inputSchema": "input schema",
    "outputSchema": "output schema",
    "annotations": "annotations",
}
"""What is compared of a tool, and what each is called in messages."""

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_SAID: Final = 200
"""How many findings are said in one run; a server could think of new ones for ever."""

VERSION: Final = 1
_NOTHING: Final = ""

Digests = dict[str, dict[str, str]]
"""By tool, a digest for each of `PARTS` that it has."""


def definitions_file(policy: Path) -> Path:
    """Return the file beside a policy that holds the definitions it was written for."""
    return policy.with_name(f"{policy.stem}.tools.json")


def digests_of(tools: Iterable[Wire]) -> Digests:
    """Return what is kept of tools."""
    return {tool["name"]: {part: _digest(tool[part]) for part in PARTS if part in tool} for tool in tools}


def written(server: str, tools: Iterable[Wire]) -> str:
    """Return the text of a file of definitions.

    Args:
        server: What the server is called in the policy.
        tools: Its tools.
    """
    return json.dumps({"version": VERSION, "server": server, "tools": digests_of(tools)}, indent=1) + "\n"


def read_definitions(path: Path) -> Digests | None:
    """Read a file of definitions; `None` where there is none.

    Raises:
        ConfigurationError: It cannot be read, or is no such file.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        document = parse_json(text) if len(text) <= MAX_FILE_BYTES else None
    except ValueError:
        document = None
    tools = document.get("tools") if isinstance(document, dict) and document.get("version") == VERSION else None
    if not isinstance(tools, dict) or not all(_is_entry(entry) for entry in tools.values()):
        raise ConfigurationError(f"{os.fspath(path)} is damaged; write it anew with guard --init, or delete it")
    return tools


class Watch:
    """Compares what a server lists with what was kept, and says each difference once.

    Args:
        known: What was kept; `None` where nothing was, and nothing is compared.
        say: Told the tool's name and what was found, as a sentence without its stop.
    """

    def __init__(self, known: Digests | None, say: Callable[[str, str], object]) -> None:
        self._known = known
        self._say = say
        self._said: set[tuple[str, str]] = set()

    def look(self, listed: Mapping[str, Any]) -> None:
        """Look at a page of a list of tools."""
        if self._known is None:
            return
        tools = listed.get("tools")
        for tool in tools if isinstance(tools, list) else ():
            if is_tool(tool):
                self._compare(tool, self._known.get(tool["name"]))

    def _compare(self, tool: Wire, known: Mapping[str, str] | None) -> None:
        name = tool["name"]
        if known is None:
            self._once(name, _NOTHING, f"the tool {name!r} is new: it was not there when the policy was written")
            return
        now = digests_of([tool])[name]
        changed = [part for part in PARTS if known.get(part) != now.get(part)]
        if changed:
            what = _listed([PARTS[part] for part in changed])
            sentence = f"the tool {name!r} has changed since the policy was written: its {what}"
            self._once(name, json.dumps(now, sort_keys=True), sentence)

    def _once(self, name: str, state: str, sentence: str) -> None:
        if (name, state) in self._said or len(self._said) >= MAX_SAID:
            return
        self._said.add((name, state))
        self._say(name, sentence)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(value, str) for value in entry.values())


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
