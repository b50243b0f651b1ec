"""What a server offers, read from itself as it stands on the wire; nothing is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from mcp import MCPError
from mcp_types import INVALID_REQUEST, METHOD_NOT_FOUND

from allowly_harness._version import __version__
from allowly_harness.bridge.eras import Announcement, Wire, envelope, with_envelope
from allowly_harness.bridge.upstream import START_SECONDS, Transport, Upstream
from allowly_harness.connection import Era
from allowly_harness.protocol.errors import ServerUnreachable

MAX_PAGES: Final = 100
"""How many pages of a list are read."""

MAX_TOOLS: Final = 2_000
"""How many tools a server may offer."""

CLOSE_SECONDS: Final = 15.0
"""How long a started server may take to end."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server offers.

    Attributes:
        tools: Each tool as the server lists it.
        resources: Whether it has resources.
        prompts: Whether it has prompts.
    """

    tools: list[Wire] = field(default_factory=list[dict[str, Any]])
    resources: bool = False
    prompts: bool = False


async def survey(
    reach: Callable[[], Transport],
    *,
    label: str,
    era: Era = "auto",
    timeout: float = 300.0,  # noqa: ASYNC109 - the server's, for each of its answers
    start_timeout: float = START_SECONDS,
    last_words: Callable[[], str] = str,
) -> Offer:
    """Ask a server what it offers, on a connection of its own.

    Args:
        reach: Makes an `mcp` transport to the server.
        label: What it is called in messages.
        era: "legacy", "modern", or "auto": the newest first.
        timeout: How long it may take to answer one request, in seconds.
        start_timeout: How long it may take to start, in seconds.
        last_words: Returns the last line of a started server's log.

    Raises:
        ServerUnreachable: It did not start or answer, or offers more than can be read.
    """
    host = Announcement({"name": "allowly-harness guard", "version": __version__}, modern=True)
    upstream = Upstream(
        reach(),
        era=era,
        timeout=timeout,
        start_timeout=start_timeout,
        words=_Deaf(),
        label=label,
        last_words=last_words,
    )
    failure = ""
    async with anyio.create_task_group() as group:
        group.start_soon(_hold, upstream, host)
        try:
            await upstream.reached()
            return await _offer(upstream, host)
        except MCPError as error:
            failure = upstream.failure or f"{label} does not list its tools: {error}"
        finally:
            upstream.close()
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_SECONDS):
                await upstream.ended.wait()
            group.cancel_scope.cancel()
    raise ServerUnreachable(failure)


async def _hold(upstream: Upstream, host: Announcement) -> None:
    # Closed in its own time: cancelled half-way, a started server could be left behind.
    with anyio.CancelScope(shield=True):
        await upstream.run(host)


async def _offer(upstream: Upstream, host: Announcement) -> Offer:
    offered = upstream.capabilities
    tools = await _tools(upstream, host) if "tools" in offered else []
    return Offer(tools, resources="resources" in offered, prompts="prompts" in offered)


async def _tools(upstream: Upstream, host: Announcement) -> list[Wire]:
    tools: list[Wire] = []
    params: Wire = {}
    for _ in range(MAX_PAGES):
        sent = with_envelope(params, envelope(host)) if upstream.modern else params
        page = await upstream.send("tools/list", sent)
        listed = page.get("tools")
        tools += [one for one in listed if is_tool(one)] if isinstance(listed, list) else []
        if len(tools) > MAX_TOOLS:
            raise MCPError(INVALID_REQUEST, f"there are more than {MAX_TOOLS}")
        cursor = page.get("nextCursor")
        if not isinstance(cursor, str):
            return tools
        params = {"cursor": cursor}
    raise MCPError(INVALID_REQUEST, f"there are more than {MAX_PAGES} pages")


def is_tool(listed: Any) -> bool:
    """Tell whether an entry of a list of tools names a tool."""
    return isinstance(listed, dict) and isinstance(listed.get("name"), str)


class _Deaf:
    """Hears nothing of what the server says of its own accord, and answers none of it."""

    async def asked(self, method: str, params: Wire) -> Wire:
        """Refuse, but for a sign of life."""
        del params
        if method == "ping":
            return {}
        raise MCPError(METHOD_NOT_FOUND, "nobody is connected yet")

    async def told(self, method: str, params: Wire) -> None:
        """Do nothing."""
