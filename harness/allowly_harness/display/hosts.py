"""The hosts that a text names, and what is odd about each: in URLs, e-mail addresses and bare punycode.

Programs read the same address differently (RFC 3986 against the WHATWG URL standard), so what they
disagree on is said too. Nothing is looked up and nothing is changed.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from allowly_harness.display.sanitize import escape, one_line
from allowly_harness.display.scripts import CONFUSABLE, is_mixed, poses_as, script_of, scripts_of

MAX_HOSTS: Final = 2_000
"""How many different addresses of one kind are examined in one text."""

MAX_HOST_CHARACTERS: Final = 255
"""Longest host that is examined; the longest that DNS has (RFC 1035)."""

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}):[/\\]{2,4}([^\s/?#\"'<>\\]{1,400})(\\?)")
_EMAIL: Final = re.compile(r"@([^\s@<>\"'(),;:/\\\[\]?#]{1,255})")
_PUNYCODE: Final = re.compile(r"[xX][nN]--[A-Za-z0-9-]{1,59}(?:\.[A-Za-z0-9-]{1,63}){0,8}")
_PORT: Final = re.compile(r":([0-9]{0,5})$")
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]{0,16}|[0-9]{1,20}")
_DOTS: Final = re.compile("[.\u3002\uff0e\uff61]")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21", "ssh": "22"}
_DELIMITER: Final = re.compile(r"[\s@<>\"'(),;:/\\\[\]?#=]")
_LOCAL_CHARACTERS: Final = 64  # the longest local part, RFC 5321, section 4.5.3.1.1
_PLAIN: Final = re.compile(r"(?:[A-Za-z0-9_-]+\.)*[A-Za-z][A-Za-z0-9-]*")


def host_remarks(text: str) -> Iterator[str]:
    """Yield a sentence, safe to draw, for each odd thing about a host in `text`, in order of kind."""
    try:
        if ":/" in text or ":\\" in text:
            for url in _distinct(_URL, text):
                yield from _in_url(url[1].lower(), url[2], backslash=bool(url[3]))
        if "@" in text:
            for email in _distinct(_EMAIL, text, before=0 if text.isascii() else _LOCAL_CHARACTERS):
                yield from _mixed(
                    "mailbox", _DELIMITER.split(text[max(0, email.start() - _LOCAL_CHARACTERS) : email.start()])[-1]
                )
                yield from _named(email[1].rstrip("."))
        for host in _distinct(_PUNYCODE, text):
            yield from _labels(host[0])
    except _TooManyError:
        yield "too many addresses to look all of them over"


class _TooManyError(Exception):
    """There are more than `MAX_HOSTS` different addresses."""


def _distinct(pattern: re.Pattern[str], text: str, before: int = 0) -> Iterator[re.Match[str]]:
    """Yield the matches that differ from all earlier ones, or differ in so many characters before them."""
    seen: set[str] = set()
    for match in pattern.finditer(text):
        found = text[max(0, match.start() - before) : match.end()] if before else match[0]
        if found not in seen:
            if len(seen) == MAX_HOSTS:
                raise _TooManyError
            seen.add(found)
            yield match


def _in_url(scheme: str, authority: str, *, backslash: bool) -> Iterator[str]:
    before, at, address = authority.rpartition("@")
    host, port = address, ""
    ported = _PORT.search(address)
    if ported and not address.endswith("]"):
        host, port = address[: ported.start()], ported[1]
    if at and before:
        yield f"the host is {_shown(host)}: what stands before the @ is a user name"
    if backslash:
        yield f"a backslash behind {_shown(authority.rpartition('@')[2])}: programs disagree on which host is meant"
    if port and port != _DEFAULT_PORTS.get(scheme, ""):
        yield f"port {port}"
    yield from _named(host)


def _named(host: str) -> Iterator[str]:
    host = host[:MAX_HOST_CHARACTERS]
    if _PLAIN.fullmatch(host) and "xn--" not in host.lower():
        return
    if host.startswith("["):
        yield from _bracketed(host)
        return
    if "%" in host:
        yield f"percent signs in the host {_shown(host)}"
    number = _as_number(host)
    if number:
        yield number
    yield from _labels(host)


def _bracketed(host: str) -> Iterator[str]:
    try:
        address = ipaddress.IPv6Address(host.strip("[]").partition("%")[0])
    except ValueError:
        yield f"no valid IP address in the brackets of {_shown(host)}"
        return
    mapped = address.ipv4_mapped
    yield f"the host is an IP address{f', {mapped} written as IPv6' if mapped else ''}{_place(mapped or address)}"


def _as_number(host: str) -> str:
    """Read a host as the `inet_aton` of old and the WHATWG standard do: `127.1`, `0x7f000001`, `017700000001`."""
    parts = unicodedata.normalize("NFKC", host).rstrip(".").split(".")
    if not 1 <= len(parts) <= 4 or not all(_NUMBER.fullmatch(part) for part in parts):  # noqa: PLR2004 - IPv4
        return ""
    numbers = [_integer(part) for part in parts]
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(parts)):  # noqa: PLR2004 - bytes
        return f"a host of numbers only, {_shown(host)}, that is no IP address"
    whole = sum(number << (24 - 8 * index) for index, number in enumerate(numbers[:-1])) + numbers[-1]
    address = ipaddress.IPv4Address(whole)
    if str(address) == host:
        return f"the host is an IP address{_place(address)}"
    return f"the host {_shown(host)} is {address} in disguise{_place(address)}"


def _integer(part: str) -> int:
    if part[:2] in ("0x", "0X"):
        return int(part[2:] or "0", 16)
    if part.startswith("0") and all(digit in "01234567" for digit in part):
        return int(part, 8)
    return int(part)


def _place(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if address.is_loopback:
        return ", this computer"
    if address.is_link_local:
        return ", link-local (cloud metadata is read there)"
    return ", a private network" if address.is_private else ""


def _labels(host: str) -> Iterator[str]:
    if host.isascii() and "xn--" not in host.lower():
        return
    for letter in host:
        if not letter.isascii() and unicodedata.category(letter)[0] in "PSZC":
            yield f"{_name(letter)} in the host {_shown(host)}"
            break
    for label in _DOTS.split(host):
        if label[:4].lower() == "xn--":
            yield from _punycode(label)
        else:
            yield from _mixed("host", label)


def _punycode(label: str) -> Iterator[str]:
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        yield f"{_shown(label)} in a host is no valid punycode"
        return
    yield f'{_shown(label)} in a host stands for "{_shown(decoded)}"'
    yield from _mixed("host", decoded)


def _mixed(what: str, word: str) -> Iterator[str]:
    if not word or word.isascii():
        return
    posed = poses_as(word)
    if is_mixed(scripts_of(word)):
        odd = next((letter for letter in word if script_of(letter) not in ("", "LATIN")), word[0])
        yield f'{what}: mixed scripts ({_name(odd)} in "{_shown(word)}")'
    elif posed and all(letter in CONFUSABLE or letter.isascii() for letter in word):
        yield f'{what}: "{_shown(word)}" is not "{posed}" ({_name(word[0])})'
    elif posed:
        yield f'{what}: "{_shown(word)}" is read as "{_shown(posed)}" by some programs'


def _name(letter: str) -> str:
    script = script_of(letter)
    code = f"U+{ord(letter):04X}"
    return f"{script.capitalize()} {code}" if script else f"{unicodedata.name(letter, 'a character').lower()} {code}"


def _shown(text: str) -> str:
    """Return foreign text for a remark: letters that would reorder the remark are escaped."""
    shown = one_line(text, 80)
    if not shown.right_to_left:
        return shown.text
    return "".join(letter if letter.isascii() and letter.isprintable() else escape(letter) for letter in text[:80])
