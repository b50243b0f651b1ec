"""The full-screen front end. Nothing of Textual is loaded before it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.tui.app import HarnessApp
    from allowly_harness.tui.approver import TuiApprover
    from allowly_harness.tui.run import run_tui
    from allowly_harness.tui.terminal import terminal_problem

__all__ = ["HarnessApp", "TuiApprover", "run_tui", "terminal_problem"]

_HOMES = {"HarnessApp": "app", "TuiApprover": "approver", "run_tui": "run", "terminal_problem": "terminal"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
