"""Runs an approval flow: the only pump. Every effect goes through here, and through the table."""

from __future__ import annotations

from typing import Any, Protocol

from allowly_harness.protocol.effects import (
    AnsweredElsewhere,
    Ask,
    AwaitResolution,
    Decided,
    Effect,
    Invoke,
    Lookup,
    NoRecord,
    NoReply,
    Posted,
    Record,
    Resolution,
    Resolve,
    Settle,
    ToolReply,
)
from allowly_harness.protocol.flow import ApprovalFlow, Ended
from allowly_harness.protocol.lifecycle import Lifecycle
from allowly_harness.protocol.models import Answer, PromptRecord


class Performer(Protocol):
    """The outer world, one method an effect. What a method raises is thrown into the flow."""

    async def invoke(self, effect: Invoke) -> ToolReply | NoReply:
        """Send the call."""
        ...

    async def ask(self, effect: Ask) -> Answer | AnsweredElsewhere:
        """Ask the person; withdraw the question if cancelled."""
        ...

    async def settle(self, effect: Settle) -> Posted:
        """Post the answer to a confirmation, once."""
        ...

    async def resolve(self, effect: Resolve) -> Posted:
        """Post the answer to an escalation, once."""
        ...

    async def await_resolution(self, effect: AwaitResolution) -> Resolution | Decided:
        """Wait for the approver."""
        ...

    async def lookup(self, effect: Lookup) -> PromptRecord | NoRecord:
        """Read the authority's record."""
        ...

    async def record(self, effect: Record) -> None:
        """Write down a step."""
        ...


async def run_flow(flow: ApprovalFlow, performer: Performer) -> Ended:
    """Perform a flow's effects until it ends.

    Cancellation closes the flow; withdrawing an open question is the performer's, in its `finally`.

    Raises:
        LocalProtocolError: The flow took a step that `TRANSITIONS` does not allow. It was not performed.
        Exception: What a performer raised and the flow did not handle.
    """
    life = Lifecycle()
    try:
        effect = next(flow)
        while True:
            life.before(effect)
            try:
                reply = await _perform(effect, performer)
            except Exception as error:  # noqa: BLE001 - the flow decides what is fatal
                effect = flow.throw(error)
            else:
                life.after(effect, reply)
                effect = flow.send(reply)
    except StopIteration as stop:
        ended: Ended = stop.value
        return ended
    finally:
        flow.close()


async def _perform(effect: Effect[Any], performer: Performer) -> Any:
    match effect:
        case Invoke():
            return await performer.invoke(effect)
        case Ask():
            return await performer.ask(effect)
        case Settle():
            return await performer.settle(effect)
        case Resolve():
            return await performer.resolve(effect)
        case AwaitResolution():
            return await performer.await_resolution(effect)
        case Lookup():
            return await performer.lookup(effect)
        case Record():
            return await performer.record(effect)
        case _:
            raise TypeError(f"no performer for {type(effect).__name__}")
