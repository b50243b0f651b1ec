"""Two agents, twenty guarded calls each, all at once, on one harness (G2, G3, G4, G5, G7, G13).

What becomes of each call is drawn from a seed, which Hypothesis prints where a run fails: `note` shows the
seed, and `schedule(seed)` is the same every time.
"""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, Final

import anyio
import anyio.lowlevel
import mcp
import pytest
import uvicorn
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from mcp import types
from mcp.shared.memory import create_client_server_memory_streams

from allowly_authority import AuthorityClient, embedded_authority
from allowly_authority.binding import bound_resource, canonical_json
from allowly_authority.web.listening import bind, url_of
from allowly_harness import Answer, ApprovalRequest, ToolCall, connect
from allowly_harness.approvers.base import Closure, Desk
from allowly_harness.connection import Era

pytestmark = pytest.mark.anyio

CALLS: Final = 20
LOOKS: Final = 6
RUN_SECONDS: Final = 90
"""Fifty-two calls and their questions on a machine that others use, too."""

SERVER = Path(__file__).parent / "many_agents_server.py"

OUTCOMES: Final = {
    "approve": "approved",
    "edit": "approved_edited",
    "deny": "denied_by_person",
    "respond": "responded",
    "defer": "deferred",
    "expire": "expired",
    "yes elsewhere": "approved",
    "no elsewhere": "denied_by_person",
}
FATES: Final = (*OUTCOMES, "cancel while asked", "cancel at any time")


@dataclass(frozen=True)
class Plan:
    """What becomes of one call.

    Attributes:
        to: Its argument, which is its own alone.
        before: How many times the loop turns before the call is made.
        thinking: How many times it turns before the person answers.
        until_cancelled: How many times it turns before a call is cancelled that is to be.
    """

    agent: int
    to: str
    fate: str
    before: int
    thinking: int
    until_cancelled: int


@dataclass(frozen=True)
class Schedule:
    plans: tuple[Plan, ...]
    one_session: bool
    many_at_once: bool


def schedule(seed: int) -> Schedule:
    drawn = Random(seed)  # noqa: S311 - a schedule is no secret
    plans = [
        Plan(
            agent,
            f"a{agent}-{number}@example.com",
            # Each fate at least once an agent; the rest by chance.
            FATES[number] if number < len(FATES) else drawn.choice(FATES),
            drawn.randint(0, 40),
            drawn.randint(0, 30),
            drawn.randint(0, 400),
        )
        for agent in range(2)
        for number in range(CALLS)
    ]
    drawn.shuffle(plans)
    return Schedule(tuple(plans), drawn.random() < 0.5, drawn.random() < 0.5)


async def turns(count: int) -> None:
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


