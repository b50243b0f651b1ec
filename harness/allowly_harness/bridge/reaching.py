"""Opens connections to the server that a bridge stands before; a started one writes its log to a file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from allowly_harness import locations
from allowly_harness.connection import LOG_TAIL_BYTES, _Transport  # pyright: ignore[reportPrivateUsage] - the same way
from allowly_harness.servers import ServerSpec

MAX_WORDS: Final = 200
"""How much of a server's last line is quoted."""


class Reach:
    """Makes transports to one server.

    Args:
        spec: How it is reached or started.
        variables: For a started one, beside those of its own configuration.
    """

    def __init__(self, spec: ServerSpec, variables: Mapping[str, str]) -> None:
        self._spec = spec
        self._variables = variables
        self._log = locations.server_log(spec.info.name)

    def __call__(self) -> AbstractAsyncContextManager[tuple[Any, Any]]:
        """Make one."""
        return _Transport(self._spec, self._variables, None, self._log)

    def last_words(self) -> str:
        """Return the last line of a started server's log, as the end of a message."""
        if not self._spec.command:
            return ""
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, log.seek(0, 2) - LOG_TAIL_BYTES))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        if not lines:
            return ""
        last = self._spec.without_secrets(lines[-1])[:MAX_WORDS]
        return f"; its last line was {last!r}, more in {self._log}"
