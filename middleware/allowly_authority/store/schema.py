"""The tables, as one numbered list of migrations for both kinds of database, and why a database is refused.

An unreadable, foreign or newer database is refused with a sentence. Starting empty instead would forget
revocations and used approvals, which is worse than not starting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Engine = Literal["sqlite", "postgresql"]

APPLICATION_ID: Final = 0x41_6C_77_41
"""Marks a database as one of ours: SQLite's `PRAGMA application_id`, a row of `allowly_schema` in PostgreSQL."""

_FIRST: Final = (
    """CREATE TABLE authorizations (
        authorization_id TEXT PRIMARY KEY,
        dialect TEXT NOT NULL CHECK (dialect IN ('scopes', 'actions')),
        user_id TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        rules TEXT NOT NULL,
        created_ms {integer} NOT NULL,
        expires_ms {integer} NOT NULL,
        revoked_ms {integer},
        revoked_by TEXT,
        notes TEXT
    ){keyed_table}""",
    """CREATE TABLE prompts (
        prompt_id TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('confirm', 'escalate')),
        dialect TEXT NOT NULL CHECK (dialect IN ('scopes', 'actions')),
        authorization_id TEXT NOT NULL REFERENCES authorizations,
        scope TEXT NOT NULL,
        resource TEXT,
        binding TEXT NOT NULL,
        state TEXT NOT NULL CHECK (
            state IN ('pending', 'approved', 'rejected', 'expired', 'consumed', 'cancelled')),
        created_ms {integer} NOT NULL,
        expires_ms {integer} NOT NULL,
        single_use {integer} NOT NULL,
        escalation_to TEXT,
        nonce_hash {bytes} UNIQUE,
        nonce_salt {bytes},
        resolved_ms {integer},
        resolved_by TEXT,
        note TEXT,
        grant_id TEXT UNIQUE,
        grant_expires_ms {integer},
        consumed_ms {integer},
        revoked_ms {integer},
        source_receipt_id TEXT NOT NULL,
        resolution_receipt_id TEXT
    ){keyed_table}""",
    "CREATE INDEX prompts_by_binding ON prompts (binding, kind, state)",
    "CREATE INDEX prompts_by_authorization ON prompts (authorization_id, state)",
    # The database itself keeps an escalation from being raised twice for one question.
    """CREATE UNIQUE INDEX one_open_escalation ON prompts (binding)
        WHERE kind = 'escalate' AND state IN ('pending', 'approved', 'rejected')""",
    """CREATE TABLE receipts (
        seq {sequence},
        receipt_id TEXT NOT NULL UNIQUE,
        issued_ms {integer} NOT NULL,
        event TEXT NOT NULL,
        decision TEXT NOT NULL,
        reason TEXT,
        authorization_id TEXT NOT NULL,
        scope TEXT,
        resource TEXT,
        session_id TEXT,
        prompt_id TEXT
    ){table}""",
    """CREATE TABLE replies (
        endpoint TEXT NOT NULL,
        key_hash {bytes} NOT NULL,
        request_hash {bytes} NOT NULL,
        created_ms {integer} NOT NULL,
        reply TEXT NOT NULL,
        PRIMARY KEY (endpoint, key_hash)
    ){keyed_table}""",
    "CREATE INDEX replies_by_age ON replies (created_ms)",
)

_RETENTION: Final = ("CREATE INDEX prompts_by_expiry ON prompts (expires_ms)",)

_CONSTRAINTS: Final = (
    "ALTER TABLE authorizations ADD COLUMN superseded_by TEXT",
    """CREATE TABLE daily_counts (
        authorization_id TEXT NOT NULL REFERENCES authorizations,
        scope TEXT NOT NULL,
        day_ends_ms {integer} NOT NULL,
        allowed {integer} NOT NULL,
        PRIMARY KEY (authorization_id, scope, day_ends_ms)
    ){keyed_table}""",
    "CREATE INDEX daily_counts_by_age ON daily_counts (day_ends_ms)",
)

_BUDGETS: Final = (
    """CREATE TABLE budgets (
        authorization_id TEXT PRIMARY KEY REFERENCES authorizations,
        spent_micros {integer} NOT NULL
    ){keyed_table}""",
    """CREATE TABLE reservations (
        check_receipt_id TEXT PRIMARY KEY,
        authorization_id TEXT NOT NULL REFERENCES authorizations,
        estimate_micros {integer} NOT NULL,
        actual_micros {integer},
        created_ms {integer} NOT NULL,
        settled_ms {integer}
    ){keyed_table}""",
    "CREATE INDEX reservations_by_age ON reservations (created_ms)",
)

