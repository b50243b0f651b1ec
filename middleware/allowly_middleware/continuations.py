"""Calls that asked their client for input and wait for the next leg.

An MCP tool may answer with `InputRequiredResult`; the client then sends the same call again with
the input. Such a leg is checked again, but under the idempotency key of the leg before it, so that
the authority repeats its answer and no second approval is used up.

Which key a leg may use is decided from this table alone, never from what the client sends. A place
is made when a leg that was allowed ends by asking for input, and is taken, once, by the leg that
brings the same state back for the same check, tool and arguments. So for each approval there is
at most one open place, and a finished run leaves none: sending a leg twice, or inventing one, finds no
place and is an ordinary call with a fresh key, which asks for an approval of its own. That holds on
every server. On `MCPServer` and FastMCP the state is also sealed by the SDK; on a low-level
`Server` without a `RequestStateBoundary` it is the client's own text, and a client that changes it
merely misses its place. The table lives in the process: a leg that reaches another worker, or comes
late, is an ordinary call too.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Final

MAX_CONTINUATIONS: Final = 4096
"""Most legs that are waited for at once. Beyond it the oldest is forgotten and will be asked about again."""

CONTINUATION_SECONDS: Final = 600.0
"""How long a next leg is waited for: the life of the SDK's own `requestState`."""


class Continuations:
    """The open places, by what a next leg must look like.

    Args:
        clock: Seconds on a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[Hashable, deque[tuple[str, float]]] = OrderedDict()
        self._count = 0

    def put(self, leg: Hashable, key: str) -> None:
        """Open a place for the leg that follows one that ran under `key`."""
        self._open.setdefault(leg, deque()).append((key, self._clock() + CONTINUATION_SECONDS))
        self._open.move_to_end(leg)
        self._count += 1
        while self._count > MAX_CONTINUATIONS:
            oldest = next(iter(self._open))
            self._take_first(oldest)

    def take(self, leg: Hashable) -> str | None:
        """Take the place of `leg` and return its key; `None` where there is none, or it is too old."""
        while leg in self._open:
            key, until = self._take_first(leg)
            if self._clock() < until:
                return key
        return None

    def _take_first(self, leg: Hashable) -> tuple[str, float]:
        places = self._open[leg]
        first = places.popleft()
        self._count -= 1
        if not places:
            del self._open[leg]
        return first
