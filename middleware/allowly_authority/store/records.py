"""Every statement that touches authorizations, prompts and receipts.

Each change of a prompt's state is one conditional statement: whether it won a race is whether it
returned a row. Times are milliseconds since 1970.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from allowly_authority.engine import Authorization, Prompt, Question, Standing
from allowly_authority.identifiers import new_id

_PROMPT: Final = (
    "prompt_id, kind, dialect, authorization_id, scope, resource, state, created_ms, expires_ms, single_use, "
    "escalation_to, source_receipt_id, nonce_salt, resolved_ms, resolved_by, grant_id, grant_expires_ms, "
    "consumed_ms, revoked_ms, resolution_receipt_id"
)


def find_authorization(connection: sqlite3.Connection, authorization_id: str) -> Authorization | None:
    """Return the authorization, revoked or not; `None` where there is none."""
    row = connection.execute(
        "SELECT authorization_id, dialect, user_id, agent_id, rules, created_ms, expires_ms, revoked_ms "
        "FROM authorizations WHERE authorization_id = ?",
        (authorization_id,),
    ).fetchone()
    if row is None:
        return None
    rules = json.loads(row[4])
    return Authorization(
        authorization_id=row[0],
        dialect=row[1],
        user_id=row[2],
        agent_id=row[3],
        scopes=tuple(rules["scopes"]),
        confirm_for=frozenset(rules["confirm_for"]),
        escalate_for=frozenset(rules["escalate_for"]),
        deny_for=frozenset(rules["deny_for"]),
        escalation_targets=rules["escalation_targets"],
        created_ms=row[5],
        expires_ms=row[6],
        revoked_ms=row[7],
    )


def insert_authorization(
    connection: sqlite3.Connection, authorization: Authorization, metadata: Mapping[str, Any]
) -> None:
    """Record a new authorization."""
    rules = {
        "scopes": authorization.scopes,
        "confirm_for": sorted(authorization.confirm_for),
        "escalate_for": sorted(authorization.escalate_for),
        "deny_for": sorted(authorization.deny_for),
        "escalation_targets": dict(authorization.escalation_targets),
        "metadata": metadata,
    }
    connection.execute(
        "INSERT INTO authorizations (authorization_id, dialect, user_id, agent_id, rules, created_ms, expires_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            authorization.authorization_id,
            authorization.dialect,
            authorization.user_id,
            authorization.agent_id,
            json.dumps(rules),
            authorization.created_ms,
            authorization.expires_ms,
        ),
    )


def revoke_authorization(
    connection: sqlite3.Connection, authorization_id: str, revoked_by: str | None, notes: str | None, now_ms: int
) -> bool:
    """Revoke once; `False` where it does not exist or is revoked already."""
    row = connection.execute(
        "UPDATE authorizations SET revoked_ms = ?, revoked_by = ?, notes = ? "
        "WHERE authorization_id = ? AND revoked_ms IS NULL RETURNING 1",
        (now_ms, revoked_by, notes, authorization_id),
    ).fetchone()
    return row is not None


def cancel_prompts(connection: sqlite3.Connection, authorization_id: str, now_ms: int) -> list[str]:
    """End every question and unused approval of an authorization.

    Returns:
        The grants of confirmations that were alive until now.
    """
    rows = connection.execute(
        "SELECT grant_id FROM prompts WHERE authorization_id = ? AND kind = 'confirm' AND state = 'approved' "
        "AND grant_expires_ms > ? AND revoked_ms IS NULL ORDER BY grant_id",
        (authorization_id, now_ms),
    ).fetchall()
    connection.execute(
        "UPDATE prompts SET revoked_ms = :now, state = CASE WHEN state = 'approved' THEN 'approved' "
        "WHEN expires_ms <= :now THEN 'expired' ELSE 'cancelled' END "
        "WHERE authorization_id = :id AND state IN ('pending', 'approved')",
        {"now": now_ms, "id": authorization_id},
    )
    return [row[0] for row in rows]


def find_standing(connection: sqlite3.Connection, question: Question, now_ms: int) -> Standing:
    """Return what is on record for a question and has not run out."""
    binding = question.binding
    escalation = connection.execute(
        f"SELECT {_PROMPT} FROM prompts WHERE binding = ? AND kind = 'escalate' "  # noqa: S608 - a constant list of columns
        "AND state IN ('pending', 'approved', 'rejected') AND expires_ms > ?",
        (binding, now_ms),
    ).fetchone()
    confirmation = connection.execute(
        f"SELECT {_PROMPT} FROM prompts WHERE binding = ? AND kind = 'confirm' AND state = 'approved' "  # noqa: S608 - as above
        "AND grant_expires_ms > ? AND revoked_ms IS NULL ORDER BY grant_expires_ms LIMIT 1",
        (binding, now_ms),
    ).fetchone()
    return Standing(_prompt(escalation), _prompt(confirmation))


def insert_prompt(connection: sqlite3.Connection, prompt: Prompt, binding: str, nonce_hash: bytes | None) -> None:
    """Record a new question. An escalation of the same binding that ran out makes room for it."""
    if prompt.kind == "escalate":
        connection.execute(
            "UPDATE prompts SET state = 'expired' WHERE binding = ? AND kind = 'escalate' "
            "AND state IN ('pending', 'approved', 'rejected') AND expires_ms <= ?",
            (binding, prompt.created_ms),
        )
    connection.execute(
        "INSERT INTO prompts (prompt_id, kind, dialect, authorization_id, scope, resource, binding, state, created_ms, "
        "expires_ms, single_use, escalation_to, nonce_hash, nonce_salt, source_receipt_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?)",
        (
            prompt.prompt_id,
            prompt.kind,
            prompt.dialect,
            prompt.authorization_id,
            prompt.scope,
            prompt.resource,
            binding,
            prompt.created_ms,
            prompt.expires_ms,
            prompt.single_use,
            prompt.escalation_to,
            nonce_hash,
            prompt.nonce_salt,
            prompt.source_receipt_id,
        ),
    )


def count_pending(connection: sqlite3.Connection, authorization_id: str, now_ms: int) -> int:
    """Count the questions of an authorization that can still be answered."""
    count: int = connection.execute(
        "SELECT count(*) FROM prompts WHERE authorization_id = ? AND state = 'pending' AND expires_ms > ?",
        (authorization_id, now_ms),
    ).fetchone()[0]
    return count


def claim(connection: sqlite3.Connection, prompt_id: str, now_ms: int) -> bool:
    """Use up an approval; `False` where somebody else did, or it ended."""
    row = connection.execute(
        "UPDATE prompts SET state = 'consumed', consumed_ms = :now WHERE prompt_id = :id AND state = 'approved' "
        "AND grant_expires_ms > :now AND revoked_ms IS NULL RETURNING 1",
        {"now": now_ms, "id": prompt_id},
    ).fetchone()
    return row is not None


def settle_confirmation(
    connection: sqlite3.Connection,
    nonce_hash: bytes,
    *,
    approved: bool,
    grant_expires_ms: int,
    receipt_id: str,
    now_ms: int,
) -> Prompt | None:
    """Answer a confirmation, once; `None` where it is unknown, expired, answered or cancelled."""
    row = connection.execute(
        "UPDATE prompts SET state = :state, resolved_ms = :now, grant_id = :grant, "  # noqa: S608 - a constant list of columns
        "grant_expires_ms = :until, resolution_receipt_id = :receipt "
        f"WHERE nonce_hash = :nonce AND state = 'pending' AND expires_ms > :now RETURNING {_PROMPT}",
        {
            "state": "approved" if approved else "rejected",
            "now": now_ms,
            "grant": new_id("auth") if approved else None,
            "until": grant_expires_ms if approved else None,
            "receipt": receipt_id,
            "nonce": nonce_hash,
        },
    ).fetchone()
    return _prompt(row)


def resolve_escalation(
    connection: sqlite3.Connection,
    escalation_id: str,
    *,
    approved: bool,
    resolved_by: str,
    note: str | None,
    receipt_id: str,
    now_ms: int,
) -> Prompt | None:
    """Answer an escalation, once; `None` where it is unknown, expired, answered or cancelled."""
    row = connection.execute(
        "UPDATE prompts SET state = :state, resolved_ms = :now, resolved_by = :by, note = :note, "  # noqa: S608 - a constant list of columns
        "grant_expires_ms = CASE WHEN :approved THEN expires_ms END, resolution_receipt_id = :receipt "
        f"WHERE prompt_id = :id AND kind = 'escalate' AND state = 'pending' AND expires_ms > :now RETURNING {_PROMPT}",
        {
            "state": "approved" if approved else "rejected",
            "approved": approved,
            "now": now_ms,
            "by": resolved_by,
            "note": note,
            "receipt": receipt_id,
            "id": escalation_id,
        },
    ).fetchone()
    return _prompt(row)


def find_prompt(connection: sqlite3.Connection, prompt_id: str) -> Prompt | None:
    """Return the prompt of this id."""
    return _prompt(
        connection.execute(f"SELECT {_PROMPT} FROM prompts WHERE prompt_id = ?", (prompt_id,)).fetchone()  # noqa: S608 - a constant list of columns
    )


def find_prompt_by_nonce(connection: sqlite3.Connection, nonce_hash: bytes) -> Prompt | None:
    """Return the confirmation whose nonce has this hash."""
    return _prompt(
        connection.execute(f"SELECT {_PROMPT} FROM prompts WHERE nonce_hash = ?", (nonce_hash,)).fetchone()  # noqa: S608 - a constant list of columns
    )


def insert_receipt(
    connection: sqlite3.Connection,
    *,
    receipt_id: str,
    event: str,
    decision: str,
    authorization_id: str,
    now_ms: int,
    reason: str | None = None,
    scope: str | None = None,
    resource: str | None = None,
    session_id: str | None = None,
    prompt_id: str | None = None,
) -> None:
    """Record that something was decided or changed."""
    connection.execute(
        "INSERT INTO receipts (receipt_id, issued_ms, event, decision, reason, authorization_id, scope, resource, "
        "session_id, prompt_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (receipt_id, now_ms, event, decision, reason, authorization_id, scope, resource, session_id, prompt_id),
    )


def receipt_issued_at(connection: sqlite3.Connection, receipt_id: str) -> int | None:
    """Return when a receipt was issued; `None` where there is no such receipt."""
    row = connection.execute("SELECT issued_ms FROM receipts WHERE receipt_id = ?", (receipt_id,)).fetchone()
    return None if row is None else row[0]


def latest_time(connection: sqlite3.Connection) -> int:
    """Return the time of the last receipt: the authority's clock never runs before it."""
    row = connection.execute("SELECT issued_ms FROM receipts ORDER BY seq DESC LIMIT 1").fetchone()
    return 0 if row is None else row[0]


def _prompt(row: tuple[Any, ...] | None) -> Prompt | None:
    if row is None:
        return None
    values = list(row)
    values[9] = bool(values[9])
    return Prompt(*values)
