"""What differs between the two eras of the protocol, on messages as they are on the wire.

"Legacy" is the era of the `initialize` handshake, up to 2025-11-25. "Modern" is 2026-07-28: every request carries
who sends it, results say what kind they are, and no server sends requests of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias, get_args

import mcp_types as types
from mcp.server.caching import CacheableMethod
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from allowly_harness.protocol.models import RUNTIME_EXTENSION

Wire: TypeAlias = dict[str, Any]
"""A part of a message as it is on the wire: names in camel case, nothing checked but that it is JSON."""

ENVELOPE: Final = frozenset(
    {
        types.PROTOCOL_VERSION_META_KEY,
        types.CLIENT_INFO_META_KEY,
        types.CLIENT_CAPABILITIES_META_KEY,
        types.LOG_LEVEL_META_KEY,
    }
)
"""What a modern request carries in `_meta` about its sender."""

CACHEABLE: Final = frozenset(get_args(CacheableMethod))
"""Modern results of these must say how long they hold."""

INPUT_METHODS: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Modern requests that may be answered with a wish for input, and are then sent again with it."""

CHANGES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "toolsListChanged": ("tools", "listChanged"),
        "promptsListChanged": ("prompts", "listChanged"),
        "resourcesListChanged": ("resources", "listChanged"),
    }
)
"""What a modern client can listen to, and the capability that offers it."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a host says of itself.

    Attributes:
        info: Its name and version, as it gave them; empty where it did not.
        capabilities: What servers may ask it for.
        version: The version of the protocol that it asked for.
        modern: Whether it said so in a request, rather than in a handshake.
        gets_approvals: Whether approvals are got for it here, and modern servers are told so.
    """

    info: Wire = field(default_factory=dict[str, Any])
    capabilities: Wire = field(default_factory=dict[str, Any])
    version: str = LATEST_HANDSHAKE_VERSION
    modern: bool = False
    gets_approvals: bool = False

    @property
    def name(self) -> str:
        """What it calls itself; a host's word."""
        name = self.info.get("name")
        return name if isinstance(name, str) else ""

    def can_elicit(self, mode: str = "form") -> bool:
        """Tell whether it asks people: for the values of a form, or to visit a page ("url")."""
        offered = self.capabilities.get("elicitation")
        if not isinstance(offered, dict):
            return False
        # Before there were modes, the bare capability meant forms; it still does.
        return mode in offered or (mode == "form" and "url" not in offered)

    def can_answer(self, method: str, params: Mapping[str, Any]) -> bool:
        """Tell whether a server may send it this request."""
        match method:
            case "elicitation/create":
                mode = params.get("mode")
                return self.can_elicit("form" if mode is None else str(mode))
            case "sampling/createMessage":
                return isinstance(self.capabilities.get("sampling"), dict)
            case "roots/list":
                return isinstance(self.capabilities.get("roots"), dict)
            case _:
                return False


def announced_in(method: str, params: Mapping[str, Any] | None, *, modern: bool) -> Announcement:
    """Return what a host says of itself in a handshake, or in any modern request."""
    params = params or {}
    if not modern:
        version = params.get("protocolVersion") if method == "initialize" else None
        return Announcement(
            _object(params.get("clientInfo")),
            _object(params.get("capabilities")),
            version if isinstance(version, str) else LATEST_HANDSHAKE_VERSION,
        )
    meta = _object(params.get("_meta"))
    return Announcement(
        _object(meta.get(types.CLIENT_INFO_META_KEY)),
        _object(meta.get(types.CLIENT_CAPABILITIES_META_KEY)),
        str(meta.get(types.PROTOCOL_VERSION_META_KEY) or LATEST_MODERN_VERSION),
        modern=True,
    )


def handshake(host: Announcement) -> Wire:
    """Return the params of the handshake with which a server hears of this host."""
    return {
        "protocolVersion": LATEST_HANDSHAKE_VERSION if host.modern else host.version,
        "capabilities": host.capabilities,
        "clientInfo": host.info or {"name": "unknown", "version": ""},
    }


def envelope(host: Announcement, log_level: str | None = None) -> Wire:
    """Return the `_meta` with which a modern server hears of this host."""
    meta: Wire = {
        types.PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION,
        types.CLIENT_CAPABILITIES_META_KEY: with_runtime(host.capabilities)
        if host.gets_approvals
        else host.capabilities,
    }
    if host.info:
        meta[types.CLIENT_INFO_META_KEY] = host.info
    if log_level is not None:
        meta[types.LOG_LEVEL_META_KEY] = log_level
    return meta


