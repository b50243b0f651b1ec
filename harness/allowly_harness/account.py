"""Who uses this computer now, by the operating system's word; for records and for names on screens."""

from __future__ import annotations

import getpass
from functools import cache


@cache
def account_name() -> str:
    """Return the name of the operating system's user; empty for one without a name, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
