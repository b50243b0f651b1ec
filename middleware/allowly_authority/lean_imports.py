"""Keeps a terminal library out of server processes.

`import httpx` also imports its command line, and with it `rich`, `click` and `pygments`, wherever these
are installed; here they always are. A guarded server needs none of them.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Final, cast

_COMMAND_LINE: Final = "httpx._main"


@contextmanager
def without_httpx_command_line() -> Generator[None]:
    """Let an `import httpx` in the block find no command line; httpx is prepared for that."""
    if _COMMAND_LINE in sys.modules:
        yield
        return
    # A `None` here is the documented way to make one import fail.
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    modules[_COMMAND_LINE] = None
    try:
        yield
    finally:
        modules.pop(_COMMAND_LINE, None)
