"""What waits for somebody: lists of questions, as far as the holder of a key may see them."""

from __future__ import annotations

from typing import Any, Final

from allowly_authority.engine.principals import Principal
from allowly_authority.service.paging import beginning_of
from allowly_authority.service.problems import forbidden
from allowly_authority.store import inbox
from allowly_authority.store.inbox import Filters
from allowly_authority.store.listing import NEWEST, list_authorizations
from allowly_authority.store.port import Connection
from allowly_authority.wire.paging import After, PromptQuery, page
from allowly_authority.wire.prompts import WatchQuery, prompt_item

MAX_REQUESTING: Final = 50
"""How many authorizations of a user, and of an agent, the newest first, are searched for what was asked for them."""

_SEE_EVERYTHING: Final = frozenset({"workspace", "operator"})


def sees_everything(principal: Principal) -> bool:
    """Tell whether a principal sees what concerns others. An approver sees what is addressed to it."""
    return not _SEE_EVERYTHING.isdisjoint(principal.roles)


def visible(query: PromptQuery | WatchQuery, principal: Principal) -> Filters:
    """Return which questions a query shows to a principal.

    Raises:
        ApiProblem: 403, it asks for what is addressed to somebody else. An empty list would look as if nothing waited.
    """
    addressees: frozenset[str] | None
    if sees_everything(principal):
        addressees = None if query.addressee is None else frozenset({query.addressee})
    elif query.addressee is None:
        addressees = principal.names
    elif principal.is_addressed_by(query.addressee):
        addressees = frozenset({query.addressee})
    else:
        raise forbidden("This key sees only what is addressed to its holder.")
    return Filters(addressees, query.kind, query.authorization_id)


def list_prompts(connection: Connection, query: PromptQuery, principal: Principal, now_ms: int) -> dict[str, Any]:
    """Return a page of questions.

    Raises:
        ApiProblem: 403 as for `visible`; 422, the cursor is of another list.
    """
    if query.requested is None or sees_everything(principal):
        filters = visible(query, principal)
    else:
        filters = _requested(connection, query, principal, now_ms)
    after = beginning_of(query)
    place = None if after is None else (after.at_ms, after.identifier)
    found = inbox.list_prompts(connection, query.status, filters, after=place, now_ms=now_ms, most=query.limit + 1)
    shown = found[: query.limit]
    last = After(*shown[-1].place) if len(found) > query.limit else None
    return page([prompt_item(one, now_ms) for one in shown], query, last)


def _requested(connection: Connection, query: PromptQuery, principal: Principal, now_ms: int) -> Filters:
    """Return which questions were asked for a principal: they are shown to it, and answered by others."""
    own: set[str] = set()
    for user, agent in ((principal.principal_id, None), (None, principal.principal_id)):
        found = list_authorizations(
            connection, NEWEST, MAX_REQUESTING, user_id=user, agent_id=agent, active=None, now_ms=now_ms
        )
        own |= {authorization.authorization_id for authorization, _ in found}
    addressees = None if query.addressee is None else frozenset({query.addressee})
    return Filters(addressees, query.kind, query.authorization_id, frozenset(own))
