"""Lets two inboxes, a browser and a program answer the same escalations at once: `racing.py FOLDER N`.

Each is a process of its own with the key of somebody else, and says yes or no at random. One more process asks, waits,
and makes each call twice at the same time once it is approved. Some calls are those of real sessions in yet another
process, which wait and go on by themselves. What everybody was told goes to standard output.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import browsing
import parts
from browsers import CHROMIUM
from failpoints import Failpoints, kill
from requesting import Requesters

from allowly_authority import AuthorityClient
from allowly_authority.binding import bound_resource, canonical_json
from allowly_authority.errors import AuthorityError, Conflict, PromptGone
from allowly_harness import Answer
from allowly_harness.inbox import AuthorityInbox, QuestionClosed

PEOPLE = ("ada", "bob", "carol", *(("dora",) if CHROMIUM else ()))
HANDS = 4
MOST_SESSIONS = 50


class Race:
    """One race.

    Attributes:
        folder: Where everybody writes what they were told.
        count: How many escalations there are.
        base_url: Of the authority.
        keys: By name.
        authorization_id: Under which is asked.
        sessions: Real sessions, which ask for a fourth of the calls, and for no more than 50.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        self.base_url = ""
        self.keys: dict[str, str] = {}
        self.authorization_id = ""
        self.sessions = Requesters("", "", range(0))

    def client(self, key: str = parts.KEY) -> AuthorityClient:
        """Return a client with somebody's key."""
        return AuthorityClient(base_url=self.base_url, api_key=key, timeout_seconds=30, check_timeout_seconds=30)

    def fork(self, name: str, work: Callable[[], Awaitable[Any]]) -> int:
        """Run something in a process of its own; what it returns is written into a file."""
        child = os.fork()
        if child == 0:
            parts.end_with_parent()
            random.seed()
            try:
                done = anyio.run(work)
                (self.folder / f"{name}.json").write_text(json.dumps(done))
            except BaseException:  # noqa: BLE001 - a child must not go on as its parent
                traceback.print_exc()
            os._exit(0)
        return child

    def start_authority(self) -> int:
        """Start the authority, and return its process once it listens."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            parts.end_with_parent()
            points = Failpoints(self.folder, "authority", "", "")
            parts.authority(self.folder, points, 0, lambda url: os.write(writing, url.encode() + b"\n"))
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            self.base_url = pipe.readline().strip()
        return child

    async def prepare(self) -> None:
        """Make the keys and the escalations, and hand in the calls."""
        async with self.client() as client:
            for name in PEOPLE:
                made = await client.create_key(principal_id=name, roles=["approver"], addresses=["compliance"])
                self.keys[name] = made.key
            self.authorization_id = await self.grant(client)
            first = self.count - min(self.count // 4, MOST_SESSIONS)
            self.sessions = Requesters(self.base_url, await self.grant(client), range(first, self.count))
            asked = {number: await self.ask(client, number) for number in range(first)}
        (self.folder / "asked.json").write_text(json.dumps(asked))

    async def grant(self, client: AuthorityClient) -> str:
        """Let the agent close accounts, once compliance has approved; return the id of that."""
        granted = await client.create_authorization(
            user_id="usr",
            agent_id="agent",
            scopes=["close"],
            requires_escalation_for=["close"],
            escalation_targets={"close": "compliance"},
            expires_at=datetime.now(UTC) + timedelta(days=1),
        )
        return granted.authorization_id

    async def check(self, client: AuthorityClient, number: int) -> Any:
        """Ask for one call, as a guarded server does."""
        resource = bound_resource("close", canonical_json({"number": number}))
        reply = await client.check(authorization_id=self.authorization_id, scopes=["close"], resource=resource)
        return reply.results["close"]

    async def ask(self, client: AuthorityClient, number: int) -> str:
        """Raise one escalation; return its id."""
        escalation_id: str = (await self.check(client, number)).escalation_id
        arguments = canonical_json({"number": number})
        await client.show_call(escalation_id=escalation_id, tool="close", arguments=arguments, server="bank")
        return escalation_id

    async def answer_in_inbox(self, name: str) -> list[dict[str, Any]]:
        """Answer everything with several hands, each opening what still waits."""
        told: list[dict[str, Any]] = []
        begun: set[str] = set()
        async with (
            self.client(self.keys[name]) as client,
            AuthorityInbox.open(client) as inbox,
            anyio.create_task_group() as group,
        ):
            await inbox.until(lambda one: one.complete)

            async def hand() -> None:
                while True:
                    waiting = [item.escalation_id or "" for item in inbox.mine if item.escalation_id not in begun]
                    if not waiting and not inbox.mine and not inbox.more:
                        return
                    if not waiting:
                        await anyio.sleep(0.02)
                        continue
                    begun.add(waiting[0])
                    said = await self.say(inbox, waiting[0])
                    if said is not None:
                        told.append(said)

            for _ in range(HANDS):
                group.start_soon(hand)
        return told

    async def say(self, inbox: AuthorityInbox, prompt_id: str) -> dict[str, Any] | None:
        """Open one question and answer it; `None` where it was over before."""
        try:
            question = await inbox.question(prompt_id)
        except QuestionClosed:
            return None
        yes, began = random.random() < 0.5, time.monotonic()  # noqa: S311 - no secret
        verdict = await inbox.answer(question, Answer.approve() if yes else Answer.deny())
        return {
            "id": prompt_id,
            "said": yes,
            "kind": verdict.kind,
            "approved": verdict.approved,
            "by": verdict.by,
            "began": began,
            "ended": time.monotonic(),
        }

    async def answer_by_posting(self, name: str) -> list[dict[str, Any]]:
        """Answer everything over the API alone, in an order of its own at the end of each page."""
        told: list[dict[str, Any]] = []
        async with self.client(self.keys[name]) as client:
            while items := (await client.pending(kind="escalate", limit=20)).items:
                for item in items:
                    told.append(await self.post(client, name, item.escalation_id or ""))  # noqa: PERF401 - one by one
        return told

    async def answer_in_browser(self, name: str, begun: Callable[[], object]) -> list[dict[str, Any]]:
        """Answer everything on the authority's page."""

        def coin() -> bool:
            return random.random() < 0.5  # noqa: S311 - no secret

        return await browsing.answer_on_the_page(self.base_url, name, self.keys[name], begun, coin)

    async def post(self, client: AuthorityClient, name: str, prompt_id: str) -> dict[str, Any]:
        """Post one answer; the record says who was first where it was somebody else."""
        yes, began = random.random() < 0.5, time.monotonic()  # noqa: S311 - no secret
        first: str | None = None
        approved = yes
        try:
            first = (
                await client.resolve_escalation(prompt_id, resolution="approved" if yes else "rejected")
            ).resolved_by
        except (Conflict, PromptGone):
            found = await client.lookup_prompt(escalation_id=prompt_id)
            first, approved = found.resolved_by, found.status != "rejected"
        kind = "recorded" if first == name else "earlier"
        times = {"began": began, "ended": time.monotonic()}
        return {"id": prompt_id, "said": yes, "kind": kind, "approved": approved, "by": first, **times}

    async def wait_and_run(self) -> dict[str, int]:
        """Wait for each answer, then make each approved call twice at the same time; return how often each ran."""
        ran: dict[str, int] = {}
        asked: dict[str, str] = json.loads((self.folder / "asked.json").read_text())
        async with self.client() as client:
            left = dict(asked)
            while left:
                for number, escalation_id in list(left.items()):
                    status = (await client.escalation_status(escalation_id)).status
                    if status == "pending":
                        await anyio.sleep(0.05)
                        break
                    del left[number]
                    ran[escalation_id] = 0
                    async with anyio.create_task_group() as group:
                        for _ in range(2 if status == "approved" else 0):
                            group.start_soon(self.run_if_allowed, client, int(number), escalation_id, ran)
        return ran

    async def run_if_allowed(
        self, client: AuthorityClient, number: int, escalation_id: str, ran: dict[str, int]
    ) -> None:
        """Enter the tool if the authority says so; the one that is not let in raises a question of its own."""
        try:
            if (await self.check(client, number)).decision == "allow":
                ran[escalation_id] += 1
        except AuthorityError:
            pass

    async def find_sessions(self) -> dict[str, str]:
        """Return the numbers of the sessions' calls by the ids of their escalations."""
        async with self.client() as client:
            return await self.sessions.escalations(client)

    async def records(self, ids: list[str]) -> dict[str, Any]:
        """Return how each question stands in the end."""
        async with self.client() as client:
            found = [await client.lookup_prompt(escalation_id=one) for one in ids]
        return {one: [record.status, record.resolved_by] for one, record in zip(ids, found, strict=True)}

    def fork_until(self, name: str, work: Callable[[Callable[[], object]], Awaitable[Any]]) -> int:
        """Run something in a process of its own, and go on once it says so."""
        reading, writing = os.pipe()
        child = self.fork(name, lambda: work(lambda: os.write(writing, b"now\n")))
        os.close(writing)
        with os.fdopen(reading) as pipe:
            assert pipe.readline(), f"{name} ended before it began"
        return child

    def run(self) -> dict[str, Any]:
        """Run the race."""
        authority = self.start_authority()
        anyio.run(self.prepare)
        children = [self.fork_until("sessions", lambda waiting: self.sessions.run(self.folder, waiting))]
        numbers = anyio.run(self.find_sessions)
        began = time.monotonic()
        if "dora" in PEOPLE:
            # A browser takes seconds to start: the race would be over.
            children.append(self.fork_until("dora", lambda begun: self.answer_in_browser("dora", begun)))
        children += [
            self.fork("ada", lambda: self.answer_in_inbox("ada")),
            self.fork("bob", lambda: self.answer_in_inbox("bob")),
            self.fork("carol", lambda: self.answer_by_posting("carol")),
            self.fork("ran", self.wait_and_run),
        ]
        for child in children:
            os.waitpid(child, 0)
        seconds = time.monotonic() - began
        told = {name: self.read(name) for name in PEOPLE}
        sessions = {one: self.read("sessions")[number] for one, number in numbers.items()}
        ran = self.read("ran") | {one: session["ran"] for one, session in sessions.items()}
        raised = {one["id"] for answers in told.values() for one in answers}
        records = anyio.run(self.records, sorted(raised | set(ran)))
        kill(authority)
        os.waitpid(authority, 0)
        return {"told": told, "ran": ran, "sessions": sessions, "records": records, "seconds": seconds}

    def read(self, name: str) -> Any:
        """Return what a process has left."""
        return json.loads((self.folder / f"{name}.json").read_text())


if __name__ == "__main__":
    print(json.dumps(Race(Path(sys.argv[1]), int(sys.argv[2])).run()))
