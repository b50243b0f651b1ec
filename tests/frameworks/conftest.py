"""What every agent framework is tested on: a guarded mail server, a real authority, a scripted person, and checks.

A framework's test file says how to run it, and takes the list:

    async def run(office, turns, **approvals) -> tuple[list[str], str]: ...

    async def test_what_holds_for_every_framework(check, office) -> None:
        await check(office, run)

`run` opens the server (`office.url`, or `office.command` with `office.env` where that is None) with the
framework's own means and with the approvals, has its model make the calls of each turn and then stop, and
returns what the model read: the text of each tool's reply, in the order of the calls, and everything that
the model was given, serialised. It turns the framework's own retries on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import anyio
import pytest
import uvicorn

from allowly_authority import AuthorityClient, embedded_authority
from allowly_authority.web.listening import bind, url_of
from allowly_demos import mail
from allowly_demos.mailstore import Mail, MailStore
from allowly_demos.prepare import prepare
from allowly_demos.settings import load
from allowly_harness import Answer, ApprovalRequest

SECONDS: Final = 60

ToolCall: TypeAlias = tuple[str, dict[str, Any]]
Run: TypeAlias = Callable[..., Awaitable[tuple[list[str], str]]]
Check: TypeAlias = Callable[["Office", Run], Awaitable[None]]


class Person:
    """Answers from a list, and notes how many questions were open at a time.

    Attributes:
        questions: Every question, in order.
        most_open: How many were open at once, at most.
        withdrawn: How many questions were taken back while they were open.
        asked: Set with the first question.
    """

    def __init__(self, *answers: Answer | Callable[[ApprovalRequest], Answer]) -> None:
        self._answers = list(answers)
        self._open = 0
        self.questions: list[ApprovalRequest] = []
        self.most_open = 0
        self.withdrawn = 0
        self.asked = anyio.Event()

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.questions.append(request)
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        self.asked.set()
        try:
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            if not self._answers:
                await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            self.withdrawn += 1
            raise
        finally:
            self._open -= 1
        answer = self._answers.pop(0)
        return answer(request) if callable(answer) else answer


class RememberingAuthority(AuthorityClient):
    """Knows every nonce and escalation id, so that a test can look for it where it must not be."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.nonces: list[str] = []
        self.escalations: list[str] = []

    async def lookup_prompt(self, *, nonce: str | None = None, escalation_id: str | None = None) -> Any:
        if nonce is not None and nonce not in self.nonces:
            self.nonces.append(nonce)
        if escalation_id is not None and escalation_id not in self.escalations:
            self.escalations.append(escalation_id)
        return await super().lookup_prompt(nonce=nonce, escalation_id=escalation_id)


class Losing:
    """An application in front of a server that loses one of the calls to tools, or the reply to it.

    Args:
        app: The server.
        at: Which call, from 0.
        reply: What comes instead of the reply: "500", after the call has run, or "silence", without running it.
    """

    def __init__(self, app: Any, *, at: int, reply: str) -> None:
        self._app = app
        self._at = at
        self._reply = reply
        self._calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        first = await receive()
        messages = [first]
        if b'"tools/call"' in first["body"]:
            self._calls += 1
            if self._calls == self._at + 1:
                await self._lose(scope, messages, receive, send)
                return
        await self._app(scope, self._replaying(messages, receive), send)

    async def _lose(self, scope: Any, messages: Any, receive: Any, send: Any) -> None:
        if self._reply == "silence":
            while (await receive())["type"] != "http.disconnect":
                pass
            return

        async def nowhere(message: Any) -> None:
            return None

        await self._app(scope, self._replaying(messages, receive), nowhere)
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    @staticmethod
    def _replaying(messages: Any, receive: Any) -> Any:
        async def again() -> Any:
            return messages.pop(0) if messages else await receive()

        return again


@dataclass
class Office:
    """The server's side of a test, which is `demo:mail`.

    Its tools: `read_mail` is allowed, `send_email` wants a yes, `delete_mailbox` wants somebody else's,
    `forward_all` is denied by the policy.

    Attributes:
        url: Where the server is, over streamable HTTP; `None` where it is to be started over stdio.
        command: The program and arguments that start it over stdio.
        env: What it needs in its environment then.
    """

    authority: RememberingAuthority
    api_key: str
    store: MailStore
    url: str | None
    env: dict[str, str]
    command: Sequence[str] = field(default=(sys.executable, "-m", "allowly_demos.mail"))

    @property
    def delivered(self) -> list[Mail]:
        """Every message in every mailbox: one for each time that a tool sent one."""
        return [found for address in self.store.addresses() for found in self.store.read(address)]

    @property
    def recipients(self) -> list[str]:
        return [found.to for found in self.delivered]

    def leaked(self, seen: str) -> list[str]:
        """Return the secrets of the approvals that a text holds."""
        secrets = [*self.authority.nonces, *self.authority.escalations, self.api_key]
        return [secret for secret in secrets if secret in seen]

    def approvals(self, person: Person | None) -> dict[str, Any]:
        return {"authority": self.authority, **({} if person is None else {"approver": person})}


