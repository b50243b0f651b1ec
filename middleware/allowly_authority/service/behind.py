"""The call behind a question: handed in by whoever asks, proved by its digest, read by whoever decides.

The authority is asked about digests of arguments. Whoever is to approve must see the arguments themselves, so
whoever has them may hand them in; nothing but the call that the question's resource names is taken.
"""

from __future__ import annotations

import json
from typing import Any

from allowly_authority.binding import bound_resource, canonical_json
from allowly_authority.engine import Principal, Prompt
from allowly_authority.service.inbox import sees_everything
from allowly_authority.service.nonces import nonce_hash
from allowly_authority.service.problems import ApiProblem, forbidden, invalid, not_found
from allowly_authority.store import behind, records
from allowly_authority.store.port import Connection
from allowly_authority.wire.prompts import call_behind
from allowly_authority.wire.requests import LookupRequest, ShowCallRequest


def asked_about(connection: Connection, request: LookupRequest) -> Prompt:
    """Return the question that a nonce or the id of an escalation names.

    Raises:
        ApiProblem: 404 with the code `prompt_not_found`: this authority never issued it.
    """
    if request.nonce is not None:
        prompt = records.find_prompt_by_nonce(connection, nonce_hash(request.nonce))
    else:
        prompt = records.find_prompt(connection, request.escalation_id or "")
    if prompt is None or (request.escalation_id is not None and prompt.kind != "escalate"):
        raise not_found("prompt_not_found")
    return prompt


def show_call(connection: Connection, request: ShowCallRequest, now_ms: int) -> dict[str, Any]:
    """Keep the call behind a question, and name it. The same call again changes nothing.

    Raises:
        ApiProblem: 404 as for `asked_about`; 409 with the code `call_mismatch`, the question is about another call,
            or about none in particular; 422, the arguments have no canonical form, or no database keeps them.
    """
    try:
        arguments = canonical_json(request.arguments)
    except ValueError:
        raise invalid(("body.arguments", "must have a canonical form")) from None
    prompt = asked_about(connection, request)
    if prompt.resource != bound_resource(request.tool, arguments):
        raise ApiProblem(409, "call_mismatch", "The question is not about this call.")
    if any("\x00" in text for text in (request.tool, arguments, request.server)):
        raise invalid(("body", "must not hold U+0000"))
    behind.keep_call(
        connection, prompt.prompt_id, tool=request.tool, arguments=arguments, server=request.server, now_ms=now_ms
    )
    return {"prompt_id": prompt.prompt_id}


def read_call(connection: Connection, prompt_id: str, principal: Principal) -> dict[str, Any]:
    """Return the call behind a question to whoever sees the question in a list.

    Raises:
        ApiProblem: 403, it is addressed to somebody else; 404 there is no such question, or with the code
            `call_not_given`, nobody has handed its call in.
    """
    prompt = records.find_prompt(connection, prompt_id)
    if prompt is None:
        raise not_found("prompt_not_found")
    if not (sees_everything(principal) or principal.is_addressed_by(prompt.escalation_to)):
        raise forbidden("This key sees only what is addressed to its holder.")
    found = behind.find_call(connection, prompt_id)
    if found is None:
        raise not_found("call_not_given")
    tool, arguments, server = found
    return call_behind(prompt_id, tool, json.loads(arguments), server)
