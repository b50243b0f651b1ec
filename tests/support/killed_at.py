"""Approves, or uses up an approval, and dies at one SQL statement after the other; then looks what is left.

    python killed_at.py LOCATION approve|claim process|sent|backend

With `process`, the k-th statement kills the authority's own process before it is run; with `sent`, after it was
sent to PostgreSQL and before the answer is read; with `backend`, the process of the server that it is sent to
is killed. One line of JSON for each k tells what the caller was told and what the database then holds. The
last k is one that no statement had.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from allowly_authority.engine import ANYBODY
from allowly_authority.service.authority import Authority
from allowly_authority.service.problems import ApiProblem
from allowly_authority.store import database, queries
from allowly_authority.store.location import DatabaseUrl, parse_database_url
from allowly_authority.store.schema import StoreError, StoreUncertain
from allowly_authority.store.statements import Statement, given
from allowly_authority.store.tables import receipts, replies
from allowly_authority.wire.creation import CreateInline
from allowly_authority.wire.requests import CheckRequest, SettleRequest

RECEIPTS = Statement(
    sa.select(receipts.c.event, receipts.c.decision).where(
        receipts.c.authorization_id == given("authorization_id", sa.Text)
    )
)
REPLIES = Statement(sa.select(sa.func.count()).select_from(replies))
RESOURCE = "mcp:send#sha256:" + "0" * 64


class Bench:
    """One authority after the other on the same database."""

    def __init__(self, location: Path | DatabaseUrl, operation: str, mode: str) -> None:
        self.location, self.operation, self.mode = location, operation, mode

    def run(self, work: Callable[[Authority, Any], Any], before: Callable[[Any], None] = lambda _: None) -> Any:
        opened = database.open_database(self.location)
        try:
            authority = Authority(opened, workspace_key="k" * 40, base_url="http://x")
            authority._next_sweep = float("inf")
            before(opened)
            return asyncio.run(work(authority, opened))
        finally:
            opened.close()

    async def prepare(self, authority: Authority, _: Any) -> dict[str, str]:
        created = await authority.create(
            CreateInline.model_validate(
                {
                    "user_id": "u",
                    "agent_id": "a",
                    "scopes": ["send"],
                    "requires_confirm_for": ["send"],
                    "expires_at": "2200-01-01T00:00:00Z",
                }
            ),
            None,
            ANYBODY,
        )
        held = {"authorization_id": created["authorization_id"], "key": os.urandom(8).hex()}
        asked = await self.check(authority, held, key=None)
        held |= {"nonce": asked["confirm_nonce"], "prompt_id": asked["confirmation_id"]}
        if self.operation == "claim":
            await self.settle(authority, held | {"key": held["key"] + "s"})
        return held

    async def check(self, authority: Authority, held: dict[str, str], key: str | None) -> dict[str, Any]:
        body = {"authorization_id": held["authorization_id"], "scopes": ["send"], "resource": RESOURCE}
        return (await authority.check(CheckRequest.model_validate(body), key, ANYBODY))["results"]["send"]

    async def settle(self, authority: Authority, held: dict[str, str]) -> dict[str, Any]:
        request = SettleRequest(approved=True, ttl_seconds=300)
        return await authority.settle(held["nonce"], request, held["key"], ANYBODY)

    async def act(self, authority: Authority, held: dict[str, str]) -> str:
        try:
            if self.operation == "approve":
                return (await self.settle(authority, held))["decision"]
            return (await self.check(authority, held, held["key"]))["decision"]
        except StoreUncertain:
            return "uncertain"
        except StoreError:
            return "failed"
        except ApiProblem as problem:
            return str(problem.status)

    async def look(self, authority: Authority, opened: Any, held: dict[str, str]) -> dict[str, Any]:
        prompt = await opened.read(lambda db: db.row(queries.FIND_PROMPT, prompt_id=held["prompt_id"]))
        rows = await opened.read(lambda db: db.rows(RECEIPTS, authorization_id=held["authorization_id"]))
        kept = await opened.read(lambda db: db.row(REPLIES))
        return {
            "state": prompt[6],
            "receipts": sorted(f"{event} {decision}" for event, decision in rows),
            "kept": kept[0],
        }

    def tried(self, k: int) -> dict[str, Any]:
        held = self.run(self.prepare)
        before = self.run(lambda authority, opened: self.look(authority, opened, held))
        told, said = os.pipe()
        child = os.fork()
        if child == 0:
            outcome = self.run(lambda authority, _: self.act(authority, held), lambda opened: self.arm(opened, k))
            os.write(said, outcome.encode())
            os._exit(0)
        os.close(said)
        _, status = os.waitpid(child, 0)
        with os.fdopen(told) as pipe:
            outcome = pipe.read() or ("killed" if os.WIFSIGNALED(status) else f"status {status}")
        after = self.patiently(lambda authority, opened: self.look(authority, opened, held))
        again = self.run(lambda authority, _: self.act(authority, held))
        final = self.run(lambda authority, opened: self.look(authority, opened, held))
        return {"k": k, "told": outcome, "before": before, "after": after, "again": again, "final": final}

    def patiently(self, work: Callable[[Authority, Any], Any]) -> Any:
        """Run as soon as a server that restarts takes connections."""
        for _ in range(400):
            try:
                return self.run(work)
            except StoreError:
                time.sleep(0.025)
        return self.run(work)

    def arm(self, opened: Any, k: int) -> None:
        numbers = itertools.count(1)
        if not isinstance(self.location, DatabaseUrl):
            opened._raw.set_trace_callback(lambda _: next(numbers) == k and os.kill(os.getpid(), signal.SIGKILL))
            return
        import psycopg

        plain = psycopg.Connection.execute

        def execute(link: Any, *arguments: Any, **options: Any) -> Any:
            if next(numbers) != k:
                return plain(link, *arguments, **options)
            if self.mode == "sent":
                plain(link, *arguments, **options)
            os.kill(link.info.backend_pid if self.mode == "backend" else os.getpid(), signal.SIGKILL)
            return plain(link, *arguments, **options)

        psycopg.Connection.execute = execute


def main() -> None:
    text, operation, mode = sys.argv[1:]
    bench = Bench(parse_database_url(text) if "://" in text else Path(text), operation, mode)
    for k in range(1, 60):
        tried = bench.tried(k)
        print(json.dumps(tried), flush=True)
        expected = "approved" if operation == "approve" else "allow"
        if tried["told"] == expected and k > 8:
            return


if __name__ == "__main__":
    main()
