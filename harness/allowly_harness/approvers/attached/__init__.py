"""Answers for an agent without a terminal: its questions go over a Unix socket to terminals of the same user."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.approvers.attached.agents import Agents
    from allowly_harness.approvers.attached.approver import SocketApprover
    from allowly_harness.approvers.attached.sockets import SocketProblem

__all__ = ["Agents", "SocketApprover", "SocketProblem"]

_HOMES = {"Agents": "agents", "SocketApprover": "approver", "SocketProblem": "sockets"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
