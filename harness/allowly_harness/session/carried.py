"""Outcomes of calls whose legs the caller sends itself: the last result tells of an approval of an earlier leg."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import mcp_types as types

from allowly_harness.protocol.models import APPROVAL_META, ToolCall

MAX_CARRIED: Final = 256
"""How many calls may be between two legs at a time; the oldest lose the outcome of their earlier legs."""


class CarriedOutcomes:
    """Remembers outcomes by call and server's state, until the leg that goes on from that state."""

    def __init__(self) -> None:
        self._outcomes: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def onto(self, result: Any, call: ToolCall, state: str | None) -> Any:
        """Return a leg's result with the outcome of the call so far.

        Args:
            result: What the leg brought. An outcome in it must be ours.
            call: The call that it is a leg of.
            state: The server's state that the leg was sent with; `None` for a first leg.
        """
        meta: dict[str, Any] = result.meta or {}
        outcome = meta.get(APPROVAL_META)
        if outcome is None and state is not None:
            outcome = self._outcomes.pop((call.digest, state), None)
            if outcome is not None:
                result = result.model_copy(update={"meta": {**meta, APPROVAL_META: outcome}})
        if outcome is not None and isinstance(result, types.InputRequiredResult) and result.request_state is not None:
            self._outcomes[call.digest, result.request_state] = outcome
            while len(self._outcomes) > MAX_CARRIED:
                self._outcomes.popitem(last=False)
        return result
