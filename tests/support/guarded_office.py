"""A guard with a policy in front of a raw server, and a real authority behind it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raw_ends import RawHost, RawServer, raw_host, running, serving

from allowly_authority import AuthorityClient
from allowly_harness import ApprovingClientSession
from allowly_harness.guarding import open_guard
from allowly_harness.guarding.authorizations import Authorizations
from allowly_harness.guarding.deciding import Decider, Guarded
from allowly_harness.guarding.definitions import Watch, digests_of
from allowly_harness.guarding.kept import Kept
from allowly_harness.guarding.rules import Rules
from allowly_harness.protocol.models import ServerInfo

POLICY = """
default = "confirm"
[tools]
"files.read" = "allow"
"files.write" = "confirm"
"files.wipe" = "escalate to compliance"
"files.secret" = "deny"
[resources]
"files.file:///open/*" = "allow"
"files.file:///closed/*" = "deny"
"""
TOOLS = [
    {"name": name, "inputSchema": {"type": "object", "x": [1.0, None]}, "vendor": {"deep": None}}
    for name in ("read", "write", "wipe", "secret", "new")
]
LISTS = {
    "tools/list": {"tools": TOOLS, "extra": [None]},
    "resources/list": {
        "resources": [{"uri": "file:///open/1", "name": "a"}, {"uri": "file:///closed/2", "name": "b", "v": None}]
    },
}
RAN = {"content": [{"type": "text", "text": "ran", "future": None}], "other": 1.0}


@dataclass
class Office:
    """A guard in front of a server, and an authority.

    Attributes:
        said: What was said of tools that are new or have changed.
    """

    authority: AuthorityClient
    folder: Path
    server: RawServer
    said: list[str]
    policy: str = POLICY

    def decider(self, authority: Any = None, **options: Any) -> Decider:
        client = authority or self.authority
        kept = Kept(self.folder / "kept.json")
        return Decider(
            Guarded("files", "ada", ["staff"]),
            Rules.of_text(self.policy),
            client,
            Authorizations(client, kept, user="ada", agent="guard:files", about="in memory"),
            Watch(digests_of(TOOLS[:4]), lambda tool, found: self.said.append(found)),
            **options,
        )

    @asynccontextmanager
    async def host(self, *, modern: bool = False, authority: Any = None, **options: Any) -> AsyncIterator[RawHost]:
        """Connect a raw host to the guard."""
        async with (
            open_guard(
                lambda: running(self.server.low), self.decider(authority), server=ServerInfo("files", "x")
            ) as guard,
            raw_host(serving(guard), modern=modern, **options) as host,
        ):
            yield host

    @asynccontextmanager
    async def session(self, approver: Any, **options: Any) -> AsyncIterator[ApprovingClientSession]:
        """Connect a session of the harness to the guard."""
        async with (
            open_guard(lambda: running(self.server.low), self.decider(), server=ServerInfo("files", "x")) as guard,
            serving(guard) as (read, write),
            ApprovingClientSession(read, write, approver=approver, authority=self.authority, **options) as session,
        ):
            await session.initialize()
            yield session

    @property
    def ran(self) -> list[str]:
        """Which tools were entered."""
        return [params["name"] for method, params in self.server.seen if method == "tools/call"]


def call(name: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return "tools/call", {"name": name, "arguments": arguments}


def decision(result: dict[str, Any]) -> dict[str, Any]:
    """Return the payload of a blocked result, which stands in it twice."""
    assert result["isError"] is True
    (block,) = result["content"]
    assert json.loads(block["text"]) == result["structuredContent"]
    payload: dict[str, Any] = result["structuredContent"]
    return payload
