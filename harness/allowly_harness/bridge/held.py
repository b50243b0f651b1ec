"""Requests of modern hosts that go on behind the bridge while the host gets what they are waiting for.

A host of 2026-07-28 cannot be sent requests. What it is asked for it gets as the answer to its own request,
with a handle, and it sends that request again with its answers. The work itself is never repeated: the handle
finds it again. A handle is 256 random bits, names one open request of this very process, works once, and only
for a request with the same method, name and arguments; there is nothing in it to be read or changed. What it
stands for is given up after `HOLD_SECONDS`.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, TypeAlias

import anyio
import mcp_types as types
from anyio.abc import TaskGroup
from mcp import MCPError

from allowly_authority.binding import digest_of
from allowly_harness.bridge.eras import Wire
from allowly_harness.bridge.host import Caller, Flight

HOLD_SECONDS: Final = 600.0
"""How long a request waits for the host's next leg; the SDK's servers seal their states for as long (mcp 2.3)."""

MAX_HELD: Final = 256
"""How many requests may wait for a next leg; one more than that is refused."""

HANDLE_PREFIX: Final = "allowly-harness-bridge:"
"""How the handles of the bridge begin, among the states of servers."""

EXPIRED: Final = "Invalid or expired requestState"

Work: TypeAlias = Callable[[Flight], Awaitable[Wire]]
"""What a request does; it asks the host through the flight that it is given."""


@dataclass(eq=False)
class _Input:
    method: str
    params: Wire
    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: Wire = field(default_factory=dict[str, Any])


class Held:
    """One request, from its first leg to its end."""

    def __init__(self, digest: str, caller: Caller) -> None:
        self.digest = digest
        self.flight = Flight(caller, self.ask, caller.announcement)
        self.scope = anyio.CancelScope()
        self.finished = anyio.Event()
        self._inputs: dict[str, _Input] = {}
        self._numbers = count(1)
        self._changed = anyio.Event()
        self._result: Wire | None = None
        self._error: Exception | None = None

    async def run(self, work: Work) -> None:
        """Do the work, to its end or until it is given up."""
        try:
            with self.scope:
                self._result = await work(self.flight)
        except Exception as error:  # noqa: BLE001 - raised again in the leg that fetches the result
            self._error = error
        finally:
            self.finished.set()
            self._change()

    async def ask(self, method: str, params: Wire) -> Wire:
        """Have the host asked with the answer to its current leg; wait for a later leg to bring the answer."""
        # Keys are never used twice, so that no answer is taken for that to another question (design G3).
        key = f"{method.partition('/')[0]}-{next(self._numbers)}-{secrets.token_hex(8)}"
        wanted = self._inputs[key] = _Input(method, params)
        self._change()
        try:
            await wanted.answered.wait()
            return wanted.answer
        finally:
            self._inputs.pop(key, None)

    async def leg(self, responses: Mapping[str, Any]) -> Wire | None:
        """Take one leg's answers, and wait for what it is answered with.

        Returns:
            The result of the request; `None` if the host must be asked first.

        Raises:
            Exception: What the work raised.
        """
        for key, answer in responses.items():
            wanted = self._inputs.get(key)
            if wanted is not None and isinstance(answer, dict):
                wanted.answer = answer
                wanted.answered.set()
        while not self.finished.is_set() and not self._open():
            await self._changed.wait()
        if not self.finished.is_set():
            return None
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise MCPError(types.INVALID_PARAMS, EXPIRED)
        return self._result

    def wanted(self) -> Wire:
        """Return what the host is to be asked for now, by key."""
        return {key: {"method": one.method, "params": one.params} for key, one in self._open().items()}

    def _open(self) -> dict[str, _Input]:
        return {key: one for key, one in self._inputs.items() if not one.answered.is_set()}

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class Holds:
    """All requests of modern hosts that are under way.

    Args:
        group: Where their work is done; it outlives every leg.
    """

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._waiting: dict[str, Held] = {}

    async def request(self, method: str, params: Wire, caller: Caller, work: Work) -> Wire:
        """Answer one leg of a request; the first one begins the work.

        Raises:
            MCPError: The handle is not, or no longer, good for this request; or too many requests wait already.
            Exception: What the work raised.
        """
        digest = _digest(method, params)
        state = params.get("requestState")
        responses = params.get("inputResponses")
        if isinstance(state, str) and state.startswith(HANDLE_PREFIX):
            held = self._take(state, digest)
            held.flight.caller = caller
        else:
            responses = None
            held = Held(digest, caller)
            self._group.start_soon(held.run, work)
        try:
            result = await held.leg(responses if isinstance(responses, dict) else {})
            return self._put_back(held) if result is None else result
        except anyio.get_cancelled_exc_class():
            held.scope.cancel()
            raise
        finally:
            held.flight.caller = None

    def _take(self, state: str, digest: str) -> Held:
        held = self._waiting.pop(state, None)
        if held is None:
            raise MCPError(types.INVALID_PARAMS, EXPIRED)
        if held.digest != digest or held.scope.deadline <= anyio.current_time():
            held.scope.cancel()
            raise MCPError(types.INVALID_PARAMS, EXPIRED)
        held.scope.deadline = math.inf
        return held

    def _put_back(self, held: Held) -> Wire:
        now = anyio.current_time()
        self._waiting = {state: one for state, one in self._waiting.items() if one.scope.deadline > now}
        if len(self._waiting) >= MAX_HELD:
            held.scope.cancel()
            raise MCPError(types.INTERNAL_ERROR, f"more than {MAX_HELD} requests wait for an answer already")
        handle = f"{HANDLE_PREFIX}{secrets.token_urlsafe(32)}"
        held.scope.deadline = now + HOLD_SECONDS
        self._waiting[handle] = held
        return {"resultType": "input_required", "inputRequests": held.wanted(), "requestState": handle}


def _digest(method: str, params: Wire) -> str:
    """Return what two legs of one request have in common."""
    kept = {name: value for name, value in params.items() if name not in ("inputResponses", "requestState", "_meta")}
    return digest_of(json.dumps([method, kept], sort_keys=True))
