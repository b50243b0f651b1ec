"""How the client reaches an authority: over TCP, with or without TLS, or over a Unix socket.

httpx's own pool slows down under parallel requests, so its requests go over connections of aiohttp. Proxies and
`.netrc` of the environment are never used.
"""

from __future__ import annotations

import os
import ssl
from typing import Final

import aiohttp

from allowly_authority.addresses import socket_path
from allowly_authority.errors import InvalidRequest
from allowly_authority.lean_imports import without_httpx_command_line

with without_httpx_command_line():
    import httpx
    from httpx_aiohttp import AiohttpTransport

MAX_CONNECTIONS: Final = 256
"""Most connections to the authority at a time; more requests wait, within their deadline."""

IDLE_SECONDS: Final = 4.0
"""How long an idle connection is kept: shorter than any usual server does (uvicorn: 5 seconds)."""

CERTIFICATES_VARIABLE: Final = "SSL_CERT_FILE"
"""The environment variable that names the certificates to trust instead of the usual ones."""


def request_base(base_url: str) -> str:
    """Return what the URL of each request begins with; over a Unix socket the host is this computer."""
    return base_url if socket_path(base_url) is None else "http://localhost"


def open_transport(base_url: str) -> AiohttpTransport:
    """Return the connections to an authority; they are made when they are needed.

    Args:
        base_url: As `checked_base_url` returned it.

    Raises:
        InvalidRequest: The file that `SSL_CERT_FILE` names cannot be read as certificates.
    """
    path = socket_path(base_url)
    secure = path is None and base_url.startswith("https:")
    # Without TLS the context is never used; an empty one saves reading all certificates.
    context = _trusted() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return AiohttpTransport(verify=context, trust_env=False, client=lambda: _session(context, path))


def _trusted() -> ssl.SSLContext:
    """Trust the usual certificates, or those alone that the variable names, as OpenSSL and the SDKs do."""
    named = os.environ.get(CERTIFICATES_VARIABLE)
    if named:
        try:
            return ssl.create_default_context(cafile=named)
        except OSError:
            raise InvalidRequest(f"The file that {CERTIFICATES_VARIABLE} names holds no usable certificates.") from None
    return httpx.create_ssl_context(trust_env=False)


def _session(context: ssl.SSLContext, path: str | None) -> aiohttp.ClientSession:
    connector = (
        aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=IDLE_SECONDS, ssl=context)
        if path is None
        else aiohttp.UnixConnector(path, limit=MAX_CONNECTIONS, keepalive_timeout=IDLE_SECONDS)
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
    )
