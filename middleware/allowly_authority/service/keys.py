"""Keys of principals: made, listed and revoked."""

from __future__ import annotations

import secrets
from typing import Any, Final

from allowly_authority.engine import Principal
from allowly_authority.identifiers import new_id
from allowly_authority.service.idempotency import Repeatable
from allowly_authority.service.paging import beginning_of
from allowly_authority.service.problems import conflict, invalid, not_found
from allowly_authority.store import keys
from allowly_authority.store.keys import StoredKey, key_hash
from allowly_authority.store.port import Connection
from allowly_authority.wire.keys import KEY_BYTES, ROLES, KeyCreateRequest, KeyQuery, key_item
from allowly_authority.wire.paging import After, page

_LATEST_MS: Final = 253_402_300_799_000
"""The last second that a timestamp of the API can name: the end of the year 9999."""


def new_principal_key(principal: Principal) -> str:
    """Make a key with 256 random bits. Its beginning shows what it is for, wherever it is found."""
    roles = "_".join(role for role in ROLES if role in principal.roles)
    return f"allowly_{roles}_{secrets.token_urlsafe(KEY_BYTES)}"


def create(
    connection: Connection, request: KeyCreateRequest, sender: Principal, *, idempotency_key: str | None, now_ms: int
) -> dict[str, Any]:
    """Make a key and tell it, this once.

    Raises:
        ApiProblem: 409, a key was made under this idempotency key before, and a key is told once; 422, it would
            have ended already.
    """
    repeatable = Repeatable("keys", idempotency_key, request.model_dump_json().encode())
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        raise conflict(
            f"The key {earlier['key_id']} was made under this Idempotency-Key, and a key is told only once. "
            "If it was lost, revoke it and make another."
        )
    expires_ms = None
    if request.expires_at is not None:
        expires_ms = int(request.expires_at.timestamp() * 1000)
        if not now_ms < expires_ms <= _LATEST_MS:
            raise invalid(("body.expires_at", "must be in the future"))
    principal = request.principal()
    told = new_principal_key(principal)
    made = StoredKey(
        new_id("key"), principal, now_ms, sender.principal_id, expires_ms=expires_ms, key_hash=key_hash(told)
    )
    keys.insert_key(connection, made)
    # What is kept for a repetition never holds the key.
    repeatable.keep(connection, {"key_id": made.key_id}, now_ms)
    return item_of(made) | {"key": told}


def revoke(connection: Connection, key_id: str, sender: Principal, *, now_ms: int) -> dict[str, Any]:
    """End a key at once.

    Raises:
        ApiProblem: 404 unknown, 409 revoked before.
    """
    ended = keys.revoke_key(connection, key_id, revoked_by=sender.principal_id, now_ms=now_ms)
    if ended is None:
        unknown = keys.find_key(connection, key_id) is None
        raise not_found() if unknown else conflict("The key is already revoked.")
    return item_of(ended)


def list_keys(connection: Connection, query: KeyQuery, now_ms: int) -> dict[str, Any]:
    """Return a page of keys, newest first, without the keys themselves.

    Raises:
        ApiProblem: 422, the cursor is of another list.
    """
    after = beginning_of(query)
    found = keys.list_keys(
        connection,
        (after.at_ms, after.identifier) if after else keys.NEWEST,
        query.limit + 1,
        of=query.principal_id,
        usable_at=now_ms if query.active == "true" else None,
    )
    shown = found[: query.limit]
    last = After(shown[-1].created_ms, shown[-1].key_id) if len(found) > query.limit else None
    return page([item_of(key) for key in shown], query, last)


def item_of(key: StoredKey) -> dict[str, Any]:
    """Return a key as the API tells it; the key itself is not in it."""
    return key_item(
        key.key_id,
        key.principal,
        created_ms=key.created_ms,
        created_by=key.created_by,
        expires_ms=key.expires_ms,
        revoked_ms=key.revoked_ms,
        revoked_by=key.revoked_by,
    )
