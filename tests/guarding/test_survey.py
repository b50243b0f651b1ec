"""What a server offers is read page by page, in every era, and a server that cannot be read is said to be so."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from raw_ends import MODERN, RawServer, running

from allowly_harness.guarding import survey as surveying
from allowly_harness.guarding.survey import survey
from allowly_harness.protocol.errors import ServerUnreachable

pytestmark = pytest.mark.anyio


def offering(pages: dict[str | None, dict[str, Any]], **capabilities: Any) -> RawServer:
    async def lists(ctx: Any) -> Any:
        return {**pages[(ctx.params or {}).get("cursor")], **MODERN}

    server = RawServer(tools__list=lists)
    said = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": {"name": "x", "version": "1"}}
    server.answers["initialize"] = said
    hello = {"supportedVersions": ["2026-07-28"], "capabilities": capabilities, **MODERN}
    server.answers["server/discover"] = hello
    return server


@pytest.mark.parametrize("era", ["legacy", "modern", "auto"])
async def test_every_page_of_tools_is_read_as_it_stands_on_the_wire(era: Any) -> None:
    tools = [{"name": "a", "vendor": None}, {"name": "b", "annotations": {"readOnlyHint": True}}]
    pages = {None: {"tools": tools[:1], "nextCursor": "2"}, "2": {"tools": [tools[1], 5, {"name": None}]}}
    server = offering(pages, tools={}, prompts={})

    with anyio.fail_after(10):
        offer = await survey(lambda: running(server.low), label="x", era=era)

    assert offer.tools == tools
    assert (offer.resources, offer.prompts) == (False, True)


async def test_a_server_without_tools_is_not_asked_for_them() -> None:
    server = offering({}, resources={})

    with anyio.fail_after(10):
        offer = await survey(lambda: running(server.low), label="x", era="legacy")

    assert (offer.tools, offer.resources) == ([], True)


async def test_a_list_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """G6."""
    monkeypatch.setattr(surveying, "MAX_PAGES", 3)
    server = offering({cursor: {"tools": [], "nextCursor": "on"} for cursor in (None, "on")}, tools={})

    with anyio.fail_after(10), pytest.raises(ServerUnreachable, match="more than 3 pages"):
        await survey(lambda: running(server.low), label="x", era="legacy")


async def test_a_list_that_is_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """G6."""
    monkeypatch.setattr(surveying, "MAX_TOOLS", 2)
    server = offering({None: {"tools": [{"name": str(number)} for number in range(3)]}}, tools={})

    with anyio.fail_after(10), pytest.raises(ServerUnreachable, match="more than 2"):
        await survey(lambda: running(server.low), label="x", era="legacy")


async def test_a_server_that_cannot_list_or_start_is_said_to_be_unreachable() -> None:
    server = RawServer(initialize=offering({}, tools={}).answers["initialize"])

    with anyio.fail_after(10), pytest.raises(ServerUnreachable, match="mail does not list its tools"):
        await survey(lambda: running(server.low), label="mail", era="legacy")

    def broken() -> Any:
        return running(None)  # type: ignore[arg-type]

    with anyio.fail_after(10), pytest.raises(ServerUnreachable, match="cannot connect to mail"):
        await survey(broken, label="mail", era="legacy", start_timeout=2)
