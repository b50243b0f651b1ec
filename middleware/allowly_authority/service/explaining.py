"""Why a check would be decided as it would: the same decision, with all that it looked at, and nothing used up."""

from __future__ import annotations

from typing import Any

from allowly_authority.engine import Circumstances, explain, faults_in, question_of
from allowly_authority.service.checks import MAX_PENDING_PROMPTS as MAX_PENDING
from allowly_authority.service.problems import invalid
from allowly_authority.service.standing import standing_of
from allowly_authority.store import records
from allowly_authority.store.port import Connection
from allowly_authority.wire.explaining import ExplainRequest
from allowly_authority.wire.scalars import format_timestamp


def explain_check(connection: Connection, request: ExplainRequest, now_ms: int) -> dict[str, Any]:
    """Return the decision on one name and how it comes about. Reads only.

    Raises:
        ApiProblem: 422, a check that says no more than this would be refused, too.
    """
    authorization, _ = records.find_authorization(connection, request.authorization_id)
    dialect = request.dialect or (authorization.dialect if authorization else "scopes")
    asked = Circumstances(
        resource=request.resource,
        context=request.context or {},
        initiator=request.initiator,
        estimated_cost_micros=request.estimated_cost_micros,
    )
    faults = faults_in(authorization, [request.scope], dialect, asked)
    if faults:
        raise invalid(*faults)
    question = question_of(authorization, request.authorization_id, request.scope, dialect, asked)
    standing = standing_of(connection, authorization, question, now_ms)
    found = explain(authorization, request.scope, dialect, standing, now_ms, asked=asked)
    told = found.as_json() | {"sentences": found.sentences()}
    if found.verdict.open_prompt and records.count_pending(connection, request.authorization_id, now_ms) >= MAX_PENDING:
        told |= {"decision": "deny", "reason": "too_many_pending", "rule": "too_many_pending", "target": None}
        told["sentences"].append(f"But {MAX_PENDING} questions of this authorization are open, so that it is denied.")
    return {
        "authorization_id": request.authorization_id,
        "user_id": authorization.user_id if authorization else None,
        "agent_id": authorization.agent_id if authorization else None,
        "dialect": dialect,
        "at": format_timestamp(now_ms),
        **told,
    }
