"""One server as a host's file describes it, checked for its form. Texts are kept as written: nothing is expanded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast

from allowly_harness.hosts.documents import Listed
from allowly_harness.hosts.places import Place

MAX_NAME_CHARACTERS: Final = 128
"""Longest name of a server."""

MAX_WORDS: Final = 256
"""Most arguments, variables or headers of one server."""

MAX_TEXT_CHARACTERS: Final = 16 * 1024
"""Longest single text, and longest command in all, so that a person can be shown the whole of it."""

Transport: TypeAlias = Literal["stdio", "http", "sse"]

_TYPES: Final[Mapping[str, Transport]] = MappingProxyType(
    {"stdio": "stdio", "local": "stdio", "http": "http", "streamablehttp": "http", "sse": "sse"}
)
# A header's name is a token (RFC 9110, section 5.6.2).
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


class _Unusable(Exception):
    """Says what is wrong with an entry; never quotes a value."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One server of one file.

    Attributes:
        name: What the file calls it.
        place: The file.
        folder: Where it starts unless `cwd` says otherwise.
        asks: Whether a person must agree before anything of it is started or reached.
        transport: How it is reached.
        command: The program and its arguments; empty where it is reached by `url`.
        url: Where it is; `None` where it is started.
        env: Variables for a started server. Values may be secrets.
        headers: Headers for every request. Values may be secrets.
        cwd: Where it starts, as written.
        forwarded: Variables that are handed on where they are set.
        header_variables: Headers whose value is that of a variable.
        disabled: Whether the host itself does not use it.
        problem: Why it cannot be used; empty if it can.
    """

    name: str
    place: Place
    folder: Path
    asks: bool
    transport: Transport = "stdio"
    command: tuple[str, ...] = field(default=(), repr=False)
    url: str | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    headers: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    cwd: str | None = None
    forwarded: tuple[str, ...] = ()
    header_variables: Mapping[str, str] = field(default_factory=_nothing)
    disabled: bool = False
    problem: str = ""


def read_entry(listed: Listed, place: Place) -> Entry:
    """Check what a file says of one server; what is wrong with it stands in `problem`."""
    known: dict[str, Any] = {"name": listed.name, "place": place, "folder": listed.folder, "asks": not listed.is_own}
    try:
        return Entry(**known, **_fields(_object(listed), place))
    except _Unusable as error:
        return Entry(**known, problem=str(error))


def _object(listed: Listed) -> dict[str, Any]:
    if not listed.name.strip() or len(listed.name) > MAX_NAME_CHARACTERS:
        raise _Unusable(f"its name must have 1 to {MAX_NAME_CHARACTERS} characters")
    if not isinstance(listed.raw, dict):
        raise _Unusable("it must be an object with a command or a url")
    return cast("dict[str, Any]", listed.raw)


def _fields(raw: dict[str, Any], place: Place) -> dict[str, Any]:
    raw = _flat(raw)
    disabled = raw.get("disabled") is True or raw.get("enabled") is False
    if raw.get("envFile") is not None:
        raise _Unusable("its variables stand in an envFile, which is not read; start its command and give --env")
    url = _first_text(raw, "httpUrl", "serverUrl", "url")
    command = _text(raw, "command")
    if (url is None) == (command is None):
        known = "a command or a url" if url is None else "either a command or a url, not both"
        raise _Unusable(f"it must have {known}")
    transport = _transport(raw, url, place)
    if url is not None:
        return {"url": url, "transport": transport, "disabled": disabled} | _header_fields(raw)
    words = (cast("str", command), *_texts(raw, "args"))
    if not words[0].strip():
        raise _Unusable("'command' is empty")
    if sum(map(len, words)) > MAX_TEXT_CHARACTERS:
        raise _Unusable(f"its command is longer than {MAX_TEXT_CHARACTERS} characters")
    return {
        "command": words,
        "env": _pairs(raw, "env"),
        "cwd": _text(raw, "cwd"),
        "forwarded": _forwarded(raw),
        "disabled": disabled,
    }


def _flat(raw: dict[str, Any]) -> dict[str, Any]:
    """Bring Zed's older form, in which `command` is an object, into the common one."""
    command = raw.get("command")
    if isinstance(command, dict):
        inner = cast("dict[str, Any]", command)
        return {**raw, **inner, "command": inner.get("path")}
    if raw.get("source") == "extension" or (command is None and isinstance(raw.get("settings"), dict)):
        raise _Unusable("an extension of the host runs it; the file does not say how")
    return raw


def _transport(raw: dict[str, Any], url: str | None, place: Place) -> Transport:
    kind = _text(raw, "type")
    if kind is None:
        if url is None:
            return "stdio"
        return "sse" if place.host.url_is_sse and raw.get("httpUrl") is None else "http"
    transport = _TYPES.get(re.sub("[-_]", "", kind.lower()))
    if transport is None:
        raise _Unusable("its 'type' is not known; known are stdio, http and sse")
    if (transport == "stdio") != (url is None):
        raise _Unusable("its 'type' does not fit to what it has, a command or a url")
    return transport


def _header_fields(raw: dict[str, Any]) -> dict[str, Any]:
    headers = {**_pairs(raw, "headers"), **_pairs(raw, "http_headers")}
    variables = dict(_pairs(raw, "env_http_headers"))
    token = _text(raw, "bearer_token_env_var")
    if token is not None:
        variables["Authorization"] = token
    if not all(_HEADER_NAME.fullmatch(name) for name in (*headers, *variables)):
        raise _Unusable("one of its headers has a name that no header can have")
    return {"headers": headers, "header_variables": variables}


def _forwarded(raw: dict[str, Any]) -> tuple[str, ...]:
    given = raw.get("env_vars")
    if isinstance(given, list):
        given = [cast("dict[str, Any]", item).get("name") if isinstance(item, dict) else item for item in given]
    return _texts({"env_vars": given}, "env_vars")


def _first_text(raw: dict[str, Any], *keys: str) -> str | None:
    return next((text for key in keys if (text := _text(raw, key)) is not None), None)


def _text(raw: dict[str, Any], key: str) -> str | None:
    value = raw.get(key)
    return None if value is None else _checked(value, key)


def _texts(raw: dict[str, Any], key: str) -> tuple[str, ...]:
    value = raw.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_WORDS:
        raise _Unusable(f"{key!r} must be a list of at most {MAX_WORDS} texts")
    return tuple(_checked(item, key) for item in value)


def _pairs(raw: dict[str, Any], key: str) -> dict[str, str]:
    value = raw.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MAX_WORDS:
        raise _Unusable(f"{key!r} must be an object of at most {MAX_WORDS} texts")
    found = cast("dict[str, Any]", value)
    if any(not name or "=" in name for name in found):
        raise _Unusable(f"a name in {key!r} is empty or holds an equals sign")
    # VS Code takes numbers too, and `null` for "not set".
    return {_checked(name, key): _checked(_written(item), key) for name, item in found.items() if item is not None}


def _written(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _checked(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise _Unusable(f"{key!r} must hold text")
    if "\0" in value or len(value) > MAX_TEXT_CHARACTERS:
        raise _Unusable(f"{key!r} holds a null character, or more than {MAX_TEXT_CHARACTERS} characters")
    return value
