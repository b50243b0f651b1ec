"""Says, again and again, that this program is still at work on the calls that it has taken."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from allowly_harness.protocol.errors import JournalError

LEASE_SECONDS: Final = 60.0
"""How long a call belongs to a program that says nothing: one that is stopped, or stands still."""

RENEW_SECONDS: Final = 20.0
"""How often a running program says that it is still there."""

logger = logging.getLogger(__name__)


class Renewing:
    """Renews all leases of one program, in a thread of its own: event loops stand still, and there are several.

    A lease that was taken over meanwhile names another program, so nothing is renewed of it.

    Args:
        changing: Opens a transaction.
        program: The name of this run.
        clock: Returns seconds since 1970.
    """

    def __init__(
        self,
        changing: Callable[[], AbstractContextManager[sqlite3.Connection]],
        program: str,
        clock: Callable[[], float],
    ) -> None:
        self._changing = changing
        self._program = program
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Begin, if it has not begun yet."""
        with self._starting:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="allowly-harness leases", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End it, before the file is closed."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def renew(self) -> None:
        """Renew all leases once.

        Raises:
            JournalError: The file cannot be written.
        """
        until = int((self._clock() + LEASE_SECONDS) * 1000)
        with self._changing() as connection:
            connection.execute("UPDATE pending SET lease_until_ms = ? WHERE owner = ?", (until, self._program))

    def _run(self) -> None:
        while not self._stop.wait(RENEW_SECONDS):
            try:
                self.renew()
            except JournalError:
                # The next turn comes well before the lease is over; without it, others may take the call.
                logger.warning("The leases of calls that wait could not be renewed.", exc_info=True)
