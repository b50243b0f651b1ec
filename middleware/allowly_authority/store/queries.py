"""The statements on authorizations, prompts, receipts and kept replies, for both kinds of database.

Each change of a prompt's state is one conditional statement: whether it won a race is whether it
returned a row. Placeholders that name a column of the changed table in its own condition end in `_`.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from allowly_authority.store.statements import Statement, first, given, insertion, pick, word
from allowly_authority.store.tables import (
    authorizations,
    budgets,
    daily_counts,
    policies,
    prompts,
    receipts,
    replies,
    reservations,
)

PROMPT_COLUMNS: Final = pick(
    prompts,
    "prompt_id kind dialect authorization_id scope resource state created_ms expires_ms single_use escalation_to "
    "source_receipt_id nonce_salt resolved_ms resolved_by grant_id grant_expires_ms consumed_ms revoked_ms "
    "resolution_receipt_id requested_by quorum note votes has_call",
)
"""The columns of a prompt, in the order of the fields of `Prompt`."""
_NOW: Final = given("now")
_LIVE: Final = prompts.c.state.in_([word("pending"), word("approved"), word("rejected")])

# ---- authorizations

_AUTHORIZATION: Final = pick(
    authorizations, "authorization_id dialect user_id agent_id rules created_ms expires_ms revoked_ms superseded_by"
)
_LATEST: Final = first(sa.select(receipts.c.issued_ms).order_by(receipts.c.seq.desc()))
_FIND_AUTHORIZATION: Final = sa.select(*_AUTHORIZATION, _LATEST.scalar_subquery()).where(
    authorizations.c.authorization_id == given("authorization_id", sa.Text)
)
FIND_AUTHORIZATION: Final = Statement(_FIND_AUTHORIZATION)
LOCK_AUTHORIZATION: Final = Statement(_FIND_AUTHORIZATION.with_for_update(key_share=True, of=authorizations))
INSERT_AUTHORIZATION: Final = insertion(
    authorizations, "authorization_id dialect user_id agent_id rules created_ms expires_ms created_by"
)
REVOKE_AUTHORIZATION: Final = Statement(
    sa.update(authorizations)
    .values(
        revoked_ms=_NOW,
        revoked_by=given("by", sa.Text),
        notes=given("notes", sa.Text),
        superseded_by=given("successor", sa.Text),
    )
    .where(
        authorizations.c.authorization_id == given("authorization_id_", sa.Text), authorizations.c.revoked_ms.is_(None)
    )
    .returning(authorizations.c.authorization_id)
)

# ---- prompts

_APPROVED: Final = prompts.c.state == word("approved")
_NOT_REVOKED: Final = prompts.c.revoked_ms.is_(None)
CANCEL_PROMPTS: Final = Statement(
    sa.update(prompts)
    .values(
        revoked_ms=_NOW,
        state=sa.case(
            (_APPROVED, word("approved")), (prompts.c.expires_ms <= _NOW, word("expired")), else_=word("cancelled")
        ),
    )
    .where(
        prompts.c.authorization_id == given("authorization_id_", sa.Text),
        prompts.c.state.in_([word("pending"), word("approved")]),
    )
    .returning(prompts.c.kind, prompts.c.state, prompts.c.grant_id, prompts.c.grant_expires_ms)
)
FIND_STANDING: Final = Statement(
    sa.select(*PROMPT_COLUMNS)
    .where(
        prompts.c.binding == given("binding", sa.Text),
        sa.or_(
            sa.and_(prompts.c.kind == word("escalate"), _LIVE, prompts.c.expires_ms > _NOW),
            sa.and_(prompts.c.kind == word("confirm"), _APPROVED, prompts.c.grant_expires_ms > _NOW, _NOT_REVOKED),
        ),
    )
    .order_by(prompts.c.grant_expires_ms)
)
EXPIRE_ESCALATION: Final = Statement(
    sa.update(prompts)
    .values(state=word("expired"))
    .where(
        prompts.c.binding == given("binding_", sa.Text),
        prompts.c.kind == word("escalate"),
        _LIVE,
        prompts.c.expires_ms <= _NOW,
    )
)
INSERT_PROMPT: Final = insertion(
    prompts,
    "prompt_id kind dialect authorization_id scope resource binding state created_ms expires_ms single_use "
    "escalation_to nonce_hash nonce_salt source_receipt_id requested_by quorum",
)
COUNT_PENDING: Final = Statement(
    sa.select(sa.func.count()).where(
        prompts.c.authorization_id == given("authorization_id", sa.Text),
        prompts.c.state == word("pending"),
        prompts.c.expires_ms > _NOW,
    )
)
CLAIM: Final = Statement(
    sa.update(prompts)
    .values(state=word("consumed"), consumed_ms=_NOW)
    .where(
        prompts.c.prompt_id == given("prompt_id_", sa.Text), _APPROVED, prompts.c.grant_expires_ms > _NOW, _NOT_REVOKED
    )
    .returning(prompts.c.prompt_id)
)
SETTLE_CONFIRMATION: Final = Statement(
    sa.update(prompts)
    .values(
        state=given("chosen", sa.Text),
        resolved_ms=_NOW,
        resolved_by=given("by", sa.Text),
        grant_id=given("grant", sa.Text),
        grant_expires_ms=given("until"),
        resolution_receipt_id=given("receipt", sa.Text),
    )
    .where(
        prompts.c.nonce_hash == given("nonce", sa.LargeBinary),
        prompts.c.state == word("pending"),
        prompts.c.expires_ms > _NOW,
    )
    .returning(*PROMPT_COLUMNS)
)
RESOLVE_ESCALATION: Final = Statement(
    sa.update(prompts)
    .values(
        state=given("chosen", sa.Text),
        # An approval that is not the last one leaves the question open.
        resolved_ms=sa.case((given("chosen", sa.Text) != word("pending"), _NOW)),
        resolved_by=given("by", sa.Text),
        note=given("text", sa.Text),
        votes=given("votes", sa.Text),
        told_ms=_NOW,
        grant_expires_ms=sa.case((given("chosen", sa.Text) == word("approved"), prompts.c.expires_ms)),
        resolution_receipt_id=given("receipt", sa.Text),
    )
    .where(
        prompts.c.prompt_id == given("prompt_id_", sa.Text),
        prompts.c.kind == word("escalate"),
        prompts.c.state == word("pending"),
        prompts.c.expires_ms > _NOW,
        # Two approvals at once are two, or the later one begins again; none is written over.
        prompts.c.votes == given("votes_before", sa.Text),
    )
    .returning(*PROMPT_COLUMNS)
)
FIND_ASKERS: Final = Statement(
    sa.select(receipts.c.principal_id)
    .distinct()
    .where(
        receipts.c.prompt_id == given("prompt_id", sa.Text),
        receipts.c.event == word("check"),
        receipts.c.principal_id.is_not(None),
    )
)
FIND_PROMPT: Final = Statement(sa.select(*PROMPT_COLUMNS).where(prompts.c.prompt_id == given("prompt_id", sa.Text)))
FIND_PROMPT_BY_NONCE: Final = Statement(
    sa.select(*PROMPT_COLUMNS).where(prompts.c.nonce_hash == given("nonce", sa.LargeBinary))
)

# ---- how often a scope was allowed in one day

_OF_THE_DAY: Final = (
    daily_counts.c.authorization_id == given("authorization_id_", sa.Text),
    daily_counts.c.scope == given("scope_", sa.Text),
    daily_counts.c.day_ends_ms == given("day_ends"),
)
FIND_DAILY_COUNT: Final = Statement(sa.select(daily_counts.c.allowed).where(*_OF_THE_DAY))
INSERT_DAILY_COUNT: Final = insertion(daily_counts, "authorization_id scope day_ends_ms allowed")
COUNT_ALLOW: Final = Statement(
    sa.update(daily_counts)
    .values(allowed=daily_counts.c.allowed + sa.literal_column("1"))
    .where(*_OF_THE_DAY, daily_counts.c.allowed < given("most"))
    .returning(daily_counts.c.allowed)
)

# ---- budgets

_BUDGET: Final = budgets.c.authorization_id == given("authorization_id_", sa.Text)
FIND_SPENT: Final = Statement(sa.select(budgets.c.spent_micros).where(_BUDGET))
INSERT_BUDGET: Final = insertion(budgets, "authorization_id spent_micros")
RESERVE: Final = Statement(
    sa.update(budgets)
    .values(spent_micros=budgets.c.spent_micros + given("estimate"))
    .where(_BUDGET, budgets.c.spent_micros + given("estimate") <= given("most"))
    .returning(budgets.c.spent_micros)
)
CORRECT_SPENT: Final = Statement(
    sa.update(budgets).values(spent_micros=budgets.c.spent_micros + given("delta")).where(_BUDGET)
)
INSERT_RESERVATION: Final = insertion(reservations, "check_receipt_id authorization_id estimate_micros created_ms")
FIND_RESERVATION: Final = Statement(
    sa.select(receipts.c.authorization_id, reservations.c.estimate_micros, reservations.c.actual_micros)
    .select_from(sa.outerjoin(receipts, reservations, reservations.c.check_receipt_id == receipts.c.receipt_id))
    .where(
        receipts.c.receipt_id == given("receipt_id", sa.Text),
        receipts.c.event == word("check"),
        receipts.c.decision == word("allow"),
    )
)
SETTLE_RESERVATION: Final = Statement(
    sa.update(reservations)
    .values(actual_micros=given("actual"), settled_ms=_NOW)
    .where(reservations.c.check_receipt_id == given("receipt_id_", sa.Text), reservations.c.actual_micros.is_(None))
    .returning(reservations.c.check_receipt_id)
)

# ---- editions of policies

_EDITION: Final = pick(policies, "policy_id version sha256 definition description created_by created_ms deleted_ms")
_POLICY: Final = policies.c.policy_id == given("policy_id_", sa.Text)
_EDITIONS: Final = policies.alias("editions")
FIND_EDITION: Final = Statement(sa.select(*_EDITION).where(_POLICY, policies.c.version == given("version_")))
LATEST_EDITION: Final = Statement(first(sa.select(*_EDITION).where(_POLICY).order_by(policies.c.version.desc())))
LIST_POLICIES: Final = Statement(
    sa.select(*_EDITION)
    .where(
        policies.c.deleted_ms.is_(None),
        policies.c.policy_id > given("after", sa.Text),
        policies.c.version
        == sa.select(sa.func.max(_EDITIONS.c.version))
        .where(_EDITIONS.c.policy_id == policies.c.policy_id)
        .scalar_subquery(),
    )
    .order_by(policies.c.policy_id)
    .limit(given("most"))
    .offset(sa.literal_column("0"))
)
INSERT_EDITION: Final = insertion(policies, "policy_id version sha256 definition description created_by created_ms")
ARCHIVE_POLICY: Final = Statement(
    sa.update(policies)
    .values(deleted_ms=_NOW)
    .where(_POLICY, policies.c.deleted_ms.is_(None))
    .returning(policies.c.version)
)

# ---- receipts


class MayBeLost(sa.ColumnElement[bool]):
    """Is true, and lets the commit of the statement's own transaction not wait for the disk.

    In SQLite this belongs to the connection, and is set there. In PostgreSQL it would take a transaction around the
    statement, and with it three times as long.
    """

    inherit_cache = True
    type = sa.Boolean()


@compiles(MayBeLost)
def _true(element: MayBeLost, compiler: SQLCompiler, **options: object) -> str:  # noqa: ARG001 - as SQLAlchemy calls it
    return "1 = 1"


@compiles(MayBeLost, "postgresql")
def _not_forced(element: MayBeLost, compiler: SQLCompiler, **options: object) -> str:  # noqa: ARG001 - the same
    return "set_config('synchronous_commit', 'off', true) = 'off'"


_RECEIPT: Final = (
    "receipt_id issued_ms event decision reason authorization_id scope resource session_id prompt_id user_id claims "
    "principal_id"
)
INSERT_RECEIPT: Final = insertion(receipts, _RECEIPT)
_RECORD: Final = sa.select(sa.func.coalesce(_LATEST.scalar_subquery(), sa.literal_column("0")).label("at_ms")).subquery(
    "record"
)
INSERT_RECEIPT_IF_AS_KNOWN: Final = Statement(
    sa.insert(receipts)
    .from_select(
        _RECEIPT.split(),
        sa.select(
            *(
                # The time of the record, where another process was ahead.
                sa.case((_RECORD.c.at_ms > given("issued_ms"), _RECORD.c.at_ms), else_=given("issued_ms"))
                if column.name == "issued_ms"
                else given(column.name, sa.Text)
                for column in pick(receipts, _RECEIPT)
            )
        )
        .select_from(sa.join(authorizations, _RECORD, sa.true()))
        .where(
            authorizations.c.authorization_id == given("authorization_id", sa.Text),
            authorizations.c.revoked_ms.is_not_distinct_from(given("known_revoked_ms")),
            _RECORD.c.at_ms < given("holds_until_ms"),
            MayBeLost(),
        ),
    )
    .returning(receipts.c.issued_ms)
)
"""The same where the authorization still stands as it is known, and the record is not past a time; else no row."""
LATEST_TIME: Final = Statement(_LATEST)

# ---- replies under an idempotency key

FIND_REPLY: Final = Statement(
    sa.select(replies.c.request_hash, replies.c.reply).where(
        replies.c.endpoint == given("endpoint", sa.Text),
        replies.c.key_hash == given("key_hash", sa.LargeBinary),
        replies.c.created_ms > given("after"),
    )
)
DROP_REPLY: Final = Statement(
    sa.delete(replies).where(
        replies.c.endpoint == given("endpoint", sa.Text), replies.c.key_hash == given("key_hash", sa.LargeBinary)
    )
)
INSERT_REPLY: Final = insertion(replies, "endpoint key_hash request_hash created_ms reply")
