"""A journal in a file of its own, and the steps of a call to write into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from allowly_harness.journal import Journal
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.models import ToolCall

CALL = ToolCall("mail", "send_email", {"to": "ada@example.com"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[Journal]:
    async with Journal.open(path) as opened:
        yield opened


@pytest.fixture
def step() -> Callable[..., Record]:
    def make(name: str, conversation: str = "a" * 32, **facts: object) -> Record:
        return Record(name, CALL, facts, conversation)

    return make
