"""The entries of one call in the journal, its first sending and its end included.

An agent's framework may run a tool again that raised, so nothing raises here once the tool may have run.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from allowly_harness.performing.performer import Journal
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.models import ApprovalOutcome, ToolCall

_logger = logging.getLogger(__name__)


class CallJournal:
    """Writes the steps of one call down.

    Args:
        journal: Where; `None` for nowhere.
    """

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal
        self._conversation = "" if journal is None else secrets.token_hex(16)

    async def record(self, record: Record) -> None:
        """Write a step down before it is taken, or, for its end, after it.

        Raises:
            Exception: What the journal raised: the step must not be taken. Never for the end of a call.
        """
        if self._journal is None:
            return
        try:
            await self._journal(replace(record, conversation=self._conversation))
        except Exception:
            if record.step != "finished":
                raise
            _logger.exception("The end of a call could not be written down.")

    @asynccontextmanager
    async def first_sending(self, call: ToolCall) -> AsyncGenerator[None]:
        """Write down that a call is sent for the first time, and, where no answer comes, that nobody knows.

        Raises:
            Exception: What the journal raised: the call must not be sent.
        """
        if self._journal is None:
            yield
            return
        await self.record(Record("dispatched", call, {"round": 0}))
        try:
            yield
        except BaseException as error:
            await self.ended(call, ApprovalOutcome.UNKNOWN, {"error": type(error).__name__})
            raise

    async def ended(self, call: ToolCall, outcome: ApprovalOutcome, facts: Mapping[str, Any] | None = None) -> None:
        """Write down how a call ended that nobody was asked about."""
        if self._journal is not None:
            await self.record(Record("finished", call, {"outcome": outcome.value, "rounds": 0, **(facts or {})}))