def letter(to: str, subject: str = "Hello") -> ToolCall:
    return "send_email", {"to": f"{to}@example.com", "subject": subject, "body": f"Dear {to}"}


async def an_approved_call_runs_once_and_the_model_reads_the_tools_own_words(office: Office, run: Run) -> None:
    """G1, G2, G4, G7."""
    person = Person(Answer.approve())

    replies, seen = await run(office, [[letter("ada")]], **office.approvals(person))

    assert len(replies) == 1
    assert "delivered <" in replies[0]
    assert office.delivered == [Mail("ada@example.com", "Hello", "Dear ada")]
    assert [question.call.payload() for question in person.questions] == [letter("ada")[1]]
    assert "delivered <" in seen
    assert office.leaked(seen) == []


async def a_denied_call_never_runs_and_is_not_retried(office: Office, run: Run) -> None:
    """G5, G7."""
    person = Person(Answer.deny("we do not write to strangers"), *[Answer.approve()] * 5)

    replies, seen = await run(office, [[letter("ada")]], **office.approvals(person))

    assert len(replies) == 1
    assert "The tool did not run" in replies[0]
    assert "we do not write to strangers" in replies[0]
    assert len(person.questions) == 1
    assert office.delivered == []
    assert office.leaked(seen) == []


async def parallel_calls_are_asked_one_by_one_and_each_gets_its_own_answer(office: Office, run: Run) -> None:
    def only_not_bob(request: ApprovalRequest) -> Answer:
        return Answer.deny("not to bob") if "bob" in request.call.canonical else Answer.approve()

    person = Person(*[only_not_bob] * 4)
    turn = [letter("ada"), letter("bob"), letter("cyd"), ("read_mail", {"address": "ada@example.com"})]

    replies, seen = await run(office, [turn], **office.approvals(person))

    assert (person.most_open, len(person.questions)) == (1, 3)
    assert ["not to bob" in reply for reply in replies] == [False, True, False, False]
    assert ["delivered <" in reply for reply in replies] == [True, False, True, False]
    assert sorted(office.recipients) == ["ada@example.com", "cyd@example.com"]
    assert office.leaked(seen) == []


async def an_edited_call_runs_once_as_edited_and_the_model_is_told(office: Office, run: Run) -> None:
    """G2."""
    person = Person(Answer.edit(letter("bob", "Good morning")[1]), Answer.approve())

    replies, seen = await run(office, [[letter("ada")]], **office.approvals(person))

    assert office.delivered == [Mail("bob@example.com", "Good morning", "Dear bob")]
    assert "A person changed the arguments" in replies[0]
    assert "bob@example.com" in replies[0]
    assert office.leaked(seen) == []


async def a_call_that_needs_no_approval_is_not_asked_about(office: Office, run: Run) -> None:
    office.store.deliver("ada@example.com", "Before", "It was there already.")
    person = Person()

    replies, _ = await run(office, [[("read_mail", {"address": "ada@example.com"})]], **office.approvals(person))

    assert "It was there already." in replies[0]
    assert person.questions == []


async def a_cancelled_run_withdraws_its_question(office: Office, run: Run) -> None:
    person = Person()
    task = asyncio.ensure_future(run(office, [[letter("ada")]], **office.approvals(person)))

    asked = asyncio.ensure_future(person.asked.wait())
    await asyncio.wait({asked, task}, return_when=asyncio.FIRST_COMPLETED)
    assert asked.done(), f"the run ended without a question: {task!r}"
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert task.cancelled()
    assert person.withdrawn == 1
    assert office.delivered == []
    assert await _status(office) != "pending"


async def with_nobody_there_the_model_is_told_so(office: Office, run: Run) -> None:
    """G1."""
    replies, seen = await run(office, [[letter("ada")]], **office.approvals(None))

    assert "nobody was there to ask" in replies[0]
    assert office.delivered == []
    assert office.leaked(seen) == []


