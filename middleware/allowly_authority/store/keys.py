"""Keys of principals, kept as hashes: found, listed, added and revoked. They are never removed.

A key has 256 random bits, so that a plain SHA-256 of it can be neither reversed nor guessed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from allowly_authority.engine import Principal
from allowly_authority.store.port import Connection
from allowly_authority.store.schema import StoreError
from allowly_authority.store.statements import Statement, given, insertion, pick
from allowly_authority.store.tables import keys

NEWEST: Final = (2**53, "")
"""Where a list of keys begins, which is newest first."""

_ROLES: Final = frozenset({"gate", "approver", "operator"})
_COLUMNS: Final = "key_id principal_id roles addresses created_ms created_by expires_ms revoked_ms revoked_by key_hash"
_BEFORE: Final = sa.or_(
    keys.c.created_ms < given("before_ms"),
    sa.and_(keys.c.created_ms == given("before_ms"), keys.c.key_id < given("before_id", sa.Text)),
)

INSERT_KEY: Final = insertion(keys, "key_id key_hash principal_id roles addresses created_ms created_by expires_ms")
FIND_KEY: Final = Statement(sa.select(*pick(keys, _COLUMNS)).where(keys.c.key_id == given("key_id", sa.Text)))
FIND_KEY_BY_HASH: Final = Statement(
    sa.select(*pick(keys, _COLUMNS)).where(keys.c.key_hash == given("key_hash", sa.LargeBinary))
)
REVOKE_KEY: Final = Statement(
    sa.update(keys)
    .values(revoked_ms=given("now"), revoked_by=given("by", sa.Text))
    .where(keys.c.key_id == given("key_id_", sa.Text), keys.c.revoked_ms.is_(None))
    .returning(*pick(keys, _COLUMNS))
)
LIST_KEYS: Final = Statement(
    sa.select(*pick(keys, _COLUMNS))
    .where(
        _BEFORE,
        sa.or_(given("of", sa.Text).is_(None), keys.c.principal_id == given("of", sa.Text)),
        sa.or_(
            given("usable_at").is_(None),
            sa.and_(
                keys.c.revoked_ms.is_(None),
                sa.or_(keys.c.expires_ms.is_(None), keys.c.expires_ms > given("usable_at")),
            ),
        ),
    )
    .order_by(keys.c.created_ms.desc(), keys.c.key_id.desc())
    .limit(given("most"))
    .offset(sa.literal_column("0"))
)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key on record, without the key.

    Attributes:
        principal: Who holds it, with the rights that this key gives.
        created_by: Whose key it was made with.
        key_hash: The SHA-256 of the key.
    """

    key_id: str
    principal: Principal
    created_ms: int
    created_by: str
    expires_ms: int | None = None
    revoked_ms: int | None = None
    revoked_by: str | None = None
    key_hash: bytes = field(default=b"", repr=False)

    def is_usable_at(self, now_ms: int) -> bool:
        """Tell whether the key is neither revoked nor past its end."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


def key_hash(key: str) -> bytes:
    """Return what the database keeps of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def insert_key(connection: Connection, key: StoredKey) -> None:
    """Record a new key."""
    connection.run(
        INSERT_KEY,
        key_id=key.key_id,
        key_hash=key.key_hash,
        principal_id=key.principal.principal_id,
        roles=json.dumps(sorted(key.principal.roles)),
        addresses=json.dumps(sorted(key.principal.addresses)),
        created_ms=key.created_ms,
        created_by=key.created_by,
        expires_ms=key.expires_ms,
    )


def find_key(connection: Connection, key_id: str) -> StoredKey | None:
    """Return a key by its id."""
    row = connection.row(FIND_KEY, key_id=key_id)
    return None if row is None else _stored(row)


def find_key_by_hash(connection: Connection, hashed: bytes) -> StoredKey | None:
    """Return a key by what is kept of it, whether it can still be used or not."""
    row = connection.row(FIND_KEY_BY_HASH, key_hash=hashed)
    return None if row is None else _stored(row)


def revoke_key(connection: Connection, key_id: str, *, revoked_by: str, now_ms: int) -> StoredKey | None:
    """Revoke a key, once; `None` where it is unknown or revoked already."""
    row = connection.row(REVOKE_KEY, key_id_=key_id, by=revoked_by, now=now_ms)
    return None if row is None else _stored(row)


def list_keys(
    connection: Connection, before: tuple[int, str], most: int, *, of: str | None, usable_at: int | None
) -> list[StoredKey]:
    """Return keys, newest first.

    Args:
        connection: Where to look.
        before: Time and id of the last key of the page before, or `NEWEST`.
        most: How many at most.
        of: Those of one principal only.
        usable_at: Those only that can be used at this time.
    """
    rows = connection.rows(LIST_KEYS, before_ms=before[0], before_id=before[1], most=most, of=of, usable_at=usable_at)
    return [_stored(row) for row in rows]


def _stored(row: tuple[Any, ...]) -> StoredKey:
    """Read a row. One that was tampered with gives no rights, and is an error."""
    key_id, principal_id, roles, addresses, created_ms, created_by, expires_ms, revoked_ms, revoked_by, hashed = row
    principal = Principal(principal_id, frozenset(_names(roles)), frozenset(_names(addresses)))
    if not principal.roles <= _ROLES:
        raise StoreError("A key on record cannot be read")
    return StoredKey(key_id, principal, created_ms, created_by, expires_ms, revoked_ms, revoked_by, bytes(hashed))


def _names(text: str) -> list[Any]:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StoreError("A key on record cannot be read")
    return names
