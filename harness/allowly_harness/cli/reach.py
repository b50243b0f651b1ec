"""How a command reached its server, as it is kept with a call that waits: everything that was typed, but no values.

Of variables for a started server the names are kept; their values are often secrets. The server itself is
kept as it was typed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from allowly_harness.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from allowly_harness.cli.opening import Target

AUTHORIZATION_VARIABLE: Final = "ALLOWLY_AUTHORIZATION_ID"
"""What a demo server reads its authorization from."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How a server was reached.

    Attributes:
        server: As it was typed.
        authority: The authority: a URL or "embedded"; `None` where there was none.
        acting_as: What `--as` said.
        env: The names of the variables that were handed to the server.
        era: What `--era` said.
        timeout: What `--timeout` said, in seconds.
        guard: Whether a guard stood before the server.
        policy: The guard's policy file, absolute; `None` for what the tools suggest.
        folder: The folder that the command ran in.
        authorization: The authorization of a demo server.
    """

    server: str | tuple[str, ...]
    authority: str | None = None
    acting_as: str | None = None
    env: tuple[str, ...] = ()
    era: str = "auto"
    timeout: float = 300.0
    guard: bool = False
    policy: str | None = None
    folder: str = ""
    authorization: str | None = None


def reach_text(target: Target, authority: str | None, prepared: Mapping[str, str]) -> str | None:
    """Return how a command reaches its server, as JSON; `None` where that cannot be said in words.

    Args:
        target: The server.
        authority: The one that is used.
        prepared: What a started server is told of it.
    """
    typed = target.server if target.typed is None else target.typed
    if not isinstance(typed, str | Sequence):
        return None
    return json.dumps(
        {
            "server": typed if isinstance(typed, str) else list(typed),
            "authority": authority,
            "acting_as": target.acting_as,
            "env": sorted(target.variables),
            "era": target.era,
            "timeout": target.timeout,
            "guard": target.guard is not None,
            "policy": None if target.policy is None else str(Path(target.policy).absolute()),
            "folder": str(Path.cwd()),
            "authorization": prepared.get(AUTHORIZATION_VARIABLE) if target.is_demo else None,
        }
    )


def read_reach(text: str | None) -> Reached:
    """Read how a server was reached.

    Raises:
        ConfigurationError: No command reached it, or this program cannot read how.
    """
    if text is None:
        raise ConfigurationError(
            "a program of yours made this call, and that program resumes it: session.resume_call(token)"
        )
    try:
        read: Any = json.loads(text)
        server = read["server"]
        return Reached(
            **read | {"server": server if isinstance(server, str) else tuple(server), "env": tuple(read["env"])}
        )
    except (ValueError, TypeError, KeyError):
        raise ConfigurationError("it is not known how the server of this call is reached") from None


def variables_again(reached: Reached, given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a server that is started again.

    Raises:
        ConfigurationError: Some are missing; names them.
    """
    missing = [name for name in reached.env if name not in given]
    if missing:
        again = " ".join(f"--env {name}" for name in missing)
        raise ConfigurationError(f"the server was given variables whose values are not kept; give them again: {again}")
    return dict(given)


def go_to(folder: str) -> None:
    """Go to the folder that the command ran in, where it is another one: relative paths lead from there.

    Raises:
        ConfigurationError: It cannot be entered.
    """
    if not folder or folder == str(Path.cwd()):
        return
    try:
        os.chdir(folder)
    except OSError as error:
        raise ConfigurationError(f"the call was made in {folder}, which is gone: {error.strerror or error}") from None
