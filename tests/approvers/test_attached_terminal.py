"""The person's side: what is answered here reaches its agent, and what is not stays open there (G1)."""

import asyncio
from pathlib import Path
from typing import Self

import anyio
import anyio.lowlevel
import pytest

from allowly_harness.approvers.attached import Agents, SocketApprover, agents, sockets
from allowly_harness.approvers.attached.attachment import GONE, Attachment
from allowly_harness.approvers.attached.frames import encode, framed
from allowly_harness.approvers.attached.looking import look
from allowly_harness.approvers.attached.messages import Closed, Hello, Question, Verdict, written
from allowly_harness.approvers.attached.told import MAX_HISTORY, History, line_of
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import Answer, AnswerKind, ServerInfo

pytestmark = pytest.mark.anyio

FORM = ElicitationRequest(ServerInfo("mail"), "Your name?", schema={"type": "object"})


@pytest.fixture
async def asking(agent, question, started):
    """A question that is open at the agent."""
    task = started(agent.ask(question()))
    yield task
    task.cancel()


@pytest.fixture
async def watching(agent, question, started):
    """An escalation that is awaited at the agent: its status, and what comes of it."""
    status = WaitStatus()
    task = started(agent.watch(question(kind="escalate"), status))
    yield status, task
    task.cancel()


async def test_what_the_person_says_is_what_the_agent_hears(agent, attached, person, question, started):
    asking = started(agent.ask(question("ada")))
    person.say(Answer.approve(30))

    async with attached(agent.path):
        assert await asking == Answer.approve(30)
        await person.until(lambda: "said" in person.kinds)

    assert person.asked[0].call.arguments["to"] == "ada"
    assert person.kinds == ["attached", "asked", "listed", "said", "gone"]


@pytest.mark.parametrize(
    "answer",
    [Answer.cancel(), Answer.expired(), Answer.unattended(), Answer.unheard()],
    ids=lambda answer: answer.kind.value,
)
async def test_a_card_that_ends_without_an_answer_leaves_the_question_open(agent, asking, attached, person, answer):
    person.say(answer)

    async with attached(agent.path) as attachment:
        await person.until(lambda: person.asked and not attachment.waiting)

    assert not asking.done()


async def test_leaving_in_the_middle_of_a_question_answers_nothing(agent, asking, attached, person, until):
    async with attached(agent.path):
        await person.until(lambda: person.asked)
    await until(lambda: agent.attached == 0)

    assert not asking.done()
    assert [request for request, _ in person.closed] == person.asked


async def test_an_agent_that_goes_closes_its_cards_and_nothing_is_answered(folder, attached, person, question, started):
    async with SocketApprover(folder / "agent.sock") as agent:
        asking = started(agent.ask(question()))
        async with attached(agent.path):
            await person.until(lambda: person.asked)
            await agent.__aexit__(None, None, None)
            await person.until(lambda: "gone" in person.kinds)

    assert person.closed == [(person.asked[0], Closure("withdrawn", told=GONE))]
    assert person.events[-1].words == "has gone; 1 open question was closed"
    assert not asking.done()
    asking.cancel()


async def test_who_answers_too_late_is_told_what_became_of_it(agent, asking, attached, person, wire):
    async with wire(agent.path, name="bob") as faster, attached(agent.path):
        await person.until(lambda: person.asked)
        await faster.answer(await faster.question(), Answer.deny())
        await person.until(lambda: "closed" in person.kinds)

    assert (await asking).kind is AnswerKind.DENY
    (closed,) = [closure for _, closure in person.closed]
    assert closed.told == "Answered in another terminal (bob, pts/7): denied."


async def test_a_wait_is_watched_and_what_is_new_about_it_arrives(agent, watching, attached, person, until):
    status, wait = watching

    async with attached(agent.path):
        await person.until(lambda: person.statuses)
        there = person.statuses[0]
        status.polls = 5
        await until(lambda: there.polls == 5)
        there.check_now()
        with anyio.fail_after(10):
            await status.pause(60)
        person.say(Answer.cancel())

        assert await wait == Answer.cancel()


@pytest.mark.parametrize("reply", [ElicitationReply.accept({"name": "Ada"}), ElicitationReply.decline()])
async def test_what_a_server_asks_for_is_answered_here(agent, attached, person, started, reply):
    eliciting = started(agent.elicit(FORM))
    person.say(reply)

    async with attached(agent.path):
        assert await eliciting == reply