class Remembering(AuthorityClient):
    """Knows the nonce of every question by what it is bound to."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.nonces: dict[str, list[str]] = {}

    async def lookup_prompt(self, **which: Any) -> Any:
        record = await super().lookup_prompt(**which)
        known = self.nonces.setdefault(str(record.resource), [])
        if (nonce := which.get("nonce")) and nonce not in known:
            known.append(nonce)
        return record


class Person:
    """Does what the plan of a call says, and nothing for a question that belongs to no plan."""

    handles_expiry = True

    def __init__(self, plans: tuple[Plan, ...], mine: Remembering, other: AuthorityClient, *, many: bool) -> None:
        self.handles_many = many
        self._plans = {plan.to: plan for plan in plans}
        self._mine, self._other = mine, other
        self.asked: list[ApprovalRequest] = []
        self.approved: Counter[str] = Counter()
        self.closed: list[tuple[str, Closure]] = []
        self.open = self.most_open = 0
        self.seen: dict[str, anyio.Event] = {plan.to: anyio.Event() for plan in plans}

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            return await self._answer(request)
        finally:
            self.open -= 1

    async def _answer(self, request: ApprovalRequest) -> Answer:
        to = request.call.arguments["to"]
        assert request.call.digest == ToolCall("mail", "send", {"to": to}).digest
        self.asked.append(request)
        edited = to.endswith("!")
        plan = self._plans[to.rstrip("!")]
        self.seen[plan.to].set()
        await turns(plan.thinking)
        if edited or plan.fate in ("approve", "cancel at any time"):
            self.approved[to] += 1
            return Answer.approve()
        if plan.fate.endswith("elsewhere"):
            await self._elsewhere(request, approved=plan.fate.startswith("yes"))
        answers = {
            "edit": Answer.edit({"to": f"{to}!"}),
            "deny": Answer.deny(f"not {to}"),
            "respond": Answer.respond(f"instead of {to}"),
            "defer": Answer.defer(),
            "expire": Answer.expired(),
        }
        if plan.fate not in answers:
            await anyio.sleep_forever()
        return answers[plan.fate]

    async def _elsewhere(self, request: ApprovalRequest, *, approved: bool) -> None:
        resource = bound_resource("send", canonical_json(dict(request.call.arguments)))
        nonce = self._mine.nonces[resource][-1]
        await self._other.settle_confirmation(nonce, approved=approved)
        await anyio.sleep_forever()

    def closing(self, request: ApprovalRequest, closure: Closure) -> None:
        self.closed.append((request.call.arguments["to"], closure))


class NotingDesk(Desk):
    """Notes in which order questions arrive."""

    def __init__(self, approver: Person) -> None:
        super().__init__(approver)
        self.arrived: list[ApprovalRequest] = []

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.arrived.append(request)
        return await super().ask(request)


@dataclass
class Run:
    """What happened.

    Attributes:
        results: By argument; calls that were cancelled have none.
        looks: What the calls said that need no approval.
        sent: How often the tool ran, by argument.
    """

    person: Person
    desk: NotingDesk
    authority: Remembering
    results: dict[str, types.CallToolResult] = field(default_factory=dict)
    looks: list[str] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Office:
    """Where a run takes place: an authority, a grant, and how its server is reached."""

    runs: Path
    base_url: str
    key: str
    authorization_id: str

    def build(self) -> Any:
        return _server_module().build(self.runs, self.base_url, self.authorization_id, self.key)

    @asynccontextmanager
    async def sessions(self, how: str, era: Era, count: int, **options: Any) -> AsyncGenerator[list[Any]]:
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(_served(self.build())) if how == "http" else ""
            opened = []
            for number in range(count):
                reached = {"memory": lambda: _in_memory(self.build()), "http": lambda: url, "stdio": self._command}
                given = {**options, "requester": f"agent-{number}", "name": "mail", "era": era}
                if how == "stdio":
                    log = self.runs.with_suffix(f".{number}.log")
                    given |= {"env": {"ALLOWLY_KEY": self.key}, "server_log": log}
                opened.append(await stack.enter_async_context(connect(reached[how](), **given)))
            yield opened

    def _command(self) -> list[str]:
        return [sys.executable, str(SERVER), str(self.runs), self.base_url, self.authorization_id]


def _server_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("many_agents_server", SERVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def _in_memory(server: Any) -> AsyncIterator[tuple[Any, Any]]:
    low = server._lowlevel_server
    async with create_client_server_memory_streams() as (client, there), anyio.create_task_group() as group:
        group.start_soon(lambda: low.run(*there, low.create_initialization_options()))
        yield client
        group.cancel_scope.cancel()


@asynccontextmanager
async def _served(server: Any) -> AsyncIterator[str]:
    with bind("127.0.0.1", 0) as bound:
        config = uvicorn.Config(server.streamable_http_app(), log_level="error", ws="none", timeout_graceful_shutdown=1)
        http = uvicorn.Server(config)
        async with anyio.create_task_group() as group:
            group.start_soon(http.serve, [bound])
            yield f"{url_of(bound)}/mcp"
            http.should_exit = True


@asynccontextmanager
async def office(folder: Path) -> AsyncIterator[tuple[Office, Remembering, AuthorityClient]]:
    async with embedded_authority(db=":memory:", key="key-of-the-tests-0123456789") as running:
        address = {"base_url": running.base_url, "api_key": running.api_key}
        async with Remembering(**address) as mine, AuthorityClient(**address) as other:
            grant = await mine.create_authorization(
                user_id="usr_7",
                agent_id="mail-bot",
                scopes=["send", "look"],
                expires_at=datetime.now(UTC) + timedelta(days=1),
                requires_confirm_for=["send"],
            )
            runs = folder / "runs"
            runs.write_text("")
            yield Office(runs, running.base_url, running.api_key, grant.authorization_id), mine, other


async def play(folder: Path, how: str, era: Era, its: Schedule) -> None:
    """Run a schedule and check what came of it."""
    with anyio.fail_after(RUN_SECONDS):
        async with office(folder) as (place, mine, other):
            person = Person(its.plans, mine, other, many=its.many_at_once)
            run = Run(person, NotingDesk(person), mine)
            count = 1 if its.one_session else 2
            async with place.sessions(how, era, count, approver=run.desk, authority=mine) as sessions:
                await _all_at_once(run, its, sessions)
                run.sent.update(place.runs.read_text().split())
                check(run, its)
                await _check_authority(run, its)


async def _all_at_once(run: Run, its: Schedule, sessions: list[Any]) -> None:
    async with anyio.create_task_group() as group:
        for plan in its.plans:
            group.start_soon(_one_call, run, plan, sessions[plan.agent % len(sessions)])
        for number in range(LOOKS * 2):
            group.start_soon(_look, run, number, sessions[number % len(sessions)])


async def _one_call(run: Run, plan: Plan, session: Any) -> None:
    await turns(plan.before)
    async with anyio.create_task_group() as group:
        if plan.fate == "cancel while asked":
            group.start_soon(_cancel_once_asked, run, plan, group.cancel_scope)
        elif plan.fate == "cancel at any time":
            group.start_soon(_cancel_after_turns, plan, group.cancel_scope)
        run.results[plan.to] = await session.call_tool("send", {"to": plan.to})
        group.cancel_scope.cancel()


async def _cancel_once_asked(run: Run, plan: Plan, scope: anyio.CancelScope) -> None:
    await run.person.seen[plan.to].wait()
    await turns(plan.until_cancelled % 50)
    scope.cancel()


async def _cancel_after_turns(plan: Plan, scope: anyio.CancelScope) -> None:
    await turns(plan.until_cancelled)
    scope.cancel()


async def _look(run: Run, number: int, session: Any) -> None:
    await turns(number * 7)
    result = await session.call_tool("look", {"at": str(number)})
    run.looks.append(result.content[0].text)


async def _check_authority(run: Run, its: Schedule) -> None:
    """Every answer reached its own question: the record of each is found by the digest of its call."""
    statuses = {"approve": "consumed", "deny": "rejected", "edit": "rejected", "respond": "rejected"}
    statuses |= {"yes elsewhere": "consumed", "no elsewhere": "rejected", "cancel while asked": "rejected"}
    statuses |= {"defer": "pending", "expire": "pending"}
    for plan in its.plans:
        if plan.fate in statuses:
            resource = bound_resource("send", canonical_json({"to": plan.to}))
            (nonce,) = run.authority.nonces[resource]
            record = await run.authority.lookup_prompt(nonce=nonce)
            assert record.status == statuses[plan.fate], plan


def check(run: Run, its: Schedule) -> None:
    for plan in its.plans:
        _check_call(run, plan)
    assert sorted(run.looks) == sorted(f"looked at {number}" for number in range(LOOKS * 2))
    assert set(run.sent) <= {plan.to + end for plan in its.plans for end in ("", "!")}
    _check_desk(run, its)
    nonces = [nonce for known in run.authority.nonces.values() for nonce in known]
    assert not [nonce for nonce in nonces if nonce in repr(run.results)]


def _check_call(run: Run, plan: Plan) -> None:
    result, sent = run.results.get(plan.to), run.sent[plan.to]
    if plan.fate in OUTCOMES:
        assert result is not None
        meta = result.meta["allowly-harness/approval"]
        assert meta["outcome"] == OUTCOMES[plan.fate], (plan, result)
        runs = {"approve": (1, 0), "yes elsewhere": (1, 0), "edit": (0, 1)}.get(plan.fate, (0, 0))
        assert (sent, run.sent[f"{plan.to}!"]) == runs, plan
        if plan.fate in ("deny", "respond"):
            assert plan.to in result.content[0].text
    elif plan.fate == "cancel while asked":
        assert result is None
        assert sent == 0
    else:
        # Cancelled at any time: it may have run where it was approved, and never otherwise.
        assert sent <= run.person.approved[plan.to] <= 1
        assert result is None or (result.meta["allowly-harness/approval"]["outcome"], sent) == ("approved", 1)


def _check_desk(run: Run, its: Schedule) -> None:
    person, desk = run.person, run.desk
    assert (person.open, desk.waiting, desk._asking, desk._shown) == (0, 0, 0, set())
    asked = [id(request) for request in person.asked]
    assert len(asked) == len(set(asked))
    order = [id(request) for request in desk.arrived if id(request) in set(asked)]
    assert asked == order
    if not its.many_at_once:
        assert person.most_open == 1
    elsewhere = {plan.to: plan.fate.startswith("yes") for plan in its.plans if plan.fate.endswith("elsewhere")}
    assert {to: closure.approved for to, closure in person.closed if closure.kind == "answered"} == elsewhere


@pytest.fixture(autouse=True)
def looks_that_come_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty watched questions, so not as often as possible."""
    monkeypatch.setattr("allowly_harness.performing.watching.FIRST_LOOK_SECONDS", 0.05)
    monkeypatch.setattr("allowly_harness.performing.watching.LONGEST_LOOK_SECONDS", 0.1)


