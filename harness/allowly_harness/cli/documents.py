"""JSON for standard output. Servers and authorities word parts of it, and a terminal may be reading (G8)."""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def json_text(value: Any, *, indent: int | None = None, allow_nan: bool = True) -> str:
    """Return a value as JSON in printable ASCII, so that nothing in it moves a cursor.

    Args:
        value: JSON values.
        indent: Spaces a level; `None` for one line.
        allow_nan: Write NaN and infinities by their names.

    Raises:
        ValueError: There is one of these and it must not be written.
    """
    # `json` leaves U+007F as it is. It can stand within a string alone, where an escape means the same.
    return json.dumps(value, indent=indent, allow_nan=allow_nan).replace("\x7f", "\\u007f")


def discard_output() -> None:
    """Throw standard output away: what is still in its buffer would be written, and fail, once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
