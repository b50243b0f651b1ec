"""The client half of Allowly: asks a person, reports the answer, retries the call.

The public names are imported when they are first used, so that `import allowly_harness.protocol`
loads neither mcp nor a screen.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from allowly_harness._version import __version__

if TYPE_CHECKING:
    from allowly_harness.approvers.base import Approver
    from allowly_harness.connection import connect
    from allowly_harness.protocol.models import Answer, ApprovalOutcome, ApprovalRequest, ToolCall
    from allowly_harness.session import ApprovingClientSession

__all__ = [
    "Answer",
    "ApprovalOutcome",
    "ApprovalRequest",
    "Approver",
    "ApprovingClientSession",
    "ToolCall",
    "__version__",
    "connect",
]

_HOMES = {
    "Answer": "allowly_harness.protocol.models",
    "ApprovalOutcome": "allowly_harness.protocol.models",
    "ApprovalRequest": "allowly_harness.protocol.models",
    "Approver": "allowly_harness.approvers.base",
    "ApprovingClientSession": "allowly_harness.session",
    "ToolCall": "allowly_harness.protocol.models",
    "connect": "allowly_harness.connection",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
