"""A pipeline in front of an MCP server: handlers, policy, limits and approval, in one order, for every operation.

Nothing here knows a server framework; the adapters do. Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_middleware.pipeline.approval import ApprovalRequest, Approve, Deny, Pending
    from allowly_middleware.pipeline.context import Context
    from allowly_middleware.pipeline.events import EVENTS, Event
    from allowly_middleware.pipeline.exchange import Auth, Transport
    from allowly_middleware.pipeline.explaining import Explanation
    from allowly_middleware.pipeline.facts import CallFacts
    from allowly_middleware.pipeline.identity import Caller, of_token, of_trusted_proxy
    from allowly_middleware.pipeline.legacy import legacy
    from allowly_middleware.pipeline.operations import Operation
    from allowly_middleware.pipeline.outcomes import CONTINUE, NextCalledTwiceError, Refusal, Reply
    from allowly_middleware.pipeline.patterns import Pattern, PatternError, PatternIndex
    from allowly_middleware.pipeline.pipeline import Pipeline
    from allowly_middleware.pipeline.scopes import Scope
    from allowly_middleware.pipeline.subjects import ANONYMOUS, Subject
    from allowly_middleware.pipeline.tickets import ApproveLater, MemoryApprovals, Ticket

__all__ = [
    "ANONYMOUS",
    "CONTINUE",
    "EVENTS",
    "ApprovalRequest",
    "Approve",
    "ApproveLater",
    "Auth",
    "CallFacts",
    "Caller",
    "Context",
    "Deny",
    "Event",
    "Explanation",
    "MemoryApprovals",
    "NextCalledTwiceError",
    "Operation",
    "Pattern",
    "PatternError",
    "PatternIndex",
    "Pending",
    "Pipeline",
    "Refusal",
    "Reply",
    "Scope",
    "Subject",
    "Ticket",
    "Transport",
    "legacy",
    "of_token",
    "of_trusted_proxy",
]

_HOME: Final = {
    "ANONYMOUS": "subjects",
    "ApprovalRequest": "approval",
    "Approve": "approval",
    "ApproveLater": "tickets",
    "Auth": "exchange",
    "CONTINUE": "outcomes",
    "CallFacts": "facts",
    "Caller": "identity",
    "Context": "context",
    "Deny": "approval",
    "EVENTS": "events",
    "Event": "events",
    "Explanation": "explaining",
    "MemoryApprovals": "tickets",
    "NextCalledTwiceError": "outcomes",
    "Operation": "operations",
    "Pattern": "patterns",
    "PatternError": "patterns",
    "PatternIndex": "patterns",
    "Pending": "approval",
    "Pipeline": "pipeline",
    "Refusal": "outcomes",
    "Reply": "outcomes",
    "Scope": "scopes",
    "Subject": "subjects",
    "Ticket": "tickets",
    "Transport": "exchange",
    "legacy": "legacy",
    "of_token": "identity",
    "of_trusted_proxy": "identity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
