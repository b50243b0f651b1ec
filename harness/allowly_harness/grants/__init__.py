"""Remembered grants: a yes that a person gave once for calls like it, for a while, a number of times, or a session.

A grant answers only what the authority's own record confirms, never an escalation, and never a call that is
dangerous unless the configuration names its tool. Where anything about it is in doubt, a person is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants, Used
    from allowly_harness.grants.rules import Binding, Ends, Rule
    from allowly_harness.grants.store import Grant, GrantError, GrantStore

__all__ = ["Binding", "Ends", "Grant", "GrantError", "GrantStore", "Grants", "Rule", "Used"]

_HOMES = {
    "Binding": "rules",
    "Ends": "rules",
    "Grant": "store",
    "GrantError": "store",
    "GrantStore": "store",
    "Grants": "remembering",
    "Rule": "rules",
    "Used": "remembering",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
