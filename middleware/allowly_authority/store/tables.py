"""The columns that statements name. How the tables are made is told by the migrations in `schema` alone."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa


def _columns(kind: type[sa.types.TypeEngine[Any]], names: str) -> list[sa.ColumnClause[Any]]:
    return [sa.column(name, kind) for name in names.split()]


authorizations: Final = sa.table(
    "authorizations",
    *_columns(sa.Text, "authorization_id dialect user_id agent_id rules revoked_by notes superseded_by created_by"),
    *_columns(sa.BigInteger, "created_ms expires_ms revoked_ms"),
)

prompts: Final = sa.table(
    "prompts",
    *_columns(sa.Text, "prompt_id kind dialect authorization_id scope resource binding state escalation_to"),
    *_columns(sa.Text, "resolved_by note grant_id source_receipt_id resolution_receipt_id requested_by votes"),
    *_columns(sa.BigInteger, "created_ms expires_ms single_use resolved_ms grant_expires_ms consumed_ms revoked_ms"),
    *_columns(sa.BigInteger, "quorum has_call told_ms"),
    *_columns(sa.LargeBinary, "nonce_hash nonce_salt"),
)

receipts: Final = sa.table(
    "receipts",
    *_columns(sa.Text, "receipt_id event decision reason authorization_id scope resource session_id prompt_id user_id"),
    *_columns(sa.Text, "claims principal_id"),
    *_columns(sa.BigInteger, "seq issued_ms"),
)

daily_counts: Final = sa.table(
    "daily_counts",
    *_columns(sa.Text, "authorization_id scope"),
    *_columns(sa.BigInteger, "day_ends_ms allowed"),
)

budgets: Final = sa.table("budgets", *_columns(sa.Text, "authorization_id"), *_columns(sa.BigInteger, "spent_micros"))

reservations: Final = sa.table(
    "reservations",
    *_columns(sa.Text, "check_receipt_id authorization_id"),
    *_columns(sa.BigInteger, "estimate_micros actual_micros created_ms settled_ms"),
)

policies: Final = sa.table(
    "policies",
    *_columns(sa.Text, "policy_id sha256 definition description created_by"),
    *_columns(sa.BigInteger, "version created_ms deleted_ms"),
)

bundles: Final = sa.table(
    "bundles",
    *_columns(sa.Text, "bundle_id definition created_by"),
    *_columns(sa.BigInteger, "created_ms deleted_ms"),
)

prompt_changes: Final = sa.table(
    "prompt_changes", *_columns(sa.Text, "prompt_id state"), *_columns(sa.BigInteger, "seq at_ms")
)

prompt_calls: Final = sa.table(
    "prompt_calls", *_columns(sa.Text, "prompt_id tool arguments server"), *_columns(sa.BigInteger, "given_ms")
)

replies: Final = sa.table(
    "replies",
    *_columns(sa.Text, "endpoint reply"),
    *_columns(sa.LargeBinary, "key_hash request_hash"),
    *_columns(sa.BigInteger, "created_ms"),
)

keys: Final = sa.table(
    "keys",
    *_columns(sa.Text, "key_id principal_id roles addresses created_by revoked_by"),
    *_columns(sa.LargeBinary, "key_hash"),
    *_columns(sa.BigInteger, "created_ms expires_ms revoked_ms"),
)
