"""What a server wants before it goes on with a request: got from the host, and brought back in the next leg."""

from __future__ import annotations

from typing import Any

import mcp_types as types

from allowly_harness.bridge.eras import Wire
from allowly_harness.bridge.host import Flight
from allowly_harness.bridge.link import CANNOT
from allowly_harness.session.legs import Fulfil


def with_leg(params: Wire, its: dict[str, Any]) -> Wire:
    """Return the params of one leg: its answers and its state in the place of those that came with the request."""
    sent = {name: value for name, value in params.items() if name not in ("inputResponses", "requestState")}
    for wire_name, name in (("inputResponses", "input_responses"), ("requestState", "request_state")):
        if its.get(name) is not None:
            sent[wire_name] = its[name]
    return sent


def fulfil_by(flight: Flight) -> Fulfil:
    """Return what gets a server, by the host, what it wants before it goes on."""

    async def fulfil(name: str, request: Any) -> Any:
        del name
        method, params = (request.get("method"), request.get("params")) if isinstance(request, dict) else (None, None)
        params = params if isinstance(params, dict) else {}
        if not isinstance(method, str) or not flight.announcement.can_answer(method, params):
            return types.ErrorData(code=types.INVALID_REQUEST, message=CANNOT)
        return await flight.ask(method, params)

    return fulfil
