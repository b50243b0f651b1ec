"""What is on record: authorizations, prompts, receipts and kept replies, read and written.

Times are milliseconds since 1970.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from allowly_authority.engine import (
    Authorization,
    Prompt,
    Question,
    RuleFault,
    Standing,
    Vote,
    read_authorization,
    rules_text,
)
from allowly_authority.identifiers import new_id
from allowly_authority.store import queries
from allowly_authority.store.port import Connection
from allowly_authority.store.schema import StoreError

_SINGLE_USE: Final = 9
_VOTES: Final = -2
_HAS_CALL: Final = -1
"""Which of a prompt's columns are truth values, kept as 0 or 1, and which is JSON."""


# ---- authorizations


def find_authorization(
    connection: Connection, authorization_id: str, *, lock: bool = False
) -> tuple[Authorization | None, int]:
    """Return an authorization, revoked or not, and the time of the last receipt.

    Args:
        connection: Inside of a change, where `lock` is set.
        authorization_id: Which one.
        lock: Keep it from being revoked, or locked by others, until the change has ended.

    Returns:
        `None` where there is no such authorization.

    Raises:
        StoreError: Its rules are damaged: to leave one out would allow what it forbids.
    """
    row = connection.row(
        queries.LOCK_AUTHORIZATION if lock else queries.FIND_AUTHORIZATION, authorization_id=authorization_id
    )
    if row is None:
        return None, latest_time(connection)
    return authorization_of(row), row[9] or 0


def authorization_of(row: tuple[Any, ...]) -> Authorization:
    """Return the authorization of a row, whose first columns are those of `FIND_AUTHORIZATION`.

    Raises:
        StoreError: Its rules are damaged: to leave one out would allow what it forbids.
    """
    try:
        return read_authorization(
            authorization_id=row[0],
            dialect=row[1],
            user_id=row[2],
            agent_id=row[3],
            rules=row[4],
            created_ms=row[5],
            expires_ms=row[6],
            revoked_ms=row[7],
            superseded_by=row[8],
        )
    except RuleFault as fault:
        raise StoreError(f"The rules of an authorization on record cannot be read: {fault}") from None


def insert_authorization(
    connection: Connection, authorization: Authorization, metadata: Mapping[str, Any], created_by: str
) -> None:
    """Record a new authorization."""
    connection.run(
        queries.INSERT_AUTHORIZATION,
        authorization_id=authorization.authorization_id,
        dialect=authorization.dialect,
        user_id=authorization.user_id,
        agent_id=authorization.agent_id,
        rules=rules_text(authorization, metadata),
        created_ms=authorization.created_ms,
        expires_ms=authorization.expires_ms,
        created_by=created_by,
    )


def revoke_authorization(
    connection: Connection,
    authorization_id: str,
    *,
    revoked_by: str | None = None,
    notes: str | None = None,
    successor: str | None = None,
    now_ms: int,
) -> bool:
    """Revoke once; `False` where it does not exist or is revoked already."""
    row = connection.row(
        queries.REVOKE_AUTHORIZATION,
        authorization_id_=authorization_id,
        by=revoked_by,
        notes=notes,
        successor=successor,
        now=now_ms,
    )
    return row is not None


# ---- prompts


def cancel_prompts(connection: Connection, authorization_id: str, now_ms: int) -> list[str]:
    """End every question and unused approval of an authorization that was revoked just now.

    Returns:
        The grants of confirmations that were alive until now.
    """
    rows = connection.rows(queries.CANCEL_PROMPTS, authorization_id_=authorization_id, now=now_ms)
    return sorted(
        grant_id
        for kind, state, grant_id, expires_ms in rows
        if kind == "confirm" and state == "approved" and expires_ms > now_ms
    )


def find_standing(connection: Connection, question: Question, now_ms: int) -> Standing:
    """Return what is on record for a question and has not run out."""
    rows = connection.rows(queries.FIND_STANDING, binding=question.binding, now=now_ms)
    found = [prompt_of(row) for row in rows]
    return Standing(
        next((prompt for prompt in found if prompt.kind == "escalate"), None),
        # The one that ends first, so that a longer one is there for later.
        next((prompt for prompt in found if prompt.kind == "confirm"), None),
    )


def insert_prompt(connection: Connection, prompt: Prompt, binding: str, nonce_hash: bytes | None) -> None:
    """Record a new question. An escalation of the same binding that ran out makes room for it."""
    if prompt.kind == "escalate":
        connection.run(queries.EXPIRE_ESCALATION, binding_=binding, now=prompt.created_ms)
    connection.run(
        queries.INSERT_PROMPT,
        prompt_id=prompt.prompt_id,
        kind=prompt.kind,
        dialect=prompt.dialect,
        authorization_id=prompt.authorization_id,
        scope=prompt.scope,
        resource=prompt.resource,
        binding=binding,
        state=prompt.state,
        created_ms=prompt.created_ms,
        expires_ms=prompt.expires_ms,
        single_use=int(prompt.single_use),
        escalation_to=prompt.escalation_to,
        nonce_hash=nonce_hash,
        nonce_salt=prompt.nonce_salt,
        source_receipt_id=prompt.source_receipt_id,
        requested_by=prompt.requested_by,
        quorum=prompt.quorum,
    )


def count_pending(connection: Connection, authorization_id: str, now_ms: int) -> int:
    """Count the questions of an authorization that can still be answered."""
    row = connection.row(queries.COUNT_PENDING, authorization_id=authorization_id, now=now_ms)
    return row[0] if row else 0


def claim(connection: Connection, prompt_id: str, now_ms: int) -> bool:
    """Use up an approval; `False` where somebody else did, or it ended."""
    return connection.row(queries.CLAIM, prompt_id_=prompt_id, now=now_ms) is not None