async def test_a_form_that_is_put_away_is_still_asked_for(agent, attached, person, started):
    eliciting = started(agent.elicit(FORM))
    person.say(ElicitationReply.cancel())

    async with attached(agent.path) as attachment:
        await person.until(lambda: person.asked and not attachment.waiting)

    assert not eliciting.done()
    eliciting.cancel()


async def test_arguments_that_json_cannot_carry_are_handed_back_to_be_changed(
    agent, attached, person, question, started
):
    asking = started(agent.ask(question()))
    person.say(Answer.edit({"to": float("nan")}), Answer.edit({"to": "bob"}))

    async with attached(agent.path):
        assert await asking == Answer.edit({"to": "bob"})

    assert person.asked[1].note.startswith("The arguments cannot be sent")


class FakeAgent:
    """Whoever listens at a path, and says what it is told to say."""

    def __init__(self, path: Path, *messages: bytes) -> None:
        self.path = path
        self._messages = messages
        self.heard = bytearray()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, sock=sockets.listen(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for message in self._messages:
            writer.write(message)
        await writer.drain()
        while data := await reader.read(65536):
            self.heard += data
        writer.close()


HELLO = framed(written(Hello("fake", "process 1")))


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([framed(encode({"hello": 1}))], "speaks another protocol"),
        ([framed(b"GET / HTTP/1.1")], "not valid JSON"),
        ([b"\x7f\xff\xff\xff"], "longer than the limit"),
        ([framed(written(Hello("fake", "here", version=2)))], "use the same on both sides"),
    ],
    ids=["other", "http", "long", "version"],
)
async def test_whoever_is_no_agent_of_this_version_is_not_attached(folder, person, messages, words):
    async with FakeAgent(folder / "agent.sock", *messages) as fake:
        with anyio.fail_after(10), pytest.raises(sockets.SocketProblem, match=words):
            await Attachment(fake.path, person, person.observe).run()

    assert person.asked == []


async def test_an_agent_that_sends_nonsense_is_left_with_a_sentence(folder, person):
    async with FakeAgent(folder / "agent.sock", HELLO, framed(encode({"type": "approve"}))) as fake:
        with anyio.fail_after(10):
            why = await Attachment(fake.path, person, person.observe).run()

    assert "what the agent sent is not understood" in why


async def test_a_call_that_its_digest_does_not_name_is_never_shown(folder, person, question):
    """G2: what is shown is what the agent holds, or nothing."""
    frame = written(Question(1, question("ada"))).replace(b"ada", b"eve")
    async with FakeAgent(folder / "agent.sock", HELLO, framed(frame)) as fake:
        with anyio.fail_after(10):
            why = await Attachment(fake.path, person, person.observe).run()

    assert "not those that its digest names" in why
    assert person.asked == []


async def test_an_answer_of_which_the_agent_does_not_say_whether_it_counts_is_told_as_such(
    folder, person, question, until
):
    messages = (HELLO, framed(written(Question(1, question()))))
    person.say(Answer.approve())
    async with FakeAgent(folder / "agent.sock", *messages) as fake:
        attachment = Attachment(fake.path, person, person.observe)
        running = asyncio.create_task(attachment.run())
        await person.until(lambda: person.asked)
        await until(lambda: b'"seal"' in fake.heard)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    void = next(event for event in person.events if event.kind == "void")
    assert void.words == "The agent has gone before it said whether the answer counts."
    assert "DOES NOT COUNT (approved for fake)" in line_of(void).text


async def test_strange_numbers_and_verdicts_do_no_harm(folder, person, question):
    messages = (
        HELLO,
        framed(written(Verdict(7, counts=True))),
        framed(written(Closed(8, Closure("withdrawn")))),
        framed(written(Question(1, question("ada")))),
        framed(written(Question(1, question("eve")))),
    )
    async with FakeAgent(folder / "agent.sock", *messages) as fake:
        with anyio.fail_after(10):
            why = await Attachment(fake.path, person, person.observe).run()

    assert "opens more than it may" in why
    assert "said" not in person.kinds


