"""A request that takes several legs: the server asks for input, and the request is sent again with it.

From the protocol of 2026-07-28 on, a server that needs input while it works answers with what it needs
and a sealed state, and forgets the request. The same request is then sent with the responses and the
state. This is no repetition of a call: each leg goes on where the one before has stopped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import anyio
import mcp_types as types
from mcp import MCPError

MAX_LEGS: Final = 10
"""How often one request may be sent on with what the server asked for. All SDKs of the protocol have this limit."""

MAX_INPUTS: Final = 16
"""How much a server may ask for in one leg."""

FIRST_PAUSE_SECONDS: Final = 0.05
"""The pause before a leg for which the server asked nothing; it doubles from such leg to such leg."""

LONGEST_PAUSE_SECONDS: Final = 0.25
"""The longest such pause."""

Fulfil: TypeAlias = Callable[[str, types.InputRequest], Awaitable[types.InputResponse | types.ErrorData]]
SendLeg: TypeAlias = Callable[[dict[str, Any]], Awaitable[Any]]
"""Sends one leg; is given the options of the bare session's method that make it this leg."""


@dataclass(slots=True)
class Legs:
    """The way of one request, and how far it has come.

    Attributes:
        fulfil: Gets one thing that the server asked for; an `ErrorData` refuses it.
        responses: What the current leg carries; kept as it was sent, so that a blocked leg is repeated exactly.
        state: The server's sealed state of the current leg, never read.
    """

    fulfil: Fulfil
    responses: types.InputResponses | None = None
    state: str | None = None
    _taken: int = 0
    _pause: float = FIRST_PAUSE_SECONDS

    @property
    def begun(self) -> bool:
        """Whether the current leg goes on from an earlier one."""
        return self.responses is not None or self.state is not None

    def options(self) -> dict[str, Any]:
        """Return what the current leg is sent with."""
        return {"input_responses": self.responses, "request_state": self.state, "allow_input_required": True}

    async def run(self, send: SendLeg) -> Any:
        """Send the current leg, and on from there, until the server asks for nothing more.

        Raises:
            mcp.MCPError: The server asked for what is refused here, or too often. Whatever `send` raises.
        """
        while True:
            result = await send(self.options())
            if not isinstance(result, types.InputRequiredResult):
                return result
            if self._taken >= MAX_LEGS:
                raise MCPError(types.INVALID_REQUEST, f"the server asked for input more than {MAX_LEGS} times")
            self._taken += 1
            # Both at once: a leg is either the one before or the next, never half of each.
            self.responses, self.state = await self._fulfilled(result), result.request_state

    async def _fulfilled(self, result: types.InputRequiredResult) -> types.InputResponses | None:
        if not result.input_requests:
            await anyio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            return None
        if len(result.input_requests) > MAX_INPUTS:
            raise MCPError(types.INVALID_REQUEST, f"the server asked for more than {MAX_INPUTS} inputs at once")
        responses: types.InputResponses = {}
        for name, request in result.input_requests.items():
            response = await self.fulfil(name, request)
            if isinstance(response, types.ErrorData):
                raise MCPError.from_error_data(response)
            responses[name] = response
        return responses
