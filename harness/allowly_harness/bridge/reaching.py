"""Opens connections to the server that a bridge stands before; a started one writes its log to a file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from allowly_harness import locations
from allowly_harness.servers import ServerSpec
from allowly_harness.transport import ServerTransport, last_words


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
        return ServerTransport(self._spec, self._variables, None, self._log)

    def last_words(self) -> str:
        """Return the last line of a started server's log, as the end of a message."""
        return self._spec.without_secrets(last_words(self._log)) if self._spec.command else ""
