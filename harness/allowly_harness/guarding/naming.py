"""What a server is called in a policy: a word of ours that stays the same, whatever the server calls itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from allowly_harness.servers import ServerSpec

RUNNERS: Final = frozenset({"npx", "bunx", "pnpx", "uvx", "pipx", "deno", "docker", "podman"})
"""Programs that run something else, after which a server is not named."""

INTERPRETERS: Final = frozenset({"node", "bun", "python", "python3"})
"""Programs after which a server is named only if they are told to run nothing that has a name."""

MAX_CHARACTERS: Final = 60
"""Longest name that is made from a command."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+|__+")
_WORDS_OF_RUNNERS: Final = frozenset({"run", "exec", "x", "dlx"})


def policy_name(spec: ServerSpec) -> str:
    """Return what a server is called in the patterns of a policy.

    A package that is run by `npx`, `uvx` or the like gives its own name, without scope and version, so that the
    same policy is good for the next version. No dots and no double underscores are in it: patterns need no quotes.
    """
    name = spec.info.name
    program = Path(spec.command[0]).name if spec.command else ""
    words = spec.command[1:]
    if program in RUNNERS:
        name = _package(words) or name
    elif program in INTERPRETERS and name == program:
        name = next((Path(word).stem for word in words if not word.startswith("-")), name)
    return _UNSAFE.sub("-", name).strip("-")[:MAX_CHARACTERS] or "server"


def _package(words: tuple[str, ...]) -> str:
    """Return the name of the package that a runner is told to run; empty where there is none."""
    # A word that begins otherwise is an option, or the value of one.
    packages = (word for word in words if word[:1].isalpha() or word.startswith("@"))
    packages = (word for word in packages if word not in _WORDS_OF_RUNNERS)
    package = next(packages, "")
    # "@scope/name@1.2" of npm, "name==1.2" and "name@latest" of Python, "host/name:tag" of containers.
    return re.split(r"[@=:<>~!]", package.rpartition("/")[2], maxsplit=1)[0]