_POLICIES: Final = (
    """CREATE TABLE policies (
        policy_id TEXT NOT NULL,
        version {integer} NOT NULL,
        sha256 TEXT NOT NULL,
        definition TEXT NOT NULL,
        description TEXT,
        created_by TEXT,
        created_ms {integer} NOT NULL,
        deleted_ms {integer},
        PRIMARY KEY (policy_id, version)
    ){keyed_table}""",
)

_PRINCIPALS: Final = (
    """CREATE TABLE keys (
        key_id TEXT PRIMARY KEY,
        key_hash {bytes} NOT NULL UNIQUE,
        principal_id TEXT NOT NULL,
        roles TEXT NOT NULL,
        addresses TEXT NOT NULL,
        created_ms {integer} NOT NULL,
        created_by TEXT NOT NULL,
        expires_ms {integer},
        revoked_ms {integer},
        revoked_by TEXT
    ){keyed_table}""",
    "CREATE INDEX keys_by_age ON keys (created_ms, key_id)",
    "ALTER TABLE prompts ADD COLUMN requested_by TEXT",
    "ALTER TABLE authorizations ADD COLUMN created_by TEXT",
    # Who sent the request that the receipt is of. What was asked more than once was asked by all of its senders.
    "ALTER TABLE receipts ADD COLUMN principal_id TEXT",
    "CREATE INDEX receipts_by_prompt ON receipts (prompt_id) WHERE prompt_id IS NOT NULL",
    "CREATE INDEX authorizations_by_age ON authorizations (created_ms, authorization_id)",
    "CREATE INDEX authorizations_by_user ON authorizations (user_id, created_ms, authorization_id)",
    "CREATE INDEX authorizations_by_agent ON authorizations (agent_id, created_ms, authorization_id)",
)

_RECEIPTS: Final = (
    "ALTER TABLE receipts ADD COLUMN user_id TEXT",
    # All that is signed besides the other columns, as JSON; null where a receipt cannot have the signed form.
    "ALTER TABLE receipts ADD COLUMN claims TEXT",
    """UPDATE receipts SET user_id = (
        SELECT user_id FROM authorizations WHERE authorizations.authorization_id = receipts.authorization_id)""",
    "CREATE INDEX receipts_by_authorization ON receipts (authorization_id, seq)",
    "CREATE INDEX receipts_by_user ON receipts (user_id, seq) WHERE user_id IS NOT NULL",
    """CREATE TABLE bundles (
        bundle_id TEXT PRIMARY KEY,
        definition TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created_ms {integer} NOT NULL,
        deleted_ms {integer}
    ){keyed_table}""",
)

_INBOX: Final = (
    # Each list of questions is in the order of one of these: its first page costs the same however many there are.
    "CREATE INDEX prompts_by_deadline ON prompts (kind, state, expires_ms, prompt_id)",
    """CREATE INDEX prompts_by_addressee ON prompts (escalation_to, state, expires_ms, prompt_id)
        WHERE escalation_to IS NOT NULL""",
    "DROP INDEX prompts_by_authorization",
    "CREATE INDEX prompts_by_authorization ON prompts (authorization_id, state, expires_ms, prompt_id)",
    """CREATE TABLE prompt_changes (
        seq {sequence},
        prompt_id TEXT NOT NULL,
        state TEXT NOT NULL,
        at_ms {integer} NOT NULL
    ){table}""",
    # The database itself keeps the record of changes, so that no statement can forget it.
    "{record_of_new_prompt}",
    "{record_of_changed_prompt}",
)

_PROBE: Final = (
    # One row, which is written to find out whether the database takes changes.
    "CREATE TABLE probes (name TEXT PRIMARY KEY, at_ms {integer} NOT NULL){keyed_table}",
    "INSERT INTO probes (name, at_ms) VALUES ('ready', 0)",
)

_BEHIND: Final = (
    # The call behind a question, as whoever asks handed it in; the resource of the question proves it.
    """CREATE TABLE prompt_calls (
        prompt_id TEXT PRIMARY KEY REFERENCES prompts ON DELETE CASCADE,
        tool TEXT NOT NULL,
        arguments TEXT NOT NULL,
        server TEXT NOT NULL,
        given_ms {integer} NOT NULL
    ){keyed_table}""",
    "ALTER TABLE prompts ADD COLUMN quorum {integer} NOT NULL DEFAULT 1",
    # Who has approved so far, as JSON, where more than one must.
    "ALTER TABLE prompts ADD COLUMN votes TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE prompts ADD COLUMN has_call {integer} NOT NULL DEFAULT 0",
    "ALTER TABLE prompts ADD COLUMN told_ms {integer}",
    "{record_of_told_prompt}",
)

