"""The entries of one call in the journal, its first sending and its end included, and the call itself while it waits.

An agent's framework may run a tool again that raised, so nothing raises here once the tool may have run.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import anyio
import anyio.to_thread

from allowly_harness.journal.keeping import Keeping
from allowly_harness.performing.performer import Journal as JournalFunction
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.errors import JournalError
from allowly_harness.protocol.models import ApprovalOutcome, ToolCall

if TYPE_CHECKING:
    from allowly_harness.journal.journal import Journal as OpenJournal

AnyJournal: TypeAlias = "OpenJournal | JournalFunction"
"""An open journal also keeps the calls that wait, so that they can be resumed; a function is told the steps alone."""

_logger = logging.getLogger(__name__)


def is_open(journal: AnyJournal | None) -> TypeGuard[OpenJournal]:
    """Tell an open journal from a function, without loading what keeps one: a server's client seldom has any."""
    return journal is not None and not callable(journal)


class CallJournal:
    """Writes the steps of one call down.

    Args:
        journal: Where; `None` for nowhere.
        keeping: What is needed to make the call again, should it wait.
        token: The conversation of a call that is resumed; `None` for a new one.

    Attributes:
        resumable: The token of a call that was left open and is kept; `None` otherwise.
        why_not: Why the call is not kept, in a few words; empty where it is, and where nothing is kept at all.
    """

    def __init__(self, journal: AnyJournal | None, keeping: Keeping, token: str | None = None) -> None:
        self._open: OpenJournal | None = journal if is_open(journal) else None
        self._function: JournalFunction | None = journal if callable(journal) else None
        self._keeping = keeping
        self._conversation = token or ("" if journal is None else secrets.token_hex(16))
        self._last = ""
        self._kind = ""
        self.resumable: str | None = None
        self.why_not = ""

    def cannot_be_kept(self, why: str) -> None:
        """Say why the call could not be made again as it was, in a few words."""
        self._keeping = replace(self._keeping, why_not=why)

    async def record(self, record: Record) -> None:
        """Write a step down before it is taken, or, for its end, after it.

        Raises:
            Exception: What the journal raised: the step must not be taken. Never for the end of a call.
        """
        if self._open is None and self._function is None:
            return
        record = replace(record, conversation=self._conversation)
        if record.facts.get("outcome") == ApprovalOutcome.DEFERRED and self._is_kept:
            self.resumable = self._conversation
        try:
            if self._open is not None:
                self.why_not = await self._open.record_resumable(record, self._keeping) or self.why_not
            elif self._function is not None:
                await self._function(record)
        except Exception:
            if record.step != "finished":
                raise
            _logger.exception("The end of a call could not be written down.")
        self._last = record.step
        if record.step == "asked":
            self._kind = str(record.facts.get("kind", ""))

    @asynccontextmanager
    async def first_sending(self, call: ToolCall) -> AsyncGenerator[None]:
        """Write down that a call is sent for the first time, and, where no answer comes, that nobody knows.

        Raises:
            Exception: What the journal raised: the call must not be sent.
        """
        if self._open is None and self._function is None:
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
        if self._open is not None or self._function is not None:
            await self.record(Record("finished", call, {"outcome": outcome.value, "rounds": 0, **(facts or {})}))

    async def left(self, call: ToolCall) -> None:
        """Write down what becomes of a call that is kept, when its caller leaves it, or when it fails here.

        What was sent is of unknown outcome; a question to the person here was withdrawn with its call; what
        somebody else decides goes on without this program, and the call with it, once it is resumed.
        """
        if not self._is_kept:
            return
        outcome = ApprovalOutcome.DEFERRED if self._kind == "escalate" else ApprovalOutcome.CANCELLED
        if self._last == "dispatched":
            outcome = ApprovalOutcome.UNKNOWN
        with anyio.CancelScope(shield=True):
            await self.record(Record("finished", call, {"outcome": outcome.value}))

    async def let_go(self) -> None:
        """Free a call that is still kept, because its end could not be written, or somebody else went on with it."""
        if self._open is None or not self._is_kept:
            return
        with anyio.CancelScope(shield=True):
            try:
                await anyio.to_thread.run_sync(self._open.let_go, self._conversation)
            except JournalError:
                _logger.exception("A call that waits could not be freed.")

    @property
    def _is_kept(self) -> bool:
        return self._open is not None and self._open.keeps(self._conversation)
