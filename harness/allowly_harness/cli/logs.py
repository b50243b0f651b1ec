"""Keeps the log of this program, and of the libraries in it, off the person's screen.

Libraries log what servers send, and Python prints warnings that nobody handles to standard error: in the
middle of a question, or of a script's output. They go to a file instead, without the texts of exceptions,
which may quote a server's answer and with it a nonce.
"""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType
from typing import Final, TypeAlias

from allowly_harness.locations import open_private

MAX_LOG_BYTES: Final = 1024 * 1024
"""A log that has grown longer is begun anew when the program starts."""

_Failure: TypeAlias = "tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]"


class _WithoutTexts(logging.Formatter):
    """Names an exception's class and where it was raised, and no more."""

    def formatException(self, ei: _Failure) -> str:  # noqa: N802 - the name that logging calls
        kind, _, trace = ei
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        return f"  {kind.__name__ if kind else 'no exception'}{place}"


def log_to(path: Path) -> None:
    """Send every warning and error of this process to a file that only its owner can read.

    Where the file cannot be written, nothing is logged.
    """
    handler: logging.Handler = logging.NullHandler()
    try:
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.unlink()
        handler = logging.StreamHandler(open_private(path))
    except OSError:
        pass
    handler.setFormatter(_WithoutTexts("%(asctime)s %(levelname)s %(name)s %(message).2000s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
