"""The same as `inbox`, on PostgreSQL; with statistics, as it keeps them by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
from sampling import Effort, Samples

from allowly_authority.store.location import parse_database_url
from inbox import FEW, MANY, compared, filled

sys.path.append(str(Path(__file__).parents[1] / "support"))
from postgres_cluster import Cluster

TITLE = "a page of 50 of 100,000 questions that wait, against one of 100, on PostgreSQL"
TARGET = "<= 3"
OPERATIONS = 20


async def samples(effort: Effort) -> Samples:
    """Compare on a server of our own."""
    cluster = Cluster()
    try:
        urls = [parse_database_url(cluster.url(cluster.create())) for _ in range(2)]

        def into(text: str) -> Callable[[list[str]], None]:
            def run(statements: list[str]) -> None:
                with psycopg.connect(text) as link:
                    for statement in [*statements, "ANALYZE"]:
                        link.execute(statement.encode())

            return run

        async with (
            filled(urls[0], FEW, into(urls[0].text)) as few,
            filled(urls[1], MANY, into(urls[1].text)) as many,
        ):
            return await compared(few, many, effort)
    finally:
        cluster.remove()
