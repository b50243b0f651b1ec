"""The blocks of a result as inert lines: text as text, everything else named and measured, never opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from allowly_harness.display.pictures import decoded_size, picture_facts
from allowly_harness.display.sanitize import MAX_BLOCK_LINES, Shown, identifier, joined, one_line
from allowly_harness.display.secrets import masked_block, masked_text

MAX_RESULT_BLOCKS: Final = 50
"""Most content blocks of one result that are shown; the rest is counted."""

MAX_URI_CHARACTERS: Final = 2_000
"""How much of an address is shown, in characters."""

_MIME_CHARACTERS: Final = 80
_NAME_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class ResultImage:
    """A picture in a result.

    Attributes:
        number: Which block of the result it is, from 1.
        mime_type: What the server calls it.
        format: What it is by its first bytes: "png", "jpeg", "gif", "webp", or "".
        size: In bytes; `None` if its base64 is broken.
        width: In pixels, as the file claims; `None` if it does not say.
        height: Like `width`.
        data: The base64 text as it came.
    """

    number: int
    mime_type: Shown
    format: str
    size: int | None
    width: int | None
    height: int | None
    data: str


@dataclass(frozen=True, slots=True)
class ResultLink:
    """A resource that a result points to; it is read through the session and by nothing else.

    Attributes:
        number: Which block of the result it is, from 1.
        name: As the server calls it.
        uri: The address, safe to draw.
        raw_uri: The address as it came, for reading.
    """

    number: int
    name: Shown
    uri: Shown
    raw_uri: str


def blocks_of(result: Any) -> Sequence[Any]:
    """Return the content blocks of a result that are looked at."""
    return cast("Sequence[Any]", getattr(result, "content", None) or ())[:MAX_RESULT_BLOCKS]


def images_of(result: Any) -> tuple[ResultImage, ...]:
    """Return the pictures of a result, also those in embedded resources."""
    images: list[ResultImage] = []
    for number, item in enumerate(blocks_of(result), 1):
        mime, data = _picture(item)
        if data is not None:
            facts = picture_facts(data)
            shown = one_line(mime, _MIME_CHARACTERS)
            size = decoded_size(data)
            images.append(ResultImage(number, shown, facts.format, size, facts.width, facts.height, data))
    return tuple(images)


def links_of(result: Any) -> tuple[ResultLink, ...]:
    """Return the resource links of a result."""
    links: list[ResultLink] = []
    for number, item in enumerate(blocks_of(result), 1):
        if getattr(item, "type", "") == "resource_link":
            uri = str(getattr(item, "uri", ""))
            name = one_line(_text(item, "title") or _text(item, "name"), _NAME_CHARACTERS)
            links.append(ResultLink(number, name, _address(uri), uri))
    return tuple(links)


def block_lines(item: Any, *, revealed: bool, max_lines: int = MAX_BLOCK_LINES) -> tuple[tuple[Shown, ...], int]:
    """Return one block of a result as lines, and how many secrets in them are masked."""
    text = getattr(item, "text", None)
    if isinstance(text, str):
        return masked_block(text, revealed=revealed, max_lines=max_lines)
    resource = getattr(item, "resource", None)
    text = getattr(resource, "text", None)
    if isinstance(text, str):
        lines, masked = masked_block(text, revealed=revealed, max_lines=max_lines)
        return (_tag(item), *lines), masked
    return (_tag(item),), 0


def _tag(item: Any) -> Shown:
    holder = getattr(item, "resource", None) or item
    parts: list[Shown | str] = ["[", identifier(_text(item, "type") or "unknown")]
    name = _text(item, "title") or _text(item, "name")
    if name:
        parts += [' "', *masked_text(name[:_NAME_CHARACTERS])[0], '"']
    uri = getattr(holder, "uri", None)
    if uri is not None:
        parts += [" ", _address(str(uri))]
    mime = _text(holder, "mime_type")
    if mime:
        parts += [" ", one_line(mime, _MIME_CHARACTERS)]
    return joined([*parts, *_measure(item, holder), "]"])


def _measure(item: Any, holder: Any) -> list[str]:
    mime, picture = _picture(item)
    data = picture if picture is not None else getattr(holder, "data", None) or getattr(holder, "blob", None)
    if not isinstance(data, str):
        size = getattr(item, "size", None)
        return [f", {size:,} bytes by its own account"] if isinstance(size, int) else []
    size = decoded_size(data)
    parts = [f", {len(data):,} characters that are no base64" if size is None else f", {size:,} bytes"]
    if picture is None:
        return parts
    facts = picture_facts(picture)
    if facts.width is not None and facts.height is not None:
        parts.append(f", {facts.width:,} x {facts.height:,} pixels")
    if not facts.format:
        parts.append(", of no format that is known here")
    elif facts.format not in mime.lower().replace("jpg", "jpeg"):
        parts.append(f", really {facts.format}")
    return parts


def _picture(item: Any) -> tuple[str, str | None]:
    """Return the media type and the base64 of a block that is a picture, `None` for what is none."""
    resource = getattr(item, "resource", None)
    mime = _text(resource if resource is not None else item, "mime_type")
    data = getattr(resource, "blob", None) if resource is not None else getattr(item, "data", None)
    is_picture = getattr(item, "type", "") == "image" or (resource is not None and mime.startswith("image/"))
    return mime, data if is_picture and isinstance(data, str) else None


def _address(uri: str) -> Shown:
    return joined(masked_text(uri[:MAX_URI_CHARACTERS])[0])


def _text(item: Any, name: str) -> str:
    value = getattr(item, name, None)
    return value if isinstance(value, str) else ""