async def the_model_goes_on_after_a_no_and_may_ask_for_something_else(office: Office, run: Run) -> None:
    person = Person(Answer.deny("not to ada"), Answer.approve())

    replies, seen = await run(office, [[letter("ada")], [letter("bob")]], **office.approvals(person))

    assert "not to ada" in replies[0]
    assert "delivered <" in replies[1]
    assert office.recipients == ["bob@example.com"]
    assert office.leaked(seen) == []


async def what_the_policy_denies_is_told_and_nobody_is_asked(office: Office, run: Run) -> None:
    """G5."""
    person = Person()
    forward = ("forward_all", {"source": "ada@example.com", "target": "bob@example.com"})

    replies, _ = await run(office, [[forward]], **office.approvals(person))

    assert "the policy does not allow this call" in replies[0]
    assert person.questions == []


async def an_escalation_that_is_left_open_is_told_without_its_id(office: Office, run: Run) -> None:
    """G7."""
    office.store.deliver("ada@example.com", "Kept", "Nobody deleted it.")
    person, turn = Person(Answer.defer()), [("delete_mailbox", {"address": "ada@example.com"})]

    replies, seen = await run(office, [turn], **office.approvals(person))

    assert "The tool has not run yet" in replies[0]
    assert len(office.authority.escalations) == 1
    assert office.leaked(seen) == []
    assert office.recipients == ["ada@example.com"]


CHECKS: Final[dict[str, Check]] = {
    f"{transport}: {check.__name__.replace('_', ' ')}": check
    for transport, checks in {
        "http": [
            an_approved_call_runs_once_and_the_model_reads_the_tools_own_words,
            a_denied_call_never_runs_and_is_not_retried,
            parallel_calls_are_asked_one_by_one_and_each_gets_its_own_answer,
            an_edited_call_runs_once_as_edited_and_the_model_is_told,
            a_call_that_needs_no_approval_is_not_asked_about,
            a_cancelled_run_withdraws_its_question,
            with_nobody_there_the_model_is_told_so,
            the_model_goes_on_after_a_no_and_may_ask_for_something_else,
            what_the_policy_denies_is_told_and_nobody_is_asked,
            an_escalation_that_is_left_open_is_told_without_its_id,
        ],
        "stdio": [
            an_approved_call_runs_once_and_the_model_reads_the_tools_own_words,
            a_denied_call_never_runs_and_is_not_retried,
            a_cancelled_run_withdraws_its_question,
        ],
    }.items()
    for check in checks
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "check" in metafunc.fixturenames:
        metafunc.parametrize("check", CHECKS, indirect=True)


@pytest.fixture
def check(request: pytest.FixtureRequest) -> Check:
    """One thing that holds for every framework, within a limit."""
    inner = CHECKS[request.param]

    async def limited(office: Office, run: Run) -> None:
        with anyio.fail_after(SECONDS):
            await inner(office, run)

    return limited


@pytest.fixture
async def office(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Office]:
    """The office over HTTP; over stdio for the checks that say so, or with `office` parametrised to "stdio"."""
    params = getattr(getattr(request.node, "callspec", None), "params", {})
    transport = getattr(request, "param", None) or str(params.get("check", "http")).partition(":")[0]
    async with (
        embedded_authority(db=tmp_path / "authority.db") as running,
        RememberingAuthority(base_url=running.base_url, api_key=running.api_key) as authority,
    ):
        root = tmp_path / "mail"
        env = await prepare(authority, base_url=running.base_url, api_key=running.api_key, root=root)
        made = Office(authority, running.api_key, MailStore(root), None, env)
        if transport == "stdio":
            yield made
            return
        async with _served(mail.build(load(env)).streamable_http_app()) as made.url:
            yield made


@pytest.fixture
def person() -> type[Person]:
    """Who is asked; made with the answers. Without an answer left, a question stays open."""
    return Person


@pytest.fixture
def losing() -> type[Losing]:
    """An application in front of a server that loses a call or the reply to it."""
    return Losing


@pytest.fixture
def served() -> Callable[[Any], Any]:
    """Serve an ASGI application for as long as a block lasts; yields the URL of its MCP endpoint."""
    return _served


@asynccontextmanager
async def _served(app: Any) -> AsyncIterator[str]:
    with bind("127.0.0.1", 0) as bound:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=1))
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [bound])
            yield f"{url_of(bound)}/mcp"
            server.should_exit = True


async def _status(office: Office) -> str:
    """Return what the authority says of the last confirmation."""
    with anyio.CancelScope(shield=True):
        found = await office.authority.lookup_prompt(nonce=office.authority.nonces[-1])
    return str(found.status)
