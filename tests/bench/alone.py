"""How many checks pass through one `AuthorityClient` when 32 are under way at a time, against one after the other."""

from __future__ import annotations

from parallel import CHECKS, PARALLEL, check_with, client_of, crowd
from processes import authority
from sampling import Effort, Samples, measure

TITLE = "checks through AuthorityClient: 32 in parallel / one at a time, by rate"
TARGET = ">= 3"
OPERATIONS = 1


async def samples(effort: Effort) -> Samples:
    """Send the same checks to one authority in both ways."""
    async with authority() as running, client_of(running) as client:
        check = check_with(client, running)
        return await measure(
            {"parallel": lambda: crowd(check, PARALLEL, CHECKS), "alone": lambda: crowd(check, 1, PARALLEL * CHECKS)},
            lambda one: one["alone"] / one["parallel"],
            effort,
        )
