"""An authority inside this program, on a thread and an event loop of its own.

A terminal that is slow to draw, or a test that blocks, does not stall the checks of a server process.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from allowly_authority.addresses import is_this_computer
from allowly_authority.app import create_app
from allowly_authority.receipts import open_receipt_keys, receipt_key_path, refuse_lost_keys
from allowly_authority.service.authority import Authority
from allowly_authority.service.health import Health
from allowly_authority.web.hosts import OwnHosts
from allowly_authority.web.listening import GRACE_SECONDS, HttpServer, Listener, bind, url_of
from allowly_authority.workspace import Location, open_workspace

START_SECONDS: Final = 10.0
"""How long the server's thread may take to listen."""

STOP_SECONDS: Final = GRACE_SECONDS + 3.0
"""How long stopping may take before the thread is left behind."""


@dataclass(frozen=True, slots=True)
class RunningAuthority:
    """Where a running authority is reached.

    Attributes:
        key_file: Where the key is kept; `None` where it was given or is not kept.
    """

    base_url: str
    api_key: str = field(repr=False)
    db: Location
    key_file: Path | None


class AuthorityThread:
    """Runs the server on a thread until it is told to stop."""

    def __init__(self, server: HttpServer, ready: threading.Event) -> None:
        self._server = server
        self._ready = ready
        self._thread = threading.Thread(target=self._run, name="allowly-authority", daemon=True)

    def start(self) -> None:
        """Start, and return once requests are answered.

        Raises:
            RuntimeError: The server did not come up in time.
        """
        self._thread.start()
        if not self._ready.wait(START_SECONDS) or not self._server.started:
            self.stop()
            raise RuntimeError("the embedded authority did not start")

    def stop(self) -> None:
        """Let requests under way end, then stop, in bounded time."""
        self._server.stop()
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            self._server.stop(at_once=True)
            self._thread.join(1.0)

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve())
        finally:
            self._ready.set()


@asynccontextmanager
async def embedded_authority(
    *,
    db: Location,
    host: str = "127.0.0.1",
    port: int = 0,
    key: str | None = None,
    clock: Callable[[], float] = time.time,
    inbox_page: bool = False,
) -> AsyncGenerator[RunningAuthority]:
    """Run an authority for as long as the block lasts.

    Args:
        db: The database file, created where it is missing; ":memory:" keeps nothing. Or the database of
            a PostgreSQL server.
        host: A loopback address.
        port: 0 takes any free one.
        key: The key that clients must show; otherwise from `ALLOWLY_KEY` or beside the database.
        clock: Returns seconds since 1970; called on the server's thread.
        inbox_page: Serve the inbox as a web page as well, at `base_url` and `/inbox`.

    Raises:
        ValueError: `host` is not a loopback address, or the key is unusable.
        StoreError: The database or its key file cannot be used.
        OSError: The port is taken.
    """
    if not is_this_computer(host):
        raise ValueError("an embedded authority listens on this computer only: there is no TLS")
    workspace = open_workspace(db, key)
    api_key, database = workspace.key, workspace.database
    try:
        await refuse_lost_keys(database, receipt_key_path(db))
        receipt_keys = open_receipt_keys(db, None, clock)
        bound = bind(host, port)
        with bound:
            base_url = url_of(bound)
            authority = Authority(
                database, workspace_key=api_key, base_url=base_url, clock=clock, receipt_keys=receipt_keys
            )
            app = create_app(
                authority,
                watched=Health(database, clock),
                api_key=api_key,
                hosts=OwnHosts(host),
                inbox_page=inbox_page,
            )
            ready = threading.Event()
            server = HttpServer(app, [Listener(bound)], on_ready=ready.set, on_stop=authority.stop_streams)
            thread = AuthorityThread(server, ready)
            await anyio.to_thread.run_sync(thread.start)
            try:
                yield RunningAuthority(base_url, api_key, db, workspace.key_file)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(thread.stop)
    finally:
        database.close()
