"""What a demo server needs to know, from its environment, and how it is run: over stdio or HTTP."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import uvicorn

from allowly_authority.web.listening import bind, url_of

ROOT_VARIABLE: Final = "ALLOWLY_DEMO_MAIL"
AUTHORIZATION_VARIABLE: Final = "ALLOWLY_AUTHORIZATION_ID"

CHECK_TIMEOUT_SECONDS: Final = 10.0
"""How long a check may take; longer than the guard's default, because a demo shares its computer with its authority."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Where mail goes, and who is asked before it does."""

    root: Path
    base_url: str
    api_key: str = field(repr=False)
    authorization_id: str

    def authorization_of(self, user_id: str) -> str | None:
        """Return the authorization of a user; the demo knows one, the person who runs it."""
        return self.authorization_id if user_id == current_user() else None


def current_user() -> str:
    """Return the user of this computer: the identity that a local server can trust."""
    return getpass.getuser()


def load(environ: Mapping[str, str] = os.environ) -> DemoSettings:
    """Read the settings, or leave with a sentence that says which are missing."""
    needed = ("ALLOWLY_BASE_URL", "ALLOWLY_KEY", AUTHORIZATION_VARIABLE)
    missing = [name for name in needed if not environ.get(name)]
    if missing:
        sys.exit(
            f"This server asks an authority before it acts; set {', '.join(missing)}. "
            "`allowly-harness demo` does it all by itself, and so does `allowly-harness connect demo:mail`."
        )
    root = Path(environ.get(ROOT_VARIABLE) or "demo-mail").absolute()
    base_url, api_key, authorization_id = (environ[name] for name in needed)
    return DemoSettings(root, base_url, api_key, authorization_id)


def run(name: str, run_stdio: Callable[[], Any], http_app: Callable[[], Any]) -> None:
    """Serve over stdio, or over HTTP with `--http`; then the URL is printed as one line of JSON.

    Args:
        name: The server's name, for `--help`.
        run_stdio: An async function that serves over standard input and output.
        http_app: Makes the ASGI application for streamable HTTP at /mcp.
    """
    parser = argparse.ArgumentParser(prog=name, description="A demo MCP server, guarded by AllowlyMCPMiddleware.")
    parser.add_argument("--http", action="store_true", help="serve over streamable HTTP instead of stdio")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0, the default, takes a free one")
    options = parser.parse_args()
    if not options.http:
        anyio.run(run_stdio)
        return
    with bind("127.0.0.1", options.port) as bound:
        print(json.dumps({"url": f"{url_of(bound)}/mcp"}), flush=True)
        config = uvicorn.Config(http_app(), log_level="warning", timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[bound])
