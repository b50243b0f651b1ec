"""A result in a form to keep: the whole of it as JSON, its picture, or the text as it was shown."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, Final, cast

from allowly_harness.display.layout import lay_out_sections, text_of
from allowly_harness.display.sanitize import identifier
from allowly_harness.workbench.call_view import call_sections
from allowly_harness.workbench.calls import CallEntry

TEXT_COLUMNS: Final = 110
"""How wide a result is laid out that is kept as text, in columns."""

_PICTURES: Final = {"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp"}


def file_name(entry: CallEntry) -> str:
    """Propose a file name: tool, number, and `.json`."""
    name = "".join(span.text for span in identifier(entry.call.tool).spans if not span.altered)
    return f"{name.strip('.-')[:40] or 'result'}-{entry.number}.json"


def export(entry: CallEntry, suffix: str) -> bytes:
    """Return a call and its result as the bytes of a file.

    Args:
        entry: The call.
        suffix: What the file's name ends with. `.json`: call and result, exact, in pure ASCII. The
            suffix of a picture (`.png`, `.jpg`, `.gif`, `.webp`): the first picture of that type.
            Anything else: the text as it is shown, in which nothing can act on a terminal.

    Raises:
        ValueError: The result holds no such picture, or cannot be written as JSON.
    """
    suffix = suffix.lower().replace(".jpeg", ".jpg")
    if suffix == ".json":
        return _json(entry)
    if suffix in _PICTURES.values():
        return _picture(entry.result, suffix)
    return f"{text_of(lay_out_sections(call_sections(entry), TEXT_COLUMNS))}\n".encode()


def _json(entry: CallEntry) -> bytes:
    result = entry.result
    dump = getattr(result, "model_dump", None)
    document = {
        "tool": entry.call.tool,
        "arguments": entry.call.payload(),
        "sha256": entry.call.digest,
        "called": entry.at.isoformat(),
        "seconds": entry.seconds,
        "state": entry.words,
        "problem": entry.problem.text if entry.problem is not None else None,
        "result": dump(mode="json", by_alias=True, exclude_none=True) if dump is not None else None,
    }
    return f"{json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False)}\n".encode()


def _picture(result: Any, suffix: str) -> bytes:
    content = cast("Sequence[Any]", getattr(result, "content", None) or ())
    for item in content:
        if _PICTURES.get(getattr(item, "mime_type", None) or "") == suffix:
            try:
                return base64.b64decode(item.data, validate=True)
            except (binascii.Error, TypeError, ValueError):
                raise ValueError("the picture is no base64") from None
    raise ValueError(f"there is no {suffix[1:]} picture in the result; a name with .json keeps all of it")
