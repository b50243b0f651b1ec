"""Where an authority is, and the paths on it: built from checked parts only."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import quote, urlsplit

from allowly_authority.errors import InvalidRequest
from allowly_authority.identifiers import is_usable_id

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

    Raises:
        ValueError: It is not an `https` URL, nor an `http` one to this computer, or holds more than
            scheme, host, port and path.
    """
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


def path_segment(identifier: str) -> str:
    """Return an identifier as one segment of a path.

    Raises:
        InvalidRequest: It holds characters that no identifier has, or means another path.
    """
    if not is_usable_id(identifier):
        del identifier
        raise InvalidRequest("The identifier has an unusable form.")
    return quote(identifier, safe="")
