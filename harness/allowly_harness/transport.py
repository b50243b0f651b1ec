"""The streams to a server, as its spec names it: reached by URL, or started with a log file for its standard error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

import httpx2
from mcp import StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from allowly_harness import locations
from allowly_harness.servers import ServerSpec

HTTP_SECONDS: Final = 30.0
"""How long connecting to a server with headers may take, and sending to it: the SDK's own limit."""

HTTP_READ_SECONDS: Final = 300.0
"""How long a server with headers may hold a response open in silence: the SDK's own limit."""

LOG_TAIL_BYTES: Final = 2000
"""How much of the server's own last words is quoted when it cannot be reached."""

MAX_WORDS: Final = 200
"""How many characters of the server's last line are quoted."""


class ServerTransport:
    """Opens what a spec names; to be entered and left by one task, as the SDK's own transports.

    Args:
        spec: How the server is reached or started.
        env: Variables for a started server; they win over those of the spec.
        cwd: Where a started server runs, unless the spec's own folder is meant.
        log: Where a started server's standard error goes.
    """

    def __init__(self, spec: ServerSpec, env: Mapping[str, str] | None, cwd: str | Path | None, log: Path) -> None:
        self._spec, self._env, self._cwd, self._log = spec, env, cwd, log
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> tuple[Any, Any]:
        async with AsyncExitStack() as stack:
            streams = await (self._reach(stack, self._spec.url) if self._spec.url is not None else self._start(stack))
            self._stack = stack.pop_all()
        return streams

    async def _reach(self, stack: AsyncExitStack, url: str) -> tuple[Any, Any]:
        headers = dict(self._spec.headers)
        if self._spec.sse:
            return await stack.enter_async_context(sse_client(url, headers=headers))
        if not headers:
            return await stack.enter_async_context(streamable_http_client(url))
        timeout = httpx2.Timeout(HTTP_SECONDS, read=HTTP_READ_SECONDS)
        client = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=timeout))
        return await stack.enter_async_context(streamable_http_client(url, http_client=client))

    async def _start(self, stack: AsyncExitStack) -> tuple[Any, Any]:
        command, *args = self._spec.command
        # What the caller says wins over what the server's own configuration says.
        env = {**self._spec.env, **(self._env or {})}
        parameters = StdioServerParameters(command=command, args=args, env=env or None, cwd=self._cwd or self._spec.cwd)
        errlog = stack.enter_context(_fresh_log(self._log))
        return await stack.enter_async_context(stdio_client(parameters, errlog=errlog))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)


def _fresh_log(path: Path) -> TextIO:
    """Begin a log for this run; the one before is kept beside it, as `NAME.log.old`."""
    with suppress(FileNotFoundError):
        path.replace(path.with_name(f"{path.name}.old"))
    return locations.open_private(path)


def last_words(log: Path) -> str:
    """Return the last line of a started server's log, as the end of a message; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f"; its last line was {lines[-1][:MAX_WORDS]!r}, more in {log}" if lines else ""
