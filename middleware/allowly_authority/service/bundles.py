"""Bundles: scopes of an agent under a name. Authorizations keep the rules that they were made of."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from allowly_authority.engine import Bundle, Grant, Principal, RuleFault, grant_of_bundle
from allowly_authority.service.idempotency import Repeatable
from allowly_authority.service.paging import beginning_of
from allowly_authority.service.problems import conflict, not_found
from allowly_authority.store import bundles
from allowly_authority.store.bundles import StoredBundle
from allowly_authority.store.port import Connection
from allowly_authority.store.schema import StoreError
from allowly_authority.wire.bundles import BundleCreateRequest, bundle_reply
from allowly_authority.wire.creation import CreateFromBundle
from allowly_authority.wire.paging import After, BundleQuery, page


def publish_bundle(
    connection: Connection,
    request: BundleCreateRequest,
    sender: Principal,
    *,
    idempotency_key: str | None,
    now_ms: int,
) -> dict[str, Any]:
    """Add a bundle.

    Raises:
        ApiProblem: 409, there is one of this name, or there was.
    """
    repeatable = Repeatable("agent-scope-bundles", idempotency_key, request.model_dump_json().encode())
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        return earlier
    connection.take_turns(_turn(request.id))
    if bundles.find_bundle(connection, request.id) is not None:
        raise conflict("There is a bundle of this name, and bundles never change. Choose another name.")
    definition = json.dumps(request.definition(), separators=(",", ":"))
    bundle = StoredBundle(request.id, definition, sender.principal_id, now_ms)
    bundles.insert_bundle(connection, bundle)
    reply = _described(bundle)
    repeatable.keep(connection, reply, now_ms)
    return reply


def read_bundle(connection: Connection, bundle_id: str) -> dict[str, Any]:
    """Return a bundle, archived or not.

    Raises:
        ApiProblem: 404, there is none of this name.
    """
    bundle = bundles.find_bundle(connection, bundle_id)
    if bundle is None:
        raise not_found()
    return _described(bundle)


def list_bundles(connection: Connection, query: BundleQuery) -> dict[str, Any]:
    """Return a page of bundles, in the order of their names.

    Raises:
        ApiProblem: 422, the cursor is of another list.
    """
    after = beginning_of(query)
    found = bundles.list_bundles(connection, after.identifier if after else "", query.limit + 1)
    shown = found[: query.limit]
    last = After(0, shown[-1].bundle_id) if len(found) > query.limit else None
    return page([_described(bundle) for bundle in shown], query, last)


def archive_bundle(
    connection: Connection, bundle_id: str, *, idempotency_key: str | None, now_ms: int
) -> dict[str, Any]:
    """Let no more authorizations be made of a bundle. Those that there are stay as they are.

    Raises:
        ApiProblem: 404 unknown, 409 archived before.
    """
    repeatable = Repeatable("archived-bundles", idempotency_key, bundle_id.encode())
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        return earlier
    connection.take_turns(_turn(bundle_id))
    if not bundles.archive_bundle(connection, bundle_id, now_ms):
        unknown = bundles.find_bundle(connection, bundle_id) is None
        raise not_found() if unknown else conflict("The bundle is already archived.")
    reply: dict[str, Any] = {}
    repeatable.keep(connection, reply, now_ms)
    return reply


def grant_of_named_bundle(connection: Connection, request: CreateFromBundle, now_ms: int) -> Grant:
    """Return what a bundle grants, with the lists of the request added to its own.

    Raises:
        RuleFault: There is no such bundle, it is archived, or a list names what it does not hold.
    """
    stored = bundles.find_bundle(connection, request.bundle_id)
    if stored is None:
        raise RuleFault(("bundle_id",), "there is no such bundle")
    if stored.deleted_ms is not None:
        raise RuleFault(("bundle_id",), "the bundle is archived")
    return grant_of_bundle(
        _parsed(stored),
        user_id=request.user_id,
        expires_ms=request.expires_ms,
        now_ms=now_ms,
        lists=request.lists,
        budget_limit_micros=request.budget_limit_micros,
    )


def _parsed(stored: StoredBundle) -> Bundle:
    try:
        request = BundleCreateRequest.model_validate({"id": stored.bundle_id, **json.loads(stored.definition)})
    except (ValidationError, ValueError, TypeError):
        # Not a rule less than was written: that would allow what it forbids.
        raise StoreError("A bundle on record cannot be read") from None
    return request.bundle()


def _described(bundle: StoredBundle) -> dict[str, Any]:
    return bundle_reply(
        bundle.bundle_id,
        json.loads(bundle.definition),
        created_by=bundle.created_by,
        created_ms=bundle.created_ms,
        deleted_ms=bundle.deleted_ms,
    )


def _turn(bundle_id: str) -> bytes:
    return b"bundle:" + bundle_id.encode()
