"""Questions to draw, and strings that attack a terminal."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from allowly_harness.protocol.models import ApprovalRequest, ServerInfo, ToolCall, ToolInfo, Verification

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def question() -> Callable[..., ApprovalRequest]:
    """Make a question; keywords replace its fields, `arguments` and `tool_name` those of its call."""

    def make(*, arguments=None, tool_name="send_email", **fields) -> ApprovalRequest:
        given = {"to": "ada@example.com", "subject": "Lunch?"} if arguments is None else arguments
        defaults = {
            "kind": "confirm",
            "call": ToolCall("mail", tool_name, given),
            "reason": "scope_requires_user_confirmation",
            "expires_at": NOON + timedelta(seconds=41),
            "server": ServerInfo("mail", "python mail_server.py"),
            "tool": ToolInfo(tool_name),
            "verification": Verification.MATCHED,
        }
        return ApprovalRequest(**{**defaults, **fields})

    return make
