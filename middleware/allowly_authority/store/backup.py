"""A copy of an SQLite database that is in use.

The copy opens nothing that was open when it was made: its pending questions and unused approvals are
cancelled. Otherwise an approval that is used after the copy was made could be used again after the copy
was put back.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from allowly_authority.store.schema import StoreError
from allowly_authority.store.sqlite import SqliteConnection
from allowly_authority.store.sqlite_file import as_store_error, open_existing
from allowly_authority.store.statements import Statement, given, word
from allowly_authority.store.tables import prompts

CANCEL_ALL: Final = Statement(
    sa.update(prompts)
    .values(state=word("cancelled"), revoked_ms=given("now"))
    .where(prompts.c.state.in_([word("pending"), word("approved")]))
)


def back_up(source: Path, target: Path) -> None:
    """Copy a database, whole and as of one moment, while authorities go on using it.

    Args:
        source: An existing database. The key file beside it is not copied.
        target: A file that does not exist yet; it is there (mode 0600) once it is complete.

    Raises:
        StoreError: The database cannot be read, or the target is there already or cannot be written.
    """
    with open_existing(source) as original:
        try:
            descriptor, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            os.close(descriptor)
        except OSError as error:
            raise StoreError(f"{target} cannot be written: {error.strerror}.") from None
        try:
            _copy(original, draft)
            _keep(Path(draft), target)
        except sqlite3.Error as error:
            raise as_store_error(error) from error
        except FileExistsError:
            raise StoreError(f"{target} exists. Name another file.") from None
        except OSError as error:
            raise StoreError(f"{target} cannot be written: {error.strerror}.") from None
        finally:
            Path(draft).unlink(missing_ok=True)


def _copy(original: sqlite3.Connection, draft: str) -> None:
    copy = sqlite3.connect(draft, isolation_level=None)
    try:
        original.backup(copy)
        # One file: what is still beside it would be left behind when it is carried away.
        copy.execute("PRAGMA journal_mode = DELETE")
        SqliteConnection(copy).run(CANCEL_ALL, now=time.time_ns() // 1_000_000)
        if copy.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise StoreError("The copy is damaged, and so may be the database.")
    finally:
        copy.close()


def _keep(draft: Path, target: Path) -> None:
    for place in (draft, draft.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    target.hardlink_to(draft)
