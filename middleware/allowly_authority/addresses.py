"""Where an authority is, and the paths on it: built from checked parts only."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from allowly_authority.errors import InvalidRequest
from allowly_authority.identifiers import is_usable_id

UNIX_SCHEME: Final = "http+unix://"
"""Begins the URL of an authority on a Unix socket; the socket's path follows, percent-encoded."""

MAX_SOCKET_PATH_BYTES: Final = 103
"""Longest path of a Unix socket: what macOS takes; Linux takes 107 bytes."""

_LOCAL_NAMES: Final = frozenset({"localhost"})


def is_this_computer(host: str) -> bool:
    """Tell whether a host name or address means the computer that this runs on."""
    if host.lower() in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_base_url(base_url: str, *, allow_insecure: bool) -> str:
    """Return the base URL without a trailing slash.

    Args:
        base_url: `https://...`, `http://...`, or `http+unix://` with the percent-encoded path of a Unix socket.
        allow_insecure: Whether `http` may lead to other computers.

    Raises:
        ValueError: It is not an `https` URL, nor an `http` one to this computer, or holds more than
            scheme, host, port and path; or the path of a socket is unusable.
    """
    if base_url.startswith(UNIX_SCHEME):
        socket_path(base_url)
        return base_url.rstrip("/")
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("base_url is not a URL") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("base_url must be an http or https URL with a host")
    if not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        raise ValueError("base_url must be printable ASCII without spaces")
    if parts.username is not None or "?" in base_url or "#" in base_url:
        raise ValueError("base_url must hold no credentials, query or fragment")
    if parts.scheme == "http" and not (allow_insecure or is_this_computer(host)):
        raise ValueError("base_url must use https; http is for this computer only")
    return base_url.rstrip("/")


def socket_url(path: str) -> str:
    """Return the URL of an authority on a Unix socket."""
    return UNIX_SCHEME + quote(path, safe="")


def socket_path(base_url: str) -> str | None:
    """Return the path of the Unix socket that a URL names; `None` where it names none.

    Raises:
        ValueError: It is no absolute path, not percent-encoded, or too long for a socket.
    """
    if not base_url.startswith(UNIX_SCHEME):
        return None
    encoded = base_url.removeprefix(UNIX_SCHEME).rstrip("/")
    if not encoded.isascii() or any(character in encoded for character in "/?#@ "):
        raise ValueError("base_url must hold the percent-encoded path of a socket after http+unix://, and nothing else")
    try:
        path = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("base_url must hold the path of a socket in UTF-8") from None
    if not path.startswith("/") or not path.isprintable():
        raise ValueError("base_url must hold an absolute path of printable characters after http+unix://")
    if len(path.encode()) > MAX_SOCKET_PATH_BYTES:
        raise ValueError(f"the path of a socket has at most {MAX_SOCKET_PATH_BYTES} bytes")
    return path


def path_segment(identifier: str) -> str:
    """Return an identifier as one segment of a path.

    Raises:
        InvalidRequest: It holds characters that no identifier has, or means another path.
    """
    if not is_usable_id(identifier):
        del identifier
        raise InvalidRequest("The identifier has an unusable form.")
    return quote(identifier, safe="")
