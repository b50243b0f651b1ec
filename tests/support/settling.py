"""A Textual app that has done all that it does at once about the last key."""

import asyncio

import anyio
from textual.app import App
from textual.pilot import Pilot

QUIET_TURNS = 5
"""For how many turns of the loop no message may wait: who handles one may be about to send the next."""

SECONDS = 10.0
"""Animations and clocks never end; then this is enough."""


async def press(pilot: Pilot[object], *keys: str) -> None:
    """Press keys, and wait until they have done all that."""
    await pilot.press(*keys)
    await _settle(pilot.app)
    await pilot.pause()


async def _settle(app: App[object]) -> None:
    """Wait until no message waits for any widget: a key and what it leads to pass one queue after another."""
    quiet = 0
    with anyio.move_on_after(SECONDS):
        while quiet < QUIET_TURNS:
            await asyncio.sleep(0)
            waiting = sum(node.message_queue_size for node in (app, *app._registry))
            quiet = 0 if waiting else quiet + 1
