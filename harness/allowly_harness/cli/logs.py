"""Keeps the log of this program, and of the libraries in it, off the person's screen.

Libraries log what servers send, and Python prints warnings that nobody handles to standard error: in the
middle of a question, or of a script's output. They go to a file instead, without the texts of exceptions,
which may quote a server's answer and with it a nonce.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from types import TracebackType
from typing import Final, TextIO, TypeAlias

from allowly_harness.locations import open_private

MAX_LOG_BYTES: Final = 1024 * 1024
"""A log that has grown longer is begun anew, so that no server can fill the disk with warnings about it."""

_Failure: TypeAlias = "tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]"


class _WithoutTexts(logging.Formatter):
    """Names an exception's class and where it was raised, and no more; writes inert lines (G8)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as lines that mean nothing to a terminal; only ours begin without two spaces."""
        from allowly_harness.display.sanitize import plain  # its tables take a while to load

        return "\n  ".join(plain(line) for line in super().format(record).split("\n"))

    def formatException(self, ei: _Failure) -> str:  # noqa: N802 - the name that logging calls
        kind, _, trace = ei
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        return f"  {kind.__name__ if kind else 'no exception'}{place}"


class _BoundedFile(logging.StreamHandler[TextIO]):
    """Begins its file anew as soon as it is longer than `MAX_LOG_BYTES`."""

    def close(self) -> None:
        """Close the file, too."""
        self.stream.close()
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            if os.fstat(self.stream.fileno()).st_size > MAX_LOG_BYTES:
                os.ftruncate(self.stream.fileno(), 0)
        except (OSError, ValueError):
            # A file that is gone or closed must not end what was about to be logged: a question, perhaps.
            self.handleError(record)
            return
        super().emit(record)


def log_to(path: Path) -> None:
    """Send every warning and error of this process to a file that only its owner can read.

    Where the file cannot be written, nothing is logged.
    """
    handler: logging.Handler = logging.NullHandler()
    with contextlib.suppress(OSError):
        handler = _BoundedFile(open_private(path))
    handler.setFormatter(_WithoutTexts("%(asctime)s %(levelname)s %(name)s %(message).2000s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