class TestAllAgents:
    """Without a path: whatever listens in the user's own folder."""

    @pytest.fixture(autouse=True)
    def short(self, folder, monkeypatch):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        monkeypatch.setattr(agents, "SCAN_SECONDS", 0.05)

    @pytest.fixture
    async def all_agents(self, person):
        found = Agents(person, person.observe, name="ada")
        task = asyncio.create_task(found.run())
        yield found
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def test_agents_are_attached_as_they_appear_and_forgotten_as_they_go(self, all_agents, person, until):
        async with SocketApprover(name="one"):
            await until(lambda: [one.agent for one in all_agents.attached] == ["one"])
            async with SocketApprover(name="two"):
                await until(lambda: [one.agent for one in all_agents.attached] == ["one", "two"])
            await until(lambda: [one.agent for one in all_agents.attached] == ["one"])
        await until(lambda: not all_agents.attached)
        assert all_agents.problems == {}

    async def test_questions_of_several_agents_are_answered_each_to_its_own(
        self, all_agents, person, question, started, until
    ):
        async with SocketApprover(name="one") as one, SocketApprover(name="two") as two:
            await until(lambda: len(all_agents.attached) == 2)
            first = started(one.ask(question("ada")))
            await person.until(lambda: person.asked)
            second = started(two.ask(question("bob")))
            await person.until(lambda: len(person.asked) == 2)
            assert [all_agents.asking(request) for request in person.asked] == ["one", "two"]
            person.say(Answer.deny("for one"), Answer.deny("for two"))

            assert (await first).reason == "for one"
            assert (await second).reason == "for two"

    async def test_an_agent_that_comes_back_is_attached_again(self, all_agents, until):
        for _ in range(2):
            async with SocketApprover(name="one"):
                await until(lambda: all_agents.attached)
            await until(lambda: not all_agents.attached)

    async def test_what_an_agent_left_behind_is_passed_over(self, all_agents, folder, until):
        place = folder / "allowly-harness" / "approve"
        sockets.listen(place / "left.sock").close()
        (place / "note.sock").write_text("no socket")
        async with SocketApprover(name="one"):
            await until(lambda: all_agents.attached)

        assert list(all_agents.problems) in ([], [place / "note.sock"])

    async def test_an_agent_of_another_version_is_named_and_left_alone(self, all_agents, folder, until):
        path = folder / "allowly-harness" / "approve" / "other.sock"
        async with FakeAgent(path, framed(written(Hello("other", "here", version=2)))):
            await until(lambda: all_agents.problems)

        assert "use the same on both sides" in all_agents.problems[path]

    async def test_a_folder_that_others_may_use_is_an_error(self, folder, person):
        place = folder / "allowly-harness" / "approve"
        place.mkdir(parents=True)
        place.chmod(0o777)
        with pytest.raises(sockets.SocketProblem, match="chmod 700"):
            await Agents(person, person.observe).run()

    async def test_one_look_lists_what_waits_and_answers_nothing(self, question, started, until):
        async with SocketApprover(name="one") as one, SocketApprover(name="two") as two:
            tasks = [started(one.ask(question("b", seconds=90))), started(one.ask(question("a", seconds=30)))]
            tasks.append(started(two.elicit(FORM)))
            await anyio.lowlevel.checkpoint()

            seen = {found.agent: found for found in await look()}

            assert [request.call.arguments["to"] for request in seen["one"].waiting] == ["a", "b"]
            assert seen["two"].waiting == (FORM,)
            assert not [task for task in tasks if task.done()]
            for task in tasks:
                task.cancel()

    async def test_one_look_says_of_whom_nothing_can_be_seen(self, folder, monkeypatch):
        place = folder / "allowly-harness" / "approve"
        sockets.listen(place / "left.sock").close()
        async with FakeAgent(place / "other.sock", framed(encode({"type": "x"}))):
            (seen,) = await look()

        assert "speaks another protocol" in seen.problem
        assert seen.waiting == ()


async def test_a_path_without_an_agent_is_an_error(folder, person):
    with pytest.raises(sockets.NobodyThere):
        await Agents(person, person.observe, path=folder / "agent.sock").run()


async def test_the_history_keeps_what_was_decided_and_no_more_than_its_limit(agent, attached, person, question):
    history = History()
    async with attached(agent.path):
        for number in range(3):
            person.say(Answer.deny())
            await agent.ask(question(f"n{number}\x1b[2J"))
        await person.until(lambda: person.kinds.count("said") == 3)

    kept = [history.add(event) for event in person.events]
    assert kept.count(True) == len(history.events) == 4
    assert line_of(history.events[0]).text.startswith("denied for mail-bot: send_email to=")
    assert "\x1b" not in "".join(line_of(event).text for event in history.events)
    for _ in range(MAX_HISTORY):
        history.add(history.events[0])
    assert len(history.events) == MAX_HISTORY
