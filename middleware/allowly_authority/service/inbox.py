"""What waits for somebody: lists of questions, as far as the holder of a key may see them."""

from __future__ import annotations

from typing import Any, Final

from allowly_authority.engine.principals import Principal
from allowly_authority.service.problems import forbidden, invalid
from allowly_authority.store import inbox
from allowly_authority.store.inbox import Filters
from allowly_authority.store.port import Connection
from allowly_authority.wire.paging import After, PromptQuery, page
from allowly_authority.wire.prompts import WatchQuery, prompt_item

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
    filters = visible(query, principal)
    try:
        after = query.after()
    except ValueError as error:
        raise invalid(("query.cursor", str(error))) from None
    place = None if after is None else (after.at_ms, after.identifier)
    found = inbox.list_prompts(connection, query.status, filters, after=place, now_ms=now_ms, most=query.limit + 1)
    shown = found[: query.limit]
    last = After(*shown[-1].place) if len(found) > query.limit else None
    return page([prompt_item(one, now_ms) for one in shown], query, last)
