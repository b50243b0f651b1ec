"""What a server asks this program for while a tool runs, in both eras of the protocol."""

import logging
from typing import Any

import anyio
import pytest
from mcp import MCPError, types

from allowly_harness import Answer, ApprovalRequest
from allowly_harness.approvers.base import Closure
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.session.inputs import MAX_MESSAGE_CHARACTERS, MAX_UNUSABLE_REPLIES

pytestmark = pytest.mark.anyio

BILL = {"to": "ada", "amount": 5}
SCHEMA = {"type": "object", "properties": {"account": {"type": "string"}}, "required": ["account"]}
JOINT = ElicitationReply.accept({"account": "joint"})


class Person:
    """Approves everything, and answers what servers ask for from a list."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.asked: list[ElicitationRequest] = []
        self.questions: list[ApprovalRequest] = []

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.questions.append(request)
        return Answer.approve()

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        self.asked.append(request)
        reply = self.replies.pop(0)
        return await reply() if callable(reply) else reply


def form(message: str = "Which account?", schema: dict[str, Any] = SCHEMA) -> types.ElicitRequest:
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def page(url: str) -> types.ElicitRequest:
    return types.ElicitRequest(params=types.ElicitRequestURLParams(message="Sign in", url=url, elicitation_id="e1"))


SAMPLING = types.CreateMessageRequest(
    params=types.CreateMessageRequestParams(
        messages=[types.SamplingMessage(role="user", content=types.TextContent(type="text", text="hi"))], max_tokens=9
    )
)
ROOTS = types.ListRootsRequest()


def needing(request: Any, state: str | None = "sealed") -> types.InputRequiredResult:
    return types.InputRequiredResult(input_requests={"it": request}, request_state=state)


class Ask:
    """Has a tool ask for something, in the way of the era; keeps what came back."""

    def __init__(self, guarded: Any, era: str) -> None:
        self.guarded = guarded
        self.modern = era == "modern"
        self.got: list[Any] = []

    def for_(self, *requests: Any) -> None:
        if self.modern:
            self.guarded.needs += [needing(request) for request in requests]
            return

        async def ask(session: Any, request_id: Any) -> None:
            for request in requests:
                result_type: Any = types.ElicitResult if isinstance(request, types.ElicitRequest) else types.EmptyResult
                try:
                    got = await session.send_request(request, result_type)
                except MCPError as error:
                    got = error
                self.got.append(got)

        self.guarded.with_session = ask

    @property
    def answers(self) -> list[Any]:
        """What the server got for each request, in order."""
        if self.modern:
            return [responses["it"] for responses, _ in self.guarded.legs if responses]
        return self.got


@pytest.fixture
def asks(guarded: Any, era: str) -> Ask:
    return Ask(guarded, era)


async def test_the_person_fills_in_the_form_that_a_tool_asks_for(open_session, asks, guarded) -> None:
    asks.for_(form())
    person = Person(JOINT)

    async with open_session(approver=person) as session:
        result = await session.call_tool("look", BILL)

    assert result.content[0].text == "look done"
    assert guarded.runs == [BILL]
    assert [(a.action, a.content) for a in asks.answers] == [("accept", {"account": "joint"})]
    (request,) = person.asked
    assert (request.server.name, request.message, request.mode, dict(request.schema)) == (
        "bank",
        "Which account?",
        "form",
        SCHEMA,
    )


@pytest.mark.parametrize("reply", [ElicitationReply.decline(), ElicitationReply.cancel()])
async def test_a_refusal_carries_no_values(open_session, asks, reply) -> None:
    asks.for_(form())

    async with open_session(approver=Person(ElicitationReply(reply.action, {"account": "joint"}))) as session:
        await session.call_tool("look")

    assert [(a.action, a.content) for a in asks.answers] == [(reply.action, None)]


async def test_a_visit_to_a_page_is_agreed_to_without_values(open_session, asks) -> None:
    asks.for_(page("https://bank.example/sign-in?x=1"))
    person = Person(ElicitationReply.accept({"stray": "value"}))

    async with open_session(approver=person) as session:
        await session.call_tool("look")

    assert (person.asked[0].mode, person.asked[0].url) == ("url", "https://bank.example/sign-in?x=1")
    assert [(a.action, a.content) for a in asks.answers] == [("accept", None)]


HOSTILE_URLS = [
    "javascript:alert(1)",
    "file:///etc/passwd",
    "ftp://bank.example/",
    "https:///nowhere",
    "https://bank.example@evil.example/",
    "https://bänk.example/",
    "https://bank.example/\x1b[2J",
    "https://bank.example/a b",
    "https://bank.example:99999/",
    "https://evil.example\\.bank.example/",
    "https://evil.example/\\bank.example",
    "https://evil.example%2f.bank.example/",
    "https://bank.example/" + "a" * 3000,
    "",
]


@pytest.mark.parametrize("url", HOSTILE_URLS, ids=[url[:24] or "empty" for url in HOSTILE_URLS])
async def test_a_page_that_nobody_should_be_sent_to_is_declined_by_us(open_session, asks, caplog, url: str) -> None:
    asks.for_(page(url))
    person = Person()

    with caplog.at_level(logging.WARNING, "allowly_harness.session"):
        async with open_session(approver=person) as session:
            await session.call_tool("look")

    assert person.asked == []
    assert [a.action for a in asks.answers] == ["decline"]
    assert "declined an elicitation request: its URL" in caplog.text


async def test_a_form_of_absurd_size_is_declined_by_us(open_session, asks, caplog) -> None:
    """G6."""
    properties = {f"field{number}": {"type": "string", "title": "t" * 100} for number in range(1000)}
    asks.for_(form(schema={"type": "object", "properties": properties}))
    person = Person()

    async with open_session(approver=person) as session:
        await session.call_tool("look")

    assert person.asked == []
    assert [a.action for a in asks.answers] == ["decline"]
    assert "its schema has more than" in caplog.text


async def test_a_message_of_absurd_length_is_cut_and_says_so(open_session, asks) -> None:
    """G6, G8."""
    asks.for_(form(message="m" * 100_000))
    person = Person(ElicitationReply.decline())

    async with open_session(approver=person) as session:
        await session.call_tool("look")

    assert len(person.asked[0].message) < MAX_MESSAGE_CHARACTERS + 20
    assert person.asked[0].message.endswith("… (cut)")


@pytest.mark.parametrize(
    "bad",
    [{}, {"account": 7}, {"account": "x", "more": {"deep": 1}}, {"account": float("nan")}, None],
    ids=["missing", "wrong kind", "nested", "no JSON", "nothing"],
)
async def test_values_that_do_not_fit_go_back_to_the_person_and_never_to_the_server(open_session, asks, bad) -> None:
    asks.for_(form())
    person = Person(ElicitationReply.accept(bad), JOINT)

    async with open_session(approver=person) as session:
        await session.call_tool("look")

    first, again = person.asked
    assert (first.note, first.draft) == ("", None)
    assert again.note.startswith("The values cannot be sent: ")
    assert again.draft == (bad or {}) or "nan" in str(bad)
    assert [(a.action, a.content) for a in asks.answers] == [("accept", {"account": "joint"})]


async def test_values_that_never_fit_are_cancelled(open_session, asks) -> None:
    """G6."""
    asks.for_(form())
    person = Person(*[ElicitationReply.accept({})] * (MAX_UNUSABLE_REPLIES + 1))

    async with open_session(approver=person) as session:
        await session.call_tool("look")

    assert len(person.asked) == MAX_UNUSABLE_REPLIES
    assert [a.action for a in asks.answers] == ["cancel"]


async def on_fire() -> ElicitationReply:
    raise RuntimeError("screen on fire")


@pytest.mark.parametrize(
    "reply",
    [on_fire, None, True, "accept", Answer.approve(), ElicitationReply("yes")],  # type: ignore[arg-type]
    ids=["failed", "nothing", "true", "a word", "an approval", "made by hand"],
)
async def test_what_is_no_reply_is_a_cancel_and_never_an_accept(open_session, asks, reply) -> None:
    asks.for_(form())

    async with open_session(approver=Person(reply)) as session:
        await session.call_tool("look")

    assert [(a.action, a.content) for a in asks.answers] == [("cancel", None)]


async def test_a_person_who_takes_too_long_has_cancelled(open_session, asks, monkeypatch: pytest.MonkeyPatch) -> None:
    """G6."""
    monkeypatch.setattr("allowly_harness.session.inputs.ELICITATION_SECONDS", 0.01)
    asks.for_(form())

    async with open_session(approver=Person(anyio.sleep_forever)) as session:
        with anyio.fail_after(20):
            await session.call_tool("look")

    assert [a.action for a in asks.answers] == ["cancel"]


async def test_a_cancelled_call_says_so_before_its_form_closes(open_session, asks) -> None:
    asks.for_(form())
    shown, log = anyio.Event(), []

    class Screen(Person):
        async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
            shown.set()
            try:
                await anyio.sleep_forever()
            finally:
                log.append("cancelled")

        def closing(self, request: Any, closure: Closure) -> None:
            log.append(closure)

    async with open_session(approver=Screen()) as session:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(session.call_tool, "look")
                await shown.wait()
                group.cancel_scope.cancel()
            await session.call_tool("look") if asks.modern else await session.list_tools()

    assert log == [Closure("withdrawn"), "cancelled"]


@pytest.mark.parametrize(("approver", "announced"), [(Person(), True), (lambda request: None, False)])
async def test_only_who_can_ask_a_person_says_so(open_session, guarded, approver, announced: bool) -> None:
    async with open_session(approver=approver) as session:
        elicitation = session._build_capabilities("2025-11-25").elicitation

    assert (elicitation is not None) is announced
    if elicitation is not None:
        assert elicitation.form is not None
        assert elicitation.url is not None


async def test_the_callers_own_callback_wins(open_session, asks) -> None:
    asks.for_(form())
    person = Person()

    async def own(context: Any, params: Any) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"account": "own"})

    async with open_session(approver=person, elicitation_callback=own) as session:
        await session.call_tool("look")

    assert person.asked == []
    assert [a.content for a in asks.answers] == [{"account": "own"}]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (SAMPLING, "allowly-harness refused a sampling request: this client does not run models"),
        (ROOTS, "allowly-harness refused a roots request: this client gives no server access to folders"),
        (form(), "allowly-harness refused an elicitation request: this session has nobody to ask"),
    ],
    ids=["sampling", "roots", "elicitation"],
)
async def test_what_this_program_does_not_do_is_refused_with_a_sentence(
    open_session, asks, caplog, request_, sentence: str
) -> None:
    asks.for_(request_)
    lines: list[str] = []

    async def logging_callback(params: types.LoggingMessageNotificationParams) -> None:
        lines.append(f"{params.level} {params.logger} {params.data}")

    async with open_session(logging_callback=logging_callback) as session:
        if asks.modern:
            with pytest.raises(MCPError, match="allowly-harness refused"):
                await session.call_tool("look")
        else:
            await session.call_tool("look")
            assert sentence in str(asks.answers[0])

    assert sentence in caplog.text
    assert lines == [f"warning allowly-harness {sentence}"]


async def test_a_log_that_fails_does_not_keep_a_refusal_from_the_server(open_session, asks) -> None:
    asks.for_(SAMPLING)

    async def logging_callback(params: types.LoggingMessageNotificationParams) -> None:
        raise RuntimeError("screen on fire")

    async with open_session(logging_callback=logging_callback) as session:
        if asks.modern:
            with pytest.raises(MCPError, match="does not run models"):
                await session.call_tool("look")
        else:
            await session.call_tool("look")
            assert "does not run models" in str(asks.answers[0])
