"""`authority receipt-keys`: the keys that sign receipts, as they stand in their file, and new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allowly_harness.cli.authority.database import database_named
from allowly_harness.cli.authority.reaching import print_json
from allowly_harness.cli.exits import ExitCode, fail, say

if TYPE_CHECKING:
    from allowly_authority.receipts import KeyRing, ReceiptKeyFile

_DB = click.option("--db", type=click.Path(dir_okay=False), help="The database file.  [default: in the data folder]")
_FILE = click.option(
    "--file",
    "named",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The file of the keys.  [default: ALLOWLY_RECEIPT_KEYS, else beside the database]",
)


@click.group("receipt-keys", short_help="Show and rotate the keys that sign receipts.")
def receipt_keys() -> None:
    """Show and rotate the keys that sign receipts. They work on the file, also while the authority runs."""


@receipt_keys.command(short_help="Show the public halves, and which one signs.")
@_DB
@_FILE
def show(db: str | None, named: Path | None) -> int:
    """Show the keys, oldest first, as one JSON document. No private half is in it.

    \b
    allowly-harness authority receipt-keys show
    """
    from allowly_authority.store.schema import StoreError

    try:
        file, path = _opened(db, named)
        print_json(_document(file.ring(), path))
    except (ValueError, StoreError) as error:
        return fail(str(error), ExitCode.USAGE)
    return int(ExitCode.DONE)


@receipt_keys.command(short_help="Let a new key sign from now on.")
@_DB
@_FILE
@click.option(
    "--compromised",
    is_flag=True,
    help="Somebody else may have the keys: they end at once, and their private halves are destroyed. What they have "
    "not signed yet is never signed, and what they had signed cannot be fetched here any more.",
)
def rotate(db: str | None, named: Path | None, *, compromised: bool) -> int:
    """Add a key, which signs what is decided from a minute from now on.

    Older keys go on signing what was decided in their time. Running authorities see it at once; those with
    a copy of the file need the new one.

    \b
    allowly-harness authority receipt-keys rotate
    allowly-harness authority receipt-keys rotate --compromised
    """
    import time

    from allowly_authority.receipts import ReceiptError
    from allowly_authority.store.schema import StoreError

    try:
        file, path = _opened(db, named)
        ring = file.rotate(int(time.time() * 1000), compromised=compromised)
    except ReceiptError as error:
        return fail(f"No key was added: {error}.", ExitCode.USAGE)
    except (ValueError, StoreError) as error:
        return fail(str(error), ExitCode.USAGE)
    print_json(_document(ring, path))
    begins = ring.current.item()["active_from"]
    say(
        f"{ring.current.key_id} signs what is decided from {begins} on. Every authority on the database needs the file."
    )
    if compromised:
        say(
            "Tell whoever verifies receipts not to trust the older keys any more. "
            "Copies of the old file are yours to find."
        )
    return int(ExitCode.DONE)


def _opened(db: str | None, named: Path | None) -> tuple[ReceiptKeyFile, Path]:
    """Return the file, which is not made here: a wrong name must not look like a workspace of its own.

    Raises:
        ValueError: There is no file, or none is named.
    """
    from allowly_authority.receipts import ReceiptKeyFile, receipt_key_path
    from allowly_authority.workspace import default_database

    location = database_named(db, None)
    path = receipt_key_path(default_database() if location is None else _absolute(location), named)
    if path is None:
        raise ValueError("the keys of a database on a server are in a file of yours: name it with --file")
    if not path.exists():
        raise ValueError(f"there are no receipt keys at {path}: `authority serve` makes them")
    return ReceiptKeyFile(path), path


def _absolute(location: Any) -> Any:
    return location.absolute() if isinstance(location, Path) else location


def _document(ring: KeyRing, path: Path) -> dict[str, Any]:
    keys = [{**key.item(), "private_half": "kept" if key.private is not None else "destroyed"} for key in ring.keys]
    return {"file": str(path), "workspace_id": ring.workspace_id, "keys": keys}
