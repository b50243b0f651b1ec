"""Policies: published in editions, read, and archived. Authorizations keep the rules that they were made of."""

from __future__ import annotations

import json
from typing import Any

from allowly_authority.engine import Grant, Principal, RuleFault, grant_of_edition
from allowly_authority.service.idempotency import Repeatable
from allowly_authority.service.paging import beginning_of
from allowly_authority.service.problems import conflict, not_found
from allowly_authority.store import editions
from allowly_authority.store.editions import Edition
from allowly_authority.store.port import Connection
from allowly_authority.wire.creation import CreateFromPolicy
from allowly_authority.wire.paging import After, PolicyQuery, page
from allowly_authority.wire.policies import PolicyCreateRequest, policy_reply


def publish(
    connection: Connection,
    request: PolicyCreateRequest,
    sender: Principal,
    *,
    idempotency_key: str | None,
    now_ms: int,
) -> dict[str, Any]:
    """Add an edition to a policy, or the first one.

    Raises:
        ApiProblem: 409, the policy is archived, or its latest edition is not the one that the request follows.
    """
    repeatable = Repeatable("policies", idempotency_key, request.model_dump_json().encode())
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        return earlier
    connection.take_turns(b"policy:" + request.policy_id.encode())
    latest = editions.find_edition(connection, request.policy_id)
    followed = None if request.previous_policy_ref is None else request.previous_policy_ref.value()
    if latest is not None and latest.deleted_ms is not None:
        raise conflict("The policy is archived.")
    if followed != (None if latest is None else latest.reference):
        raise conflict("previous_policy_ref does not name the latest edition.")
    document = request.document()
    edition = Edition(
        policy_id=request.policy_id,
        version=1 if latest is None else latest.version + 1,
        sha256=document.sha256,
        definition=json.dumps(document.source),
        description=request.description,
        created_by=sender.principal_id,
        created_ms=now_ms,
    )
    editions.insert_edition(connection, edition)
    reply = _described(edition)
    repeatable.keep(connection, reply, now_ms)
    return reply


def read_policy(connection: Connection, policy_id: str) -> dict[str, Any]:
    """Return the latest edition of a policy, archived or not.

    Raises:
        ApiProblem: 404, there is none of this name.
    """
    edition = editions.find_edition(connection, policy_id)
    if edition is None:
        raise not_found()
    return _described(edition)


def list_policies(connection: Connection, query: PolicyQuery) -> dict[str, Any]:
    """Return a page of the latest editions.

    Raises:
        ApiProblem: 422, the cursor is of another list.
    """
    after = beginning_of(query)
    found = editions.list_policies(connection, after.identifier if after else "", query.limit + 1)
    shown = found[: query.limit]
    # Names alone tell where a page ends: a new edition does not move a policy.
    last = After(0, shown[-1].policy_id) if len(found) > query.limit else None
    return page([_described(edition) for edition in shown], query, last)


def archive(connection: Connection, policy_id: str, *, idempotency_key: str | None, now_ms: int) -> dict[str, Any]:
    """Let no more authorizations be made of a policy. Those that there are stay as they are.

    Raises:
        ApiProblem: 404 unknown, 409 archived before.
    """
    repeatable = Repeatable("archived-policies", idempotency_key, policy_id.encode())
    earlier = repeatable.earlier_reply(connection, now_ms)
    if earlier is not None:
        return earlier
    connection.take_turns(b"policy:" + policy_id.encode())
    if not editions.archive_policy(connection, policy_id, now_ms):
        unknown = editions.find_edition(connection, policy_id) is None
        raise not_found() if unknown else conflict("The policy is already archived.")
    reply: dict[str, Any] = {}
    repeatable.keep(connection, reply, now_ms)
    return reply


def grant_of_policy(connection: Connection, request: CreateFromPolicy, now_ms: int) -> Grant:
    """Return what a policy, or some of its actions, grants.

    Raises:
        RuleFault: There is no such edition, it is archived, or it has no such action.
    """
    edition = editions.find_edition(connection, request.policy_id, request.policy_version)
    if edition is None:
        raise RuleFault(("policy_id",), "there is no such policy, or no such edition of it")
    if edition.deleted_ms is not None:
        raise RuleFault(("policy_id",), "the policy is archived")
    return grant_of_edition(
        edition.document(),
        edition.reference,
        user_id=request.user_id,
        actions=request.actions,
        expires_ms=request.expires_ms,
        now_ms=now_ms,
        budget_limit_micros=request.budget_limit_micros,
    )


def _described(edition: Edition) -> dict[str, Any]:
    return policy_reply(
        edition.reference,
        json.loads(edition.definition),
        description=edition.description,
        created_by=edition.created_by,
        created_ms=edition.created_ms,
        deleted_ms=edition.deleted_ms,
    )