MIGRATIONS: Final = (
    _FIRST,
    _RETENTION,
    _CONSTRAINTS,
    _BUDGETS,
    _POLICIES,
    _PRINCIPALS,
    _RECEIPTS,
    _INBOX,
    _PROBE,
    _BEHIND,
)
"""What leads from each version to the next; an empty database has version 0. Entries are never changed, only added."""

SCHEMA_VERSION: Final = len(MIGRATIONS)
"""A database with a higher version was written by a newer program."""

_CHANGED: Final = "NEW.state <> OLD.state OR coalesce(NEW.revoked_ms, -1) <> coalesce(OLD.revoked_ms, -1)"
_TOLD: Final = "NEW.state = OLD.state AND (NEW.votes <> OLD.votes OR NEW.has_call <> OLD.has_call)"
_RECORD_TOLD: Final = """INSERT INTO prompt_changes (prompt_id, state, at_ms) VALUES (
        NEW.prompt_id,
        CASE WHEN NEW.votes <> OLD.votes THEN 'voted' ELSE 'call_given' END,
        coalesce(NEW.told_ms, NEW.created_ms));"""
_RECORD: Final = """INSERT INTO prompt_changes (prompt_id, state, at_ms) VALUES (
        NEW.prompt_id,
        CASE WHEN NEW.state = 'approved' AND NEW.revoked_ms IS NOT NULL THEN 'cancelled' ELSE NEW.state END,
        coalesce(NEW.consumed_ms, NEW.revoked_ms, NEW.resolved_ms, NEW.created_ms));"""

_WORDS: Final[Mapping[Engine, Mapping[str, str]]] = {
    "sqlite": {
        "integer": "INTEGER",
        "bytes": "BLOB",
        "sequence": "INTEGER PRIMARY KEY",
        "table": " STRICT",
        "keyed_table": " STRICT, WITHOUT ROWID",
        "record_of_new_prompt": f"CREATE TRIGGER new_prompt AFTER INSERT ON prompts BEGIN {_RECORD} END",
        "record_of_changed_prompt": (
            f"CREATE TRIGGER changed_prompt AFTER UPDATE OF state, revoked_ms ON prompts WHEN {_CHANGED} "
            f"BEGIN {_RECORD} END"
        ),
        "record_of_told_prompt": (
            f"CREATE TRIGGER told_prompt AFTER UPDATE OF votes, has_call ON prompts WHEN {_TOLD} "
            f"BEGIN {_RECORD_TOLD} END"
        ),
    },
    "postgresql": {
        "integer": "BIGINT",
        "bytes": "BYTEA",
        "sequence": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "table": "",
        "keyed_table": "",
        "record_of_new_prompt": (
            "CREATE FUNCTION allowly_record_prompt() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$BEGIN {_RECORD} RETURN NULL; END$$; "
            "CREATE TRIGGER new_prompt AFTER INSERT ON prompts "
            "FOR EACH ROW EXECUTE FUNCTION allowly_record_prompt()"
        ),
        "record_of_changed_prompt": (
            "CREATE TRIGGER changed_prompt AFTER UPDATE OF state, revoked_ms ON prompts "
            f"FOR EACH ROW WHEN ({_CHANGED}) EXECUTE FUNCTION allowly_record_prompt()"
        ),
        "record_of_told_prompt": (
            "CREATE FUNCTION allowly_record_told_prompt() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$BEGIN {_RECORD_TOLD} RETURN NULL; END$$; "
            "CREATE TRIGGER told_prompt AFTER UPDATE OF votes, has_call ON prompts "
            f"FOR EACH ROW WHEN ({_TOLD}) EXECUTE FUNCTION allowly_record_told_prompt()"
        ),
    },
}


class StoreError(Exception):
    """The database cannot be used. The text is a sentence for a person."""


class StoreBusy(StoreError):
    """The database was held by somebody else for longer than the limit. Nothing was changed."""


class StoreRaced(StoreError):
    """Another change came in between, so that this one has to begin again. Nothing was changed."""


class StoreUncertain(StoreError):
    """The connection was lost while a change was being committed: it was made whole, or not at all."""


def migrations_from(version: int, engine: Engine) -> list[str]:
    """Return the statements that lead from a version to the present one, in order.

    Args:
        version: 0 to `SCHEMA_VERSION`.
        engine: Whose words to use.
    """
    return [statement.format(**_WORDS[engine]) for step in MIGRATIONS[version:] for statement in step]


def refuse_newer(version: int, shown: str) -> None:
    """Refuse what a newer program wrote.

    Args:
        version: The version that was found.
        shown: How to name the database.

    Raises:
        StoreError: The version is higher than this program's.
    """
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{shown} has schema version {version}, and this program knows version {SCHEMA_VERSION}. "
            "Use the program that wrote it, or a newer one."
        )
