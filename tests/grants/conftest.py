"""A file of grants of its own, a clock that tests turn, and questions to which a yes may be remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from allowly_harness.grants import Grants, GrantStore
from allowly_harness.grants.moments import Moment
from allowly_harness.protocol.models import ApprovalRequest, ServerInfo, ToolCall, ToolInfo, Verification

MAIL = ServerInfo("mail", "python mail.py")
SEND = ToolInfo("send", description="Sends.", input_schema={"type": "object", "properties": {"to": {"type": "string"}}})


class TurnedClock:
    """Both clocks of a computer, in milliseconds; each can be turned by itself."""

    def __init__(self) -> None:
        self.wall, self.up, self.boot = 1_800_000_000_000, 5_000_000, "boot-1"

    def __call__(self) -> Moment:
        return Moment(self.wall, self.up, self.boot)

    def pass_minutes(self, minutes: float) -> None:
        self.wall += int(minutes * 60_000)
        self.up += int(minutes * 60_000)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "grants.db"


@pytest.fixture
def store(path: Path, clock: TurnedClock) -> Iterator[GrantStore]:
    with GrantStore(path, clock=clock) as opened:
        yield opened


@pytest.fixture
def grants(store: GrantStore) -> Grants:
    return Grants(store, authority="authority-1", granted_by="ada")


@pytest.fixture
def question() -> Callable[..., ApprovalRequest]:
    def make(arguments: dict[str, Any] | None = None, **changed: Any) -> ApprovalRequest:
        given = {"to": "ada@example.com", "body": "hello"} if arguments is None else arguments
        request = ApprovalRequest(
            kind="confirm",
            call=ToolCall("mail", "send", given),
            reason="asks",
            expires_at=datetime.now(UTC) + timedelta(minutes=5),
            server=MAIL,
            tool=SEND,
            verification=Verification.MATCHED,
            authorization_id="auth-1",
            scope="send",
        )
        return replace(request, **changed)

    return make
