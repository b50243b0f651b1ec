"""Where the page of a list begins."""

from __future__ import annotations

from allowly_authority.service.problems import invalid
from allowly_authority.wire.paging import After, Query


def beginning_of(query: Query) -> After | None:
    """Return what a page begins after; `None` for the first one.

    Raises:
        ApiProblem: 422, the cursor is damaged, or of another list.
    """
    try:
        return query.after()
    except ValueError as error:
        raise invalid(("query.cursor", str(error))) from None
