"""The address of an authority that stands behind a proxy: what its clients call it, and how they reach it.

Nothing that a proxy adds to a request is believed, since anybody can add it as well. The address is named when the
authority starts, and holds for requests whose `Host` is the one in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from allowly_authority.addresses import checked_base_url
from allowly_authority.web.hosts import without_port

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """Where clients find an authority.

    Attributes:
        url: Without a slash at its end.
        scheme: "http" or "https".
        host: Without port and brackets, in lower case.
    """

    url: str
    scheme: str
    host: str


def parse_public_url(text: str, *, allow_insecure: bool) -> PublicUrl:
    """Check the address that is named.

    Args:
        text: `https://HOST` or `https://HOST:PORT`.
        allow_insecure: Whether it may be `http` and lead to other computers.

    Raises:
        ValueError: It is not such an address.
    """
    if "://" not in text or not text.startswith(("http://", "https://")):
        raise ValueError("the public URL has the form https://HOST or https://HOST:PORT")
    try:
        url = checked_base_url(text, allow_insecure=allow_insecure)
    except ValueError as error:
        raise ValueError(f"the public URL cannot be used: {error}") from None
    parts = urlsplit(url)
    if parts.path or not parts.hostname or "*" in parts.hostname:
        raise ValueError("the public URL must name one host, and hold no path")
    return PublicUrl(url, parts.scheme, parts.hostname)


class Published:
    """ASGI middleware that takes requests to the public address for what their clients sent.

    The proxy has decrypted them, so that they look like plain ones; what compares origins and marks cookies must know
    better.

    Args:
        app: What answers.
        public: The address.
    """

    def __init__(self, app: ASGIApp, public: PublicUrl) -> None:
        self._app = app
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and self._is_meant(scope):
            scope["scheme"] = self._public.scheme
        await self._app(scope, receive, send)

    def _is_meant(self, scope: Scope) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        return len(hosts) == 1 and without_port(hosts[0].decode("latin-1")).lower() == self._public.host
