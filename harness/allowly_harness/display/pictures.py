"""What a picture is, read from its first bytes without decoding it: format, width and height.

Formats: PNG (RFC 2083), GIF (GIF89a), JPEG (ITU-T T.81, the frame header) and WebP (RFC 9649). The
numbers are what the file claims of itself; nothing is decompressed.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

MAX_HEADER_BYTES: Final = 65_536
"""How much of a picture is looked at for its size, in bytes. A JPEG may hold other data before it."""

_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=\r\n]")
_MAX_SEGMENTS: Final = 200
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a picture's first bytes say.

    Attributes:
        format: "png", "jpeg", "gif" or "webp", "" if it is none of them.
        width: In pixels; `None` if it is not in the first `MAX_HEADER_BYTES`.
        height: Like `width`.
    """

    format: str = ""
    width: int | None = None
    height: int | None = None


def decoded_size(data: str) -> int | None:
    """Return how many bytes base64 text stands for, `None` if it is not base64 (RFC 4648)."""
    if _NOT_BASE64.search(data):
        return None
    plain = data.replace("\r", "").replace("\n", "") if "\n" in data or "\r" in data else data
    padding = len(plain) - len(plain.rstrip("="))
    if len(plain) % 4 or padding > 2 or "=" in plain[: len(plain) - padding]:  # noqa: PLR2004 - RFC 4648, section 4
        return None
    return len(plain) // 4 * 3 - padding


def picture_facts(data: str) -> PictureFacts:
    """Read format and size from a picture in base64; empty where it is broken or of another format."""
    head = re.sub(r"[\r\n]", "", data[: MAX_HEADER_BYTES * 4 // 3])
    try:
        start = base64.b64decode(head[: len(head) // 4 * 4])
    except (binascii.Error, ValueError):
        return PictureFacts()
    for read in (_png, _gif, _jpeg, _webp):
        facts = read(start)
        if facts is not None:
            return facts
    return PictureFacts()


def _number(data: bytes, start: int, length: int, *, little: bool = False) -> int | None:
    piece = data[start : start + length]
    return int.from_bytes(piece, "little" if little else "big") if len(piece) == length else None


def _png(data: bytes) -> PictureFacts | None:
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    if data[12:16] != b"IHDR":
        return PictureFacts("png")
    return PictureFacts("png", _number(data, 16, 4), _number(data, 20, 4))


def _gif(data: bytes) -> PictureFacts | None:
    if not data.startswith((b"GIF87a", b"GIF89a")):
        return None
    return PictureFacts("gif", _number(data, 6, 2, little=True), _number(data, 8, 2, little=True))


def _jpeg(data: bytes) -> PictureFacts | None:
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    for _ in range(_MAX_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        if at + 4 > len(data) or data[at] != 0xFF:  # noqa: PLR2004 - the marker's first byte
            break
        marker, length = data[at + 1], _number(data, at + 2, 2) or 0
        if marker in _FRAMES:
            return PictureFacts("jpeg", _number(data, at + 7, 2), _number(data, at + 5, 2))
        if length < 2:  # noqa: PLR2004 - the length counts itself
            break
        at += 2 + length
    return PictureFacts("jpeg")


def _webp(data: bytes) -> PictureFacts | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return PictureFacts("webp", _plus_one(data, 24, 3), _plus_one(data, 27, 3))
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = _number(data, 26, 2, little=True), _number(data, 28, 2, little=True)
        return PictureFacts("webp", _low_bits(width), _low_bits(height))
    if kind == b"VP8L" and data[20:21] == b"\x2f":
        bits = _number(data, 21, 4, little=True)
        if bits is not None:
            return PictureFacts("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    return PictureFacts("webp")


def _plus_one(data: bytes, start: int, length: int) -> int | None:
    number = _number(data, start, length, little=True)
    return None if number is None else number + 1


def _low_bits(number: int | None) -> int | None:
    return None if number is None else number & 0x3FFF
