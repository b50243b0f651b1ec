"""Receipts and versions, as the API names them. Receipts stay pending: nothing signs them here."""

from __future__ import annotations

from importlib import metadata
from typing import Any, Final

from allowly_authority.binding import canonical_json, digest_of
from allowly_authority.service.problems import not_found
from allowly_authority.store import records
from allowly_authority.store.port import Connection
from allowly_authority.store.schema import SCHEMA_VERSION
from allowly_authority.wire.scalars import format_timestamp

POLICY_VERSION: Final = "local.1"
"""The order and meaning of the rules, as the scopes dialect names them."""


def _engine_version() -> str:
    manifest = {
        "distribution": "allowly-harness",
        "policy": POLICY_VERSION,
        "schema": SCHEMA_VERSION,
        "version": metadata.version("allowly-harness"),
    }
    return f"sha256:{digest_of(canonical_json(manifest))}"


ENGINE_VERSION: Final = _engine_version()
"""Names this build, as the actions dialect asks: a digest, the same for each copy of a version."""

_READY_AFTER_MS: Final = 1000


def pending_receipt(receipt_id: str, issued_ms: int, base_url: str) -> dict[str, Any]:
    """Return the envelope of a receipt that is recorded and not signed."""
    return {
        "status": "pending",
        "receipt_id": receipt_id,
        "ready_at_estimate": format_timestamp(issued_ms + _READY_AFTER_MS),
        "url": f"{base_url}/v1/receipts/{receipt_id}",
    }


def read_receipt(connection: Connection, receipt_id: str, base_url: str) -> dict[str, Any]:
    """Return the envelope of a receipt.

    Raises:
        ApiProblem: 404, there is none of this id.
    """
    issued_ms = records.receipt_issued_at(connection, receipt_id)
    if issued_ms is None:
        raise not_found("receipt_not_found")
    return pending_receipt(receipt_id, issued_ms, base_url)