def with_envelope(params: Mapping[str, Any] | None, meta: Mapping[str, Any]) -> Wire:
    """Return params that carry `meta`, and nothing else that says who sends them.

    A host of the handshake's era could put an envelope of its own into its request, and take back in it what the
    bridge says: that approvals are got for it, and so that the guard is not to ask the host (design G11).
    """
    kept = without_envelope(params)
    return {**kept, "_meta": {**_object(kept.get("_meta")), **meta}}


def with_runtime(capabilities: Wire) -> Wire:
    """Return what a host can do, and that approvals are got for it."""
    return {**capabilities, "extensions": {**_object(capabilities.get("extensions")), RUNTIME_EXTENSION: {}}}


def sent_by(host: Announcement, params: Mapping[str, Any]) -> Wire:
    """Return the params of a modern host's request, with the word that approvals are got for it, if they are."""
    if not host.gets_approvals:
        return dict(params)
    meta = _object(params.get("_meta"))
    capabilities = meta.get(types.CLIENT_CAPABILITIES_META_KEY)
    if not isinstance(capabilities, Mapping):
        return dict(params)
    return {**params, "_meta": {**meta, types.CLIENT_CAPABILITIES_META_KEY: with_runtime(dict(capabilities))}}


def without_envelope(params: Mapping[str, Any] | None) -> Wire:
    """Return params without what only modern servers read."""
    kept = dict(params or {})
    meta = {name: value for name, value in _object(kept.pop("_meta", None)).items() if name not in ENVELOPE}
    return {**kept, "_meta": meta} if meta else kept


def headers_for(method: str, params: Mapping[str, Any], version: str, *, modern: bool) -> dict[str, str]:
    """Return the headers that a request carries over HTTP."""
    headers = {MCP_PROTOCOL_VERSION_HEADER: version}
    if modern:
        headers[MCP_METHOD_HEADER] = method
        name = params.get(NAME_BEARING_METHODS.get(method, ""))
        if isinstance(name, str):
            headers[MCP_NAME_HEADER] = encode_header_value(name)
    return headers


def as_legacy_hello(discovered: Wire, host: Announcement, name: str) -> Wire:
    """Return the answer to a handshake, for a server that knows none."""
    known = host.version if host.version in HANDSHAKE_PROTOCOL_VERSIONS else LATEST_HANDSHAKE_VERSION
    info = _object(discovered.get("_meta")).get(types.SERVER_INFO_META_KEY)
    hello: Wire = {
        "protocolVersion": known,
        "capabilities": _object(discovered.get("capabilities")),
        "serverInfo": info if isinstance(info, dict) else {"name": name, "version": ""},
    }
    return hello if discovered.get("instructions") is None else hello | {"instructions": discovered["instructions"]}


def as_modern_hello(initialized: Wire) -> Wire:
    """Return the answer to `server/discover`, for a server that only knows the handshake."""
    hello: Wire = {
        "supportedVersions": [LATEST_MODERN_VERSION],
        "capabilities": _object(initialized.get("capabilities")),
        "_meta": {types.SERVER_INFO_META_KEY: initialized.get("serverInfo")},
    }
    if initialized.get("instructions") is not None:
        hello["instructions"] = initialized["instructions"]
    return as_modern("server/discover", hello)


def as_modern(method: str, result: Wire) -> Wire:
    """Add what every modern result must have and a legacy one has not."""
    held = {"ttlMs": 0, "cacheScope": "private"} if method in CACHEABLE else {}
    return {**held, "resultType": "complete", **result}


def as_legacy(result: Wire) -> Wire:
    """Leave out what a modern result says to modern clients alone."""
    kept = {name: value for name, value in result.items() if name not in ("resultType", "ttlMs", "cacheScope")}
    meta = kept.get("_meta")
    if isinstance(meta, dict) and types.SERVER_INFO_META_KEY in meta:
        rest = {name: value for name, value in meta.items() if name != types.SERVER_INFO_META_KEY}
        kept = {**kept, "_meta": rest} if rest else {name: value for name, value in kept.items() if name != "_meta"}
    return kept


def is_input_required(result: Mapping[str, Any]) -> bool:
    """Tell whether a server wants input before it goes on."""
    return result.get("resultType") == "input_required"


def offers(capabilities: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Tell whether capabilities hold a true value at a path."""
    value: Any = capabilities
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value is True


def _object(value: Any) -> Wire:
    return dict(value) if isinstance(value, Mapping) else {}
