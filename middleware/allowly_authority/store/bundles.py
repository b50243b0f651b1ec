"""Bundles of scopes, which never change once they are there: added, read and archived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from allowly_authority.store.port import Connection
from allowly_authority.store.statements import Statement, given, insertion, pick
from allowly_authority.store.tables import bundles


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle as it stands in the database.

    Attributes:
        definition: What was sent, as JSON.
        deleted_ms: When it was archived.
    """

    bundle_id: str
    definition: str
    created_by: str
    created_ms: int
    deleted_ms: int | None = None


_COLUMNS: Final = pick(bundles, "bundle_id definition created_by created_ms deleted_ms")

FIND_BUNDLE: Final = Statement(sa.select(*_COLUMNS).where(bundles.c.bundle_id == given("bundle_id", sa.Text)))
LIST_BUNDLES: Final = Statement(
    sa.select(*_COLUMNS)
    .where(bundles.c.deleted_ms.is_(None), bundles.c.bundle_id > given("after", sa.Text))
    .order_by(bundles.c.bundle_id)
    .limit(given("most"))
    .offset(sa.literal_column("0"))
)
INSERT_BUNDLE: Final = insertion(bundles, "bundle_id definition created_by created_ms")
ARCHIVE_BUNDLE: Final = Statement(
    sa.update(bundles)
    .values(deleted_ms=given("now"))
    .where(bundles.c.bundle_id == given("bundle_id_", sa.Text), bundles.c.deleted_ms.is_(None))
    .returning(bundles.c.bundle_id)
)


def find_bundle(connection: Connection, bundle_id: str) -> StoredBundle | None:
    """Return the bundle of this name, archived or not."""
    row = connection.row(FIND_BUNDLE, bundle_id=bundle_id)
    return None if row is None else StoredBundle(*row)


def list_bundles(connection: Connection, after: str, most: int) -> list[StoredBundle]:
    """Return the bundles that are not archived, in the order of their names, later than one name."""
    return [StoredBundle(*row) for row in connection.rows(LIST_BUNDLES, after=after, most=most)]


def insert_bundle(connection: Connection, bundle: StoredBundle) -> None:
    """Add a bundle. Who adds takes turns with others that add one of the same name."""
    connection.run(
        INSERT_BUNDLE,
        bundle_id=bundle.bundle_id,
        definition=bundle.definition,
        created_by=bundle.created_by,
        created_ms=bundle.created_ms,
    )


def archive_bundle(connection: Connection, bundle_id: str, now_ms: int) -> bool:
    """Archive a bundle, once; `False` where it is unknown or archived."""
    return connection.row(ARCHIVE_BUNDLE, bundle_id_=bundle_id, now=now_ms) is not None
