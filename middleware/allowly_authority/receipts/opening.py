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
from allowly_authority.receipts.key_file import ReceiptKeyFile, receipt_keys_of
from allowly_authority.receipts.keys import KeyRing
from allowly_authority.store.location import DatabaseUrl

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

    given = named or os.environ.get(RECEIPT_KEYS_VARIABLE) or None
    if given:
        return ReceiptKeyFile.open(Path(given).absolute(), now_ms)
    if isinstance(location, DatabaseUrl):
        return None
    if isinstance(location, Path):
        return ReceiptKeyFile.open(receipt_keys_of(location), now_ms)
    return HeldKeys(KeyRing.new(new_id("ws"), now_ms()))