def settle_confirmation(
    connection: Connection,
    nonce_hash: bytes,
    *,
    approved: bool,
    resolved_by: str | None,
    grant_expires_ms: int,
    receipt_id: str,
    now_ms: int,
) -> Prompt | None:
    """Answer a confirmation, once; `None` where it is unknown, expired, answered or cancelled."""
    row = connection.row(
        queries.SETTLE_CONFIRMATION,
        chosen="approved" if approved else "rejected",
        now=now_ms,
        by=resolved_by,
        grant=new_id("auth") if approved else None,
        until=grant_expires_ms if approved else None,
        receipt=receipt_id,
        nonce=nonce_hash,
    )
    return _prompt_or_none(row)


def resolve_escalation(
    connection: Connection,
    escalation_id: str,
    *,
    state: Literal["approved", "rejected", "pending"],
    resolved_by: str,
    note: str | None,
    receipt_id: str,
    now_ms: int,
    before: tuple[Vote, ...] = (),
    votes: tuple[Vote, ...] = (),
) -> Prompt | None:
    """Answer an escalation, once; `None` where it is unknown, expired, answered or cancelled.

    Args:
        connection: Inside of a change.
        escalation_id: Which one.
        state: "pending" for an approval that others must join.
        resolved_by: Who answers.
        note: What they say to it.
        receipt_id: Of the answer.
        now_ms: When.
        before: The approvals that this answer knows of. With others on record nothing is changed.
        votes: The approvals that there are then.
    """
    done = state != "pending"
    row = connection.row(
        queries.RESOLVE_ESCALATION,
        chosen=state,
        now=now_ms,
        by=resolved_by if done else None,
        text=note if done else None,
        receipt=receipt_id if done else None,
        prompt_id_=escalation_id,
        votes_before=_votes_text(before),
        votes=_votes_text(votes),
    )
    return _prompt_or_none(row)


def find_prompt(connection: Connection, prompt_id: str) -> Prompt | None:
    """Return the prompt of this id."""
    return _prompt_or_none(connection.row(queries.FIND_PROMPT, prompt_id=prompt_id))


def find_askers(connection: Connection, prompt_id: str) -> frozenset[str]:
    """Return the principals that sent the checks which a question was the answer to."""
    return frozenset(row[0] for row in connection.rows(queries.FIND_ASKERS, prompt_id=prompt_id))


def find_prompt_by_nonce(connection: Connection, nonce_hash: bytes) -> Prompt | None:
    """Return the confirmation whose nonce has this hash."""
    return _prompt_or_none(connection.row(queries.FIND_PROMPT_BY_NONCE, nonce=nonce_hash))


def _prompt_or_none(row: tuple[Any, ...] | None) -> Prompt | None:
    return None if row is None else prompt_of(row)


def prompt_of(row: tuple[Any, ...]) -> Prompt:
    """Return the prompt of a row of `queries.PROMPT_COLUMNS`."""
    values = list(row)
    values[_SINGLE_USE] = bool(values[_SINGLE_USE])
    values[_HAS_CALL] = bool(values[_HAS_CALL])
    # Nearly every question needs one person.
    values[_VOTES] = () if values[_VOTES] == "[]" else tuple(Vote(*vote) for vote in json.loads(values[_VOTES]))
    return Prompt(*values)


def _votes_text(votes: tuple[Vote, ...]) -> str:
    return json.dumps([[vote.principal_id, vote.name, vote.at_ms, vote.note] for vote in votes])


# ---- receipts


def insert_receipt(
    connection: Connection,
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
    user_id: str | None = None,
    claims: str | None = None,
    principal_id: str | None = None,
) -> None:
    """Record that something was decided or changed.

    Args:
        connection: Of the change that it tells of.
        receipt_id: New.
        event: "check", or one of the receipt format's events.
        decision: One that belongs to the event.
        authorization_id: What was named, whether it exists or not.
        now_ms: When.
        reason: The code of a check's decision.
        scope: What was asked for, or what the question is about.
        resource: Its target.
        session_id: The label of the check.
        prompt_id: The question that was raised, used up or answered.
        user_id: Whose authorization it is; `None` where there is none.
        claims: What is signed besides, as JSON; `None` where the receipt cannot have the signed form.
        principal_id: Who sent the request.
    """
    connection.run(
        queries.INSERT_RECEIPT,
        receipt_id=receipt_id,
        issued_ms=now_ms,
        event=event,
        decision=decision,
        reason=reason,
        authorization_id=authorization_id,
        scope=scope,
        resource=resource,
        session_id=session_id,
        prompt_id=prompt_id,
        user_id=user_id,
        claims=claims,
        principal_id=principal_id,
    )


def latest_time(connection: Connection) -> int:
    """Return the time of the last receipt: the authority's clock never runs before it."""
    row = connection.row(queries.LATEST_TIME)
    return 0 if row is None else row[0]


# ---- replies under an idempotency key


def find_reply(connection: Connection, endpoint: str, key_hash: bytes, after_ms: int) -> tuple[bytes, str] | None:
    """Return the request's hash and the reply that were kept under a key later than a time."""
    row = connection.row(queries.FIND_REPLY, endpoint=endpoint, key_hash=key_hash, after=after_ms)
    return None if row is None else (row[0], row[1])


def keep_reply(
    connection: Connection, endpoint: str, key_hash: bytes, *, request_hash: bytes, reply: str, now_ms: int
) -> None:
    """Keep a reply under a key, in the place of one that is no longer valid."""
    connection.run(queries.DROP_REPLY, endpoint=endpoint, key_hash=key_hash)
    connection.run(
        queries.INSERT_REPLY,
        endpoint=endpoint,
        key_hash=key_hash,
        request_hash=request_hash,
        reply=reply,
        created_ms=now_ms,
    )
