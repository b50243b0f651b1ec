"""What is configured: the file, the key, and who may change or read them. The key itself is never shown."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from allowly_harness import locations
from allowly_harness.cli.checkups.finding import Finding, Tell
from allowly_harness.configuration import read_configuration
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.settings import EMBEDDED, KEY_VARIABLE, Settings, TerminalSettings, load_settings

_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def check_configuration(tell: Tell, authority: str | None) -> Settings | None:
    """Look at the configuration file and the key; return the settings, if they can be used.

    Args:
        tell: Takes the findings.
        authority: What `--authority` said.
    """
    path = locations.config_file()
    try:
        read_configuration(path)
    except ConfigurationError as error:
        tell(Finding.fail("configuration", str(error), "correct the file, or move it away"))
        return None
    tell(_file(path))
    try:
        settings = load_settings(authority)
    except ConfigurationError as error:
        # The file is sound, so it is the key: it cannot be read, or by too many.
        tell(Finding.fail("key", str(error), "keep the key in ALLOWLY_KEY or in a file of mode 0600"))
        return None
    for finding in _terminal(settings.terminal):
        tell(finding)
    key = _key(settings)
    tell(key)
    return settings if key.status == "ok" else None


def _file(path: Path) -> Finding:
    try:
        found = path.stat()
    except OSError:
        return Finding.ok("configuration", f"none, which is fine; it would be {path}")
    if found.st_mode & _WRITABLE or found.st_uid not in {os.getuid(), 0}:
        text = f"others can change {path}, and with it where your key is sent"
        return Finding.warn("configuration", text, f"chmod go-w {path}")
    return Finding.ok("configuration", str(path))


def _terminal(settings: TerminalSettings) -> Iterator[Finding]:
    if not settings.keys and settings.theme is None:
        return
    from textual.theme import BUILTIN_THEMES

    from allowly_harness.tui.keymap import read_keymap

    try:
        read_keymap(settings.keys)
    except ConfigurationError as error:
        yield Finding.fail("keys", str(error), "correct [terminal.keys]")
    if settings.theme is not None and settings.theme not in BUILTIN_THEMES:
        text = f"there is no theme {settings.theme!r}"
        yield Finding.fail("theme", text, f"take one of {', '.join(sorted(BUILTIN_THEMES))}")


def _key(settings: Settings) -> Finding:
    if settings.api_key is not None:
        where = "the variable " if settings.key_source == KEY_VARIABLE else "the file "
        return Finding.ok("key", f"from {where}{settings.key_source}")
    if settings.authority in {None, EMBEDDED}:
        return Finding.ok("key", "none, and none is needed")
    return Finding.fail(
        "key",
        f"there is none for the authority {settings.authority}",
        f"set ALLOWLY_KEY, or keep it in {locations.key_file()} with mode 0600",
    )
