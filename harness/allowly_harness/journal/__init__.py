"""What was asked, answered and sent, written down before the next step, in a chain that shows changes.

One file a user, shared by all harnesses that run at the same time. It holds no arguments, nonces, ids of
escalations or keys: a call is named by its server, its tool and its digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.journal.entries import Entry
    from allowly_harness.journal.journal import Journal
    from allowly_harness.journal.verdicts import Fate, verdict_of
    from allowly_harness.journal.verifying import Damage, Intact, verify

__all__ = ["Damage", "Entry", "Fate", "Intact", "Journal", "verdict_of", "verify"]

_HOMES = {
    "Damage": "verifying",
    "Entry": "entries",
    "Fate": "verdicts",
    "Intact": "verifying",
    "Journal": "journal",
    "verdict_of": "verdicts",
    "verify": "verifying",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
