"""A standing authority: what `authority serve` runs until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from allowly_authority.addresses import is_this_computer
from allowly_authority.app import create_app
from allowly_authority.service.authority import Authority
from allowly_authority.store.location import DatabaseUrl
from allowly_authority.web.listening import HttpServer, bind, url_of
from allowly_authority.workspace import default_database, open_workspace

DEFAULT_PORT: Final = 8787


def serve(
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    db: Path | DatabaseUrl | None = None,
    *,
    key: str | None = None,
    allow_non_loopback: bool = False,
    on_ready: Callable[[dict[str, str | None]], None] = lambda _: None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way end first. To be called on the main thread.

    Args:
        host: Where to listen.
        port: 0 takes any free one.
        db: The database: a file, by default in the user's data folder, or that of a PostgreSQL server.
        key: The workspace key; otherwise from `ALLOWLY_KEY`, else kept beside the database.
        allow_non_loopback: Listen on a network although there is no TLS: keys and nonces can be read
            on the way, unless something in front of it encrypts.
        on_ready: Called once with `base_url`, `db` and `key_file` (`None` where the key was given).

    Raises:
        ValueError: `host` is not a loopback address and `allow_non_loopback` is not set, or the key is
            unusable.
        StoreError: The database or its key file cannot be used.
        OSError: The address is taken.
    """
    if not is_this_computer(host) and not allow_non_loopback:
        raise ValueError(
            f"{host} can be reached from other computers, and there is no TLS: keys and approvals could be read on "
            "the way. Listen on 127.0.0.1, or say explicitly that this is meant."
        )
    location = db if isinstance(db, DatabaseUrl) else (db or default_database()).absolute()
    workspace = open_workspace(location, key)
    api_key, key_file, database = workspace.key, workspace.key_file, workspace.database
    try:
        with bind(host, port) as bound:
            base_url = url_of(bound)
            authority = Authority(database, workspace_key=api_key, base_url=base_url)
            app = create_app(authority, api_key=api_key, listening_on=host)
            where = {"base_url": base_url, "db": str(location), "key_file": str(key_file) if key_file else None}
            HttpServer(app, on_ready=lambda: on_ready(where)).run(sockets=[bound])
    finally:
        database.close()
