"""Finding the keys that sign receipts: beside an SQLite file, or where one is named for the database of a server.

Every authority on one database must sign with the same keys. On one machine they share the file beside the database;
on several, each is given a copy of one file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from allowly_authority.identifiers import new_id
from allowly_authority.receipts.key_file import ReceiptKeyFile, ReceiptKeyFileError, receipt_keys_of
from allowly_authority.receipts.keys import KeyRing
from allowly_authority.store.location import DatabaseUrl
from allowly_authority.store.port import Database
from allowly_authority.store.receipts import has_signable

RECEIPT_KEYS_VARIABLE: Final = "ALLOWLY_RECEIPT_KEYS"
"""The environment variable that names the file of the receipt keys."""


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """Keys that are kept nowhere, for a database that is kept nowhere."""

    held: KeyRing

    def ring(self) -> KeyRing:
        """Return the keys."""
        return self.held


def open_receipt_keys(
    location: Path | Literal[":memory:"] | DatabaseUrl, named: Path | None, clock: Callable[[], float]
) -> ReceiptKeyFile | HeldKeys | None:
    """Open the keys of a database, made where the file is missing.

    Args:
        location: The database. For a file, the keys stand beside it unless another place is named.
        named: Where the keys are; otherwise `ALLOWLY_RECEIPT_KEYS` says it.
        clock: Returns seconds since 1970: the moment from which new keys sign.

    Returns:
        `None` for the database of a server without a named file: its receipts stay pending.

    Raises:
        ReceiptKeyFileError: The file cannot be made or used.
    """

    def now_ms() -> int:
        return int(clock() * 1000)

    path = receipt_key_path(location, named)
    if path is not None:
        return ReceiptKeyFile.open(path, now_ms)
    return None if isinstance(location, DatabaseUrl) else HeldKeys(KeyRing.new(new_id("ws"), now_ms()))


def receipt_key_path(location: Path | Literal[":memory:"] | DatabaseUrl, named: Path | None = None) -> Path | None:
    """Return where the keys of a database are, whether they are there or not; `None` where no file is named.

    Args:
        location: The database.
        named: Where the keys are; otherwise `ALLOWLY_RECEIPT_KEYS` says it, else they are beside the file.
    """
    given = named or os.environ.get(RECEIPT_KEYS_VARIABLE) or None
    if given:
        return Path(given).absolute()
    return receipt_keys_of(location) if isinstance(location, Path) else None


async def refuse_lost_keys(database: Database, path: Path | None) -> None:
    """Refuse to go on where receipts that can be signed are on record, and the file of their keys is gone.

    New keys would take the workspace's place without a word: what was signed before could no longer be verified with
    what is published, and what was not would stay pending for ever.

    Args:
        database: Open.
        path: Where the keys are to be; `None` where there is no file.

    Raises:
        ReceiptKeyFileError: They are gone.
        StoreError: The database failed.
    """
    if path is None or os.path.lexists(path) or not await database.read(has_signable):  # noqa: ASYNC240 - once
        return
    raise ReceiptKeyFileError(
        f"The receipt keys {path} are gone, and receipts that they may have signed are on record. Restore the file "
        "from a copy. If there is none, `authority serve --new-receipt-keys` makes new keys: receipts until now are "
        "then never signed, and the new workspace has another name."
    )
