"""An authority on paper for what a real one does too seldom, a real one for the rest, and a clock that tests turn."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from allowly_authority import AuthorityClient, embedded_authority
from allowly_authority.binding import bound_resource, canonical_json
from allowly_authority.errors import AuthorityUnavailable, Conflict, NotAllowed, PromptGone, PromptUnknown
from allowly_authority.waiting import PromptEvent
from allowly_authority.wire.inbox_replies import PromptItem
from allowly_authority.wire.operator_replies import HolderReply
from allowly_authority.wire.replies import EscalationReply, PromptDescription
from allowly_harness.display.clock import Clock
from allowly_harness.inbox import AuthorityInbox
from allowly_harness.inbox.holder import holder_of

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MAIL = {"to": "ada@example.com", "subject": "Lunch?", "body": "At noon, as usual."}


class Hands:
    """The hands of the clock, in seconds after noon; keys are pressed when they say."""

    def __init__(self) -> None:
        self.passed = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: NOON + timedelta(seconds=self.passed), lambda: self.passed)


class Item(PromptItem):
    has_call: bool = False
    note: str | None = None
    approvals: int = 0
    approvals_needed: int = 1
    approved_by: list[str] = []  # noqa: RUF012 - pydantic copies it


class Described(PromptDescription):
    note: str | None = None
    approvals: int = 0
    approvals_needed: int = 1


class Resolved(EscalationReply):
    status: str  # type: ignore[assignment]
    approvals: int = 0
    approvals_needed: int = 1


@dataclass(frozen=True)
class Given:
    tool: str
    canonical: str
    server: str


@dataclass
class Prompt:
    """A question on paper."""

    item: Item
    given: Given | None
    votes: list[str] = field(default_factory=list)


class PaperAuthority:
    """Keeps questions as the real one does, and breaks where a test says so.

    Attributes:
        posted: Every answer that reached it: id, resolution, by whom, note.
        faults: What happens to the next requests of each name: "before" and "after" lose the reply, "refuse"
            says 403, "beaten" lets somebody give the same answer first; taken one by one.
        ahead: How far its clock is ahead of the approver's.
    """

    def __init__(self, clock: Clock, *, roles: tuple[str, ...] = ("approver",), addresses=("compliance",)) -> None:
        self.clock = clock
        self.me = "ada"
        self.roles, self.addresses = roles, addresses
        self.prompts: dict[str, Prompt] = {}
        self.posted: list[tuple[str, str, str, str | None]] = []
        self.faults: dict[str, list[str]] = {}
        self.streams: list[asyncio.Queue[PromptEvent]] = []
        self.number = 0
        self.silent = False
        self.ahead = timedelta()

    # What a test does.

    def ask(self, tool="send_email", arguments=MAIL, **more: Any) -> str:
        """Raise a question, and return its id."""
        self.number += 1
        canonical = canonical_json(arguments)
        seconds = more.pop("seconds", 3600)
        give = more.pop("give", True)
        server = more.pop("server", "mail")
        resource = more.pop("resource", bound_resource(tool, canonical))
        confirm = more.get("kind") == "confirm"
        now = self.now
        named = {"confirmation_id" if confirm else "escalation_id": f"esc_{self.number}"}
        fields = {
            "kind": "escalate",
            "authorization_id": "az_1",
            "user_id": "user_1",
            "agent_id": "mail-bot",
            "scope": f"mail:{tool}",
            "resource": resource,
            "status": "pending",
            "created_at": now,
            "expires_at": now + timedelta(seconds=seconds),
            "escalation_to": None if confirm else "compliance",
            "has_call": give,
        }
        item = Item(**(named | fields | more))
        given = Given(tool, canonical, server) if give else None
        self.prompts[item.prompt_id] = Prompt(item, given)
        self.tell("created", item)
        return item.prompt_id

    def settle(self, prompt_id: str, status: str, by: str | None = None, note: str | None = None) -> None:
        """Let somebody else end a question."""
        prompt = self.prompts[prompt_id]
        more = {"status": status, "resolved_by": by, "resolved_at": self.clock.now(), "note": note}
        prompt.item = prompt.item.model_copy(update=more)
        self.tell({"approved": "resolved", "rejected": "resolved"}.get(status, status), prompt.item)

    def vote(self, prompt_id: str, by: str) -> None:
        prompt = self.prompts[prompt_id]
        prompt.votes.append(by)
        votes = {"approvals": len(prompt.votes), "approved_by": list(prompt.votes)}
        prompt.item = prompt.item.model_copy(update=votes)
        self.tell("voted", prompt.item)

    def hand_in(self, prompt_id: str, arguments=MAIL) -> None:
        prompt = self.prompts[prompt_id]
        prompt.given = Given("send_email", canonical_json(arguments), "mail")
        prompt.item = prompt.item.model_copy(update={"has_call": True})
        self.tell("call_given", prompt.item)

    @property
    def now(self) -> datetime:
        return self.clock.now() + self.ahead

    def tell(self, name: str, item: Item) -> None:
        if not self.silent:
            for stream in self.streams:
                stream.put_nowait(PromptEvent(name, (item,)))  # type: ignore[arg-type]

    def lose(self, problem: str = "The authority ended the connection.") -> None:
        failure = AuthorityUnavailable(problem, kind="closed", sent=True)
        for stream in self.streams:
            stream.put_nowait(PromptEvent("lost", failure=failure))

    # What a client asks.

    async def holder(self) -> HolderReply:
        return HolderReply(principal_id=self.me, roles=list(self.roles), addresses=list(self.addresses))

    async def watch_prompts(self, *, addressee=None, last_event_id=None):
        stream: asyncio.Queue[PromptEvent] = asyncio.Queue()
        self.streams.append(stream)
        try:
            yield PromptEvent("snapshot", tuple(self.waiting()), 1, has_more=False, now=self.now)
            while True:
                yield await stream.get()
        finally:
            self.streams.remove(stream)

    def waiting(self) -> list[Item]:
        return [one.item for one in self.prompts.values() if one.item.status == "pending"]

    async def lookup_prompt(self, *, escalation_id: str) -> Described:
        await self._fault("lookup")
        if escalation_id not in self.prompts:
            raise PromptUnknown("unknown")
        item = self.prompts[escalation_id].item
        names = ("kind", "authorization_id", "scope", "resource", "status", "expires_at", "escalation_to")
        more = ("resolved_by", "note", "approvals", "approvals_needed")
        return Described(now=self.now, **{name: getattr(item, name) for name in (*names, *more)})

    async def call_behind(self, prompt_id: str) -> Given | None:
        await self._fault("call")
        return self.prompts[prompt_id].given

    async def resolve_escalation(self, escalation_id: str, *, resolution: str, resolved_by=None, note=None) -> Resolved:
        fault = self._next_fault("resolve")
        if fault == "before":
            raise AuthorityUnavailable("lost", kind="closed", sent=True)
        if fault == "refuse":
            raise NotAllowed("no")
        if fault == "unsent":
            raise AuthorityUnavailable("The authority cannot be reached.", kind="connect", sent=False)
        if fault == "beaten":
            self.settle(escalation_id, resolution, "bob")
        reply = self._resolved(escalation_id, resolution, resolved_by or self.me, note)
        if fault == "after":
            raise AuthorityUnavailable("lost", kind="closed", sent=True)
        return reply

    def _resolved(self, prompt_id: str, resolution: str, by: str, note: str | None) -> Resolved:
        prompt = self.prompts[prompt_id]
        if prompt.item.status == "pending":
            self.posted.append((prompt_id, resolution, by, note))
            if resolution == "approved" and by not in prompt.votes:
                self.vote(prompt_id, by) if prompt.item.approvals_needed > 1 else prompt.votes.append(by)
            if resolution == "approved" and len(prompt.votes) < prompt.item.approvals_needed:
                needed = prompt.item.approvals_needed
                return Resolved(
                    escalation_id=prompt_id, status="pending", approvals=len(prompt.votes), approvals_needed=needed
                )
            self.settle(prompt_id, resolution, by, note)
        elif prompt.item.status not in ("approved", "rejected", "consumed"):
            raise PromptGone("gone")
        elif (prompt.item.status == "rejected") is (resolution == "approved"):
            raise Conflict("otherwise")
        return Resolved(
            escalation_id=prompt_id, status=resolution, resolved_by=self.prompts[prompt_id].item.resolved_by
        )

    async def pending(self, *, status: str, **_: Any):
        found = [one.item for one in self.prompts.values() if one.item.status == status]
        return type("Page", (), {"items": found, "next_cursor": None})

    async def _fault(self, name: str) -> None:
        if self._next_fault(name):
            raise AuthorityUnavailable("The authority cannot be reached.", kind="connect", sent=False)

    def _next_fault(self, name: str) -> str:
        faults = self.faults.get(name)
        return faults.pop(0) if faults else ""


@pytest.fixture
def make_paper():
    return PaperAuthority


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def paper(hands) -> PaperAuthority:
    return PaperAuthority(hands.clock())


@pytest.fixture
def opened(paper, hands) -> Callable[..., Any]:
    """Open an inbox on the authority on paper: `async with opened() as inbox`."""

    @asynccontextmanager
    async def open_one(authority: Any = None, **options: Any) -> AsyncIterator[AuthorityInbox]:
        async with AuthorityInbox.open(authority or paper, clock=hands.clock(), **options) as inbox:
            inbox._answering.sleep = lambda _: anyio.lowlevel.checkpoint()
            with anyio.fail_after(20):
                await inbox.until(lambda one: one.complete)
            yield inbox

    return open_one


@pytest.fixture
def holder():
    return holder_of(HolderReply(principal_id="ada", roles=["approver"], addresses=["compliance"]), None)


class Office:
    """A real authority: who has which key, and calls that compliance must approve."""

    def __init__(self, base_url: str, key: str, owner: AuthorityClient) -> None:
        self.base_url, self.key, self.owner = base_url, key, owner

    async def key_for(self, name: str, *roles: str, addresses: tuple[str, ...] = ("compliance",)) -> str:
        made = await self.owner.create_key(
            principal_id=name, roles=list(roles or ["approver"]), addresses=list(addresses)
        )
        return made.key

    async def escalate(self, tool: str = "pay", arguments: dict | None = None, **rules: Any) -> str:
        """Raise an escalation, and return its id."""
        authorization = await self.owner.create_authorization(
            user_id="user_1",
            agent_id="shop-bot",
            scopes=["pay"],
            expires_at=datetime.now(UTC) + timedelta(days=1),
            requires_escalation_for=["pay"],
            escalation_targets={"pay": "compliance"},
            **rules,
        )
        canonical = canonical_json(arguments or {"amount": 100})
        reply = await self.owner.check(
            authorization_id=authorization.authorization_id, scopes=["pay"], resource=bound_resource(tool, canonical)
        )
        escalation_id = reply.results["pay"].escalation_id
        assert escalation_id is not None
        await self.owner.show_call(escalation_id=escalation_id, tool=tool, arguments=canonical, server="shop")
        return escalation_id

    def client(self, key: str) -> AuthorityClient:
        return AuthorityClient(base_url=self.base_url, api_key=key, timeout_seconds=10)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with (
        embedded_authority(db=tmp_path / "authority.db") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as owner,
    ):
        yield Office(running.base_url, running.api_key, owner)


SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE_VARIABLE = "UPDATE_SNAPSHOTS"


def _without_times(text: str) -> str:
    """Leave the digits of times out: a countdown goes on while a screen is drawn."""
    return re.sub(r"\d{1,2}(:\d\d)+", lambda found: re.sub(r"\d", "0", found[0]), text)


@pytest.fixture
def snapshot() -> Callable[[str, str], None]:
    """Compare a screen's text with `snapshots/NAME.txt`; with `UPDATE_SNAPSHOTS=1` the file is written instead."""

    def compare(name: str, text: str) -> None:
        path = SNAPSHOTS / f"{name}.txt"
        drawn = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
        if os.environ.get(UPDATE_VARIABLE):
            path.parent.mkdir(exist_ok=True)
            path.write_text(drawn, encoding="utf-8")
            return
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
        if _without_times(drawn) != _without_times(kept):
            lines = difflib.unified_diff(
                kept.splitlines(), drawn.splitlines(), f"kept {path.name}", "drawn now", lineterm=""
            )
            pytest.fail(f"{UPDATE_VARIABLE}=1 accepts this:\n" + "\n".join(lines), pytrace=False)

    return compare
