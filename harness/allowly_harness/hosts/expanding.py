"""Replaces variables in what a host's file says, as that host does; a variable that is not set is an error.

Hosts differ: Claude Code and Gemini CLI take `${VAR}` and `${VAR:-default}`, Gemini CLI also `$VAR`; VS Code, Cursor
and Windsurf take `${env:VAR}` and names such as `${workspaceFolder}`; the others replace nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from allowly_harness.hosts.places import Variables

_NAME: Final = "[A-Za-z_][A-Za-z0-9_]*"
_BRACED: Final = re.compile(r"\$\{([^{}]{1,1000})\}")
_BRACED_OR_BARE: Final = re.compile(rf"\$\{{([^{{}}]{{1,1000}})\}}|\$({_NAME})")
_NESTED: Final = re.compile(rf"\$\{{{_NAME}:-[^}}]{{0,1000}}\$\{{")
_VARIABLE: Final = re.compile(rf"({_NAME})(?::-(.*))?", re.DOTALL)
_ENV: Final = re.compile(rf"env:({_NAME})")
_ASKS_THE_HOST: Final = ("input:", "command:", "config:", "file:")


class ExpansionError(Exception):
    """A text cannot be expanded; the message names a variable, never a value."""


@dataclass(frozen=True, slots=True)
class Expander:
    """Replaces variables for one file.

    Attributes:
        variables: What its host replaces.
        environ: The environment.
        workspace: What `${workspaceFolder}` means.
        home: What `${userHome}` means.
        withheld: Variables that are not given away.
    """

    variables: Variables
    environ: Mapping[str, str] = field(repr=False)
    workspace: Path
    home: Path
    withheld: Collection[str] = ()

    def expand(self, text: str, *, left: Collection[str] = (), may_hold_keys: bool = False) -> str:
        """Replace what the host replaces, once; what is put in is not looked at again.

        Args:
            text: As the file has it.
            left: Variables that the server sets for itself: where they are not set here, they are left to it.
            may_hold_keys: Whether the withheld variables may go in.

        Raises:
            ExpansionError: A variable is not set, is withheld, or is one that only the host knows.
        """
        if self.variables == "none" or "$" not in text:
            return text
        if self.variables != "editor" and _NESTED.search(text):
            raise ExpansionError("a variable stands in the default of another one, which is not supported")

        def value(match: re.Match[str]) -> str:
            reference = match[1] if match[1] is not None else match[2]
            return self._value(reference, match[0], left, may_hold_keys=may_hold_keys)

        return (_BRACED_OR_BARE if self.variables == "dollar" else _BRACED).sub(value, text)

    def taken_by(self, text: str) -> tuple[str, ...]:
        """Return the names of the variables of the environment that `text` takes."""
        if self.variables == "none":
            return ()
        found: list[str] = []
        for match in (_BRACED_OR_BARE if self.variables == "dollar" else _BRACED).finditer(text):
            name = self._variable(match[1] if match[1] is not None else match[2])[0]
            if name is not None and name in self.environ:
                found.append(name)
        return tuple(found)

    def _variable(self, reference: str) -> tuple[str | None, str | None]:
        """Return the name of the variable that is referred to, and its default."""
        found = _ENV.fullmatch(reference)
        if found is not None:
            return found[1], None
        found = _VARIABLE.fullmatch(reference) if self.variables != "editor" else None
        return (found[1], found[2]) if found is not None else (None, None)

    def _value(self, reference: str, whole: str, left: Collection[str], *, may_hold_keys: bool) -> str:
        name, default = self._variable(reference)
        if name is not None and name in self.withheld and not may_hold_keys:
            raise ExpansionError(
                f"it takes {name}, which is handed to a started server as a variable and not otherwise"
            )
        # An empty variable counts as not set where there is a default, as in a shell.
        if name is not None and name in self.environ and (self.environ[name] or default is None):
            return self.environ[name]
        if default is not None:
            return default
        known = self._known(reference)
        if known is not None:
            return known
        if name is not None:
            if name in left:
                return whole
            raise ExpansionError(f"it takes the variable {name}, which is not set here")
        if reference.startswith(_ASKS_THE_HOST):
            raise ExpansionError(f"it takes ${{{reference.partition(':')[0]}:...}}, which only its host can fill in")
        return whole

    def _known(self, reference: str) -> str | None:
        return {
            "workspaceFolder": str(self.workspace),
            "workspaceFolderBasename": self.workspace.name,
            "userHome": str(self.home),
            "pathSeparator": os.sep,
            "/": os.sep,
        }.get(reference)
