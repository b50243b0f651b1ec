"""Takes a call that waits over, so that nothing holds it when whoever wanted it leaves meanwhile.

A thread that waits for the journal's file cannot be stopped. Cancelled by asyncio itself (`asyncio.timeout`,
`Task.cancel`), its caller is gone before it is done, and the lease would be held as long as the program runs.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from allowly_harness.protocol.errors import JournalError

if TYPE_CHECKING:
    from allowly_harness.journal.pending import Lease, PendingCalls

_logger = logging.getLogger(__name__)


async def take_over(calls: PendingCalls, token: str) -> Lease:
    """Take a call over. Cancelled meanwhile, it is free again as soon as it was taken.

    Raises:
        PendingError: As `PendingCalls.take`.
        JournalError: The file cannot be written.
    """
    taking = _Taking(calls, token)
    try:
        return await anyio.to_thread.run_sync(taking.run)
    except BaseException:
        lease = taking.leave()
        if lease is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_release, lease)
        raise


class _Taking:
    def __init__(self, calls: PendingCalls, token: str) -> None:
        self._calls = calls
        self._token = token
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._left = False

    def run(self) -> Lease:
        """Take it, on a thread, and give it back where nobody waits for it any more."""
        lease = self._calls.take(self._token)
        with self._lock:
            self._lease = lease
            left = self._left
        if left:
            _release(lease)
        return lease

    def leave(self) -> Lease | None:
        """Wait for it no longer; return what was taken by now, and must be given back."""
        with self._lock:
            self._left = True
            return self._lease


def _release(lease: Lease) -> None:
    try:
        lease.release()
    except JournalError:
        _logger.exception("A call that waits could not be freed.")