def seeds(examples: int) -> Callable[[Any], Any]:
    def decorate(test: Any) -> Any:
        phases = (Phase.explicit, Phase.reuse, Phase.generate)  # a smaller seed is no simpler run
        checked = settings(
            max_examples=examples,
            deadline=None,
            phases=phases,
            suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        )
        return given(seed=st.integers(0, 2**32 - 1))(checked(test))

    return decorate


async def held(folder: Path, how: str, era: Era, seed: int) -> None:
    its = schedule(seed)
    note(f"schedule({seed}): one session: {its.one_session}, many questions at once: {its.many_at_once}")
    await play(folder, how, era, its)


@seeds(4)
async def test_everything_holds_in_memory(tmp_path: Path, era: Era, seed: int) -> None:
    await held(tmp_path, "memory", era, seed)


@seeds(2)
async def test_everything_holds_over_http(tmp_path: Path, era: Era, seed: int) -> None:
    await held(tmp_path, "http", era, seed)


@seeds(2)
async def test_everything_holds_over_stdio(tmp_path: Path, era: Era, seed: int) -> None:
    await held(tmp_path, "stdio", era, seed)


async def test_a_group_of_sessions_asks_through_each_of_them(tmp_path: Path, era: Era) -> None:
    """`ClientSessionGroup` calls the tools of the sessions that it was given."""
    its = Schedule(
        tuple(Plan(0, f"{fate}@example.com", fate, 0, 0, 0) for fate in ("approve", "deny")),
        one_session=True,
        many_at_once=False,
    )
    async with office(tmp_path) as (place, mine, other):
        person = Person(its.plans, mine, other, many=False)
        async with (
            place.sessions("memory", era, 1, approver=person, authority=mine) as (session,),
            mcp.ClientSessionGroup() as group,
        ):
            info = types.Implementation(name="mail", version="1")
            assert await group.connect_with_session(info, session) is session
            results = {plan.fate: await group.call_tool("send", {"to": plan.to}) for plan in its.plans}
            looked = await group.call_tool("look", {"at": "it"})

        sent = place.runs.read_text().split()

    assert not results["approve"].is_error
    assert "not deny@example.com" in results["deny"].content[0].text
    assert looked.content[0].text == "looked at it"
    assert sent == ["approve@example.com"]
