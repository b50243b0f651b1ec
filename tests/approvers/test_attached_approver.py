"""The agent's side: one answer each, silence is no yes, and no terminal can hold anything up (G1, G3, G6)."""

import anyio
import anyio.lowlevel
import pytest

from allowly_harness.approvers.attached import SocketApprover, approver, board, seat
from allowly_harness.approvers.attached.frames import encode, framed, read_frame
from allowly_harness.approvers.attached.messages import (
    Bye,
    Closed,
    Listed,
    Question,
    Spoken,
    Standing,
    Verdict,
    Wish,
    read_from_agent,
)
from allowly_harness.approvers.attached.sockets import SocketProblem
from allowly_harness.approvers.base import Closure, Desk, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import Answer, AnswerKind, ServerInfo, ToolCall, ToolInfo

pytestmark = pytest.mark.anyio

FORM = ElicitationRequest(ServerInfo("mail"), "Your name?", schema={"type": "object"})


async def test_an_answer_from_a_terminal_is_the_answer(agent, wire, question, started):
    asking = started(agent.ask(question("ada")))

    async with wire(agent.path) as terminal:
        asked = await terminal.question()
        await terminal.answer(asked, Answer.deny("not today"))
        verdict = await terminal.read_a(Verdict)

    assert await asking == Answer.deny("not today")
    assert asked.request == question("ada", expires_at=asked.request.expires_at)
    assert verdict == Verdict(asked.number, counts=True)


@pytest.mark.parametrize(
    "answer",
    [
        Answer.approve(30, note="ok"),
        Answer.deny("no"),
        Answer.edit({"to": "bob"}),
        Answer.respond("later"),
        Answer.defer(),
        Answer.wait(),
        Answer.ask_again(),
    ],
    ids=lambda answer: answer.kind.value,
)
async def test_everything_that_a_person_can_say_arrives_whole(agent, wire, question, started, answer):
    asking = started(agent.ask(question()))

    async with wire(agent.path) as terminal:
        await terminal.answer(await terminal.question(), answer)

        assert await asking == answer


@pytest.mark.parametrize(
    "answer",
    [Answer.cancel(), Answer.expired(), Answer.unattended(), Answer.unheard()],
    ids=lambda answer: answer.kind.value,
)
async def test_what_nobody_says_is_not_taken_from_a_terminal(agent, wire, question, started, answer):
    """A terminal cannot withdraw a question that others may still answer."""
    asking = started(agent.ask(question()))

    async with wire(agent.path) as terminal:
        asked = await terminal.question()
        await terminal.answer(asked, answer)
        verdict = await terminal.read_a(Verdict)
        assert (verdict.counts, "Refused" in verdict.why, asking.done()) == (False, True, False)

        await terminal.answer(asked, Answer.deny())
        assert (await asking).kind is AnswerKind.DENY


async def test_the_first_answer_wins_and_the_others_are_told_who_gave_it(agent, wire, question, started):
    asking = started(agent.ask(question()))

    async with wire(agent.path, name="ada") as first, wire(agent.path, name="bob") as second:
        asked, also = await first.question(), await second.question()
        await first.answer(asked, Answer.deny())
        assert (await first.read_a(Verdict)).counts
        closed = await second.read_a(Closed)
        await second.answer(also, Answer.approve())
        late = await second.read_a(Verdict)

    assert (await asking).kind is AnswerKind.DENY
    assert closed.closure.told == "Answered in another terminal (ada, pts/7): denied."
    assert not late.counts
    assert late.why == "Too late: answered in another terminal (ada, pts/7): denied."


async def test_of_answers_sent_at_one_moment_one_counts(agent, wire, question, started):
    """G3: whatever the order on the sockets, the agent hears one answer."""
    asking = started(agent.ask(question()))

    async with wire(agent.path) as first, wire(agent.path) as second, wire(agent.path) as third:
        terminals = (first, second, third)
        asked = [await one.question() for one in terminals]
        answers = (Answer.approve(), Answer.deny("two"), Answer.respond("three"))
        for terminal, question_, answer in zip(terminals, asked, answers, strict=True):
            await terminal.answer(question_, answer)
        verdicts = [await one.read_a(Verdict) for one in terminals]

    counting = [answer for verdict, answer in zip(verdicts, answers, strict=True) if verdict.counts]
    assert counting == [await asking]


async def test_a_second_answer_from_the_same_terminal_changes_nothing(agent, wire, question, started):
    asking = started(agent.ask(question()))

    async with wire(agent.path) as terminal:
        asked = await terminal.question()
        await terminal.answer(asked, Answer.deny())
        await terminal.answer(asked, Answer.approve())
        verdicts = [await terminal.read_a(Verdict), await terminal.read_a(Verdict)]

    assert [verdict.counts for verdict in verdicts] == [True, False]
    assert (await asking).kind is AnswerKind.DENY


async def test_an_answer_to_something_else_than_is_asked_is_refused(agent, wire, question, started):
    """G2: the digest of what was shown must be that of what is asked."""
    asking = started(agent.ask(question("ada")))
    other = started(agent.ask(question("eve")))

    async with wire(agent.path) as terminal:
        asked, another = await terminal.question(), await terminal.question()
        swapped = Question(asked.number, another.request)
        await terminal.answer(swapped, Answer.approve())
        verdict = await terminal.read_a(Verdict)

        assert not verdict.counts
        assert verdict.why == "Refused: the answer is to something else than what is asked. Nothing was decided."
        assert not asking.done()
        assert not other.done()
    asking.cancel()
    other.cancel()


async def test_an_answer_to_a_question_that_never_was_is_too_late(agent, wire):
    async with wire(agent.path) as terminal:
        await terminal.send(Spoken(99, "", Answer.approve()))

        assert (await terminal.read_a(Verdict)).why == "Too late: it is not open any more."


async def test_who_is_attached_later_sees_all_that_is_open_soonest_end_first(agent, wire, question, started):
    tasks = [started(agent.ask(question(name, seconds=seconds))) for name, seconds in (("b", 90), ("a", 30), ("c", 99))]
    tasks.append(started(agent.elicit(FORM)))
    tasks.append(started(agent.watch(question("w", kind="escalate", seconds=60), WaitStatus(polls=3))))
    await anyio.lowlevel.checkpoint()

    async with wire(agent.path) as terminal:
        seen = [await terminal.question() for _ in tasks]
        assert isinstance(await terminal.read(), Listed)

    assert [one.request.call.arguments["to"] for one in seen[:-1]] == ["a", "w", "b", "c"]
    assert seen[1].status is not None
    assert seen[1].status.polls == 3
    assert seen[-1].request == FORM
    for task in tasks:
        task.cancel()


async def test_without_a_terminal_a_question_waits_until_its_end_and_is_never_approved(agent, question):
    """G1: silence is no yes."""
    answer = await agent.ask(question(seconds=0.05))

    assert answer == Answer.expired()


async def test_an_ended_question_is_kept_where_a_terminal_shows_it_and_can_be_asked_for_again(
    agent, wire, question, started
):
    async with wire(agent.path) as terminal:
        asking = started(agent.ask(question(seconds=0.3)))
        asked = await terminal.question()
        await anyio.sleep(0.4)
        assert not asking.done()
        await terminal.answer(asked, Answer.approve())
        verdict = await terminal.read_a(Verdict)
        assert (verdict.counts, verdict.why) == (False, "Too late: its time is over. Nothing was approved.")

        await terminal.answer(asked, Answer.ask_again())
        assert await asking == Answer.ask_again()


@pytest.mark.parametrize("how", ["puts it away", "is lost"])
async def test_an_ended_question_is_given_up_when_the_last_terminal_shows_it_no_more(
    agent, wire, question, started, how
):
    async with wire(agent.path) as terminal:
        asking = started(agent.ask(question(seconds=0.2)))
        asked = await terminal.question()
        await anyio.sleep(0.3)
        assert not asking.done()
        if how == "puts it away":
            await terminal.send(Wish(asked.number, "release"))
        else:
            await terminal.close()

        assert await asking == Answer.expired()


async def test_a_terminal_lost_in_the_middle_of_an_answer_leaves_the_question_open(agent, wire, question, started):
    asking = started(agent.ask(question()))

    async with wire(agent.path) as terminal:
        asked = await terminal.question()
        body = framed(encode({"type": "said", "number": asked.number, "padding": "x" * 10_000}))
        await terminal.send_bytes(body[:-5_000])
    async with wire(agent.path) as terminal:
        asked = await terminal.question()
        assert not asking.done()
        await terminal.answer(asked, Answer.deny())

        assert (await asking).kind is AnswerKind.DENY


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        framed(b"not json"),
        framed(encode({"type": "said", "number": 1, "seal": "", "said": {"answer": {"kind": "approve"}}})),
        framed(encode({"type": "hello"})),
    ],
    ids=["too long", "no JSON", "half an answer", "another message"],
)
async def test_a_terminal_that_is_not_understood_is_told_so_and_dropped(agent, wire, question, started, data):
    asking = started(agent.ask(question()))

    async with wire(agent.path) as terminal:
        await terminal.question()
        await terminal.send_bytes(data)
        assert isinstance(await terminal.read_a(Bye), Bye)
        with pytest.raises(EOFError):
            await terminal.read()

    assert not asking.done()
    asking.cancel()


async def test_a_question_that_is_withdrawn_closes_on_every_terminal(agent, wire, question, started):
    desk = Desk(agent)
    request = question()
    asking = started(desk.ask(request))

    async with wire(agent.path) as terminal:
        asked = await terminal.question()
        desk.closing(request, Closure("answered", approved=True, by="compliance"))
        asking.cancel()
        closed = await terminal.read_a(Closed)
        await terminal.answer(asked, Answer.approve())
        late = await terminal.read_a(Verdict)

    assert closed == Closed(asked.number, Closure("answered", approved=True, by="compliance"))
    assert late.why == 'Too late: approved elsewhere by "compliance".'


async def test_a_question_that_is_cancelled_without_a_word_closes_too(agent, wire, question, started):
    asking = started(agent.ask(question()))

    async with wire(agent.path) as terminal:
        asked = await terminal.question()
        asking.cancel()

        assert await terminal.read_a(Closed) == Closed(asked.number, Closure("withdrawn"))


async def test_a_wait_shows_how_it_stands_and_ends_when_the_person_says_so(agent, wire, question, started):
    status = WaitStatus()
    watching = started(agent.watch(question(kind="escalate", escalation_to="compliance"), status))

    async with wire(agent.path) as terminal:
        asked = await terminal.question()
        status.polls, status.problem = 7, "the authority is down"
        standing = await terminal.read_a(Standing)
        await terminal.send(Wish(asked.number, "check"))
        await status.pause(20)
        await terminal.answer(asked, Answer.approve())
        refused = await terminal.read_a(Verdict)
        await terminal.answer(asked, Answer.defer())

        assert await watching == Answer.defer()
    assert (standing.status["polls"], standing.status["problem"]) == (7, "the authority is down")
    assert not refused.counts


async def test_what_a_server_asks_for_is_answered_like_a_question(agent, wire, started):
    eliciting = started(agent.elicit(FORM))

    async with wire(agent.path) as terminal:
        asked = await terminal.question()
        await terminal.answer(asked, Answer.approve())
        refused = await terminal.read_a(Verdict)
        await terminal.answer(asked, ElicitationReply.accept({"name": "Ada"}))

        assert await eliciting == ElicitationReply.accept({"name": "Ada"})
    assert not refused.counts


async def test_attached_terminals_are_counted(agent, wire, until):
    assert agent.attached == 0

    async with wire(agent.path) as one, wire(agent.path) as two:
        await one.read_a(Listed)
        await two.read_a(Listed)
        assert agent.attached == 2
        await two.close()
        await until(lambda: agent.attached == 1)


async def test_one_terminal_too_many_is_told_so(agent, wire, monkeypatch):
    monkeypatch.setattr(approver, "MAX_TERMINALS", 1)

    async with wire(agent.path) as first, wire(agent.path, greet=False) as second:
        await first.read_a(Listed)
        assert read_from_agent(await read_frame(second.reader)) == Bye("1 terminals are attached already")


async def test_who_does_not_say_who_they_are_is_dropped_in_time(agent, wire, monkeypatch):
    monkeypatch.setattr(seat, "HANDSHAKE_SECONDS", 0.05)

    async with wire(agent.path, greet=False) as silent:
        await read_frame(silent.reader)

        assert await silent.read() == Bye("you did not say who you are in time")
        assert agent.attached == 0


async def test_another_version_is_told_what_to_do(agent, wire):
    async with wire(agent.path, greet=False) as other:
        hello = await read_frame(other.reader)
        await other.send_bytes(framed(encode(hello | {"version": 99})))

        bye = await other.read()
    assert isinstance(bye, Bye)
    assert "use the same on both sides" in bye.why


@pytest.fixture(params=["too slow", "too far behind"])
def impatient(request, monkeypatch):
    """Let an agent drop a terminal soon."""
    if request.param == "too slow":
        monkeypatch.setattr(seat, "WRITE_SECONDS", 0.2)
    else:
        monkeypatch.setattr(seat, "MAX_QUEUED_MESSAGES", 6)


@pytest.mark.usefixtures("impatient")
async def test_a_terminal_that_does_not_read_is_dropped_and_its_question_is_not(agent, wire, question, started, until):
    call = ToolCall("mail", "send_email", {"to": "x" * 1_000_000})

    async with wire(agent.path) as stuck:
        await stuck.read_a(Listed)
        tasks = [started(agent.ask(question(call=call))) for _ in range(8)]
        await until(lambda: not agent.attached)

        assert not [task for task in tasks if task.done()]
    for task in tasks[1:]:
        task.cancel()
    await anyio.lowlevel.checkpoint()
    async with wire(agent.path) as terminal:
        await terminal.answer(await terminal.question(), Answer.deny())

        assert (await tasks[0]).kind is AnswerKind.DENY


async def test_a_terminal_is_sent_all_that_is_open_however_much_that_is(agent, wire, question, started):
    call = ToolCall("mail", "send_email", {"to": "x" * 2_000_000})
    tasks = [started(agent.ask(question(call=call))) for _ in range(20)]
    await anyio.lowlevel.checkpoint()

    async with wire(agent.path) as terminal:
        for _ in tasks:
            await terminal.answer(await terminal.question(), Answer.deny())

        assert [(await task).kind for task in tasks] == [AnswerKind.DENY] * 20


async def test_too_many_open_questions_are_not_asked(agent, question, started, monkeypatch):
    monkeypatch.setattr(board, "MAX_OPEN", 1)
    open_one = started(agent.ask(question("ada")))
    await anyio.lowlevel.checkpoint()

    assert await agent.ask(question("bob")) == Answer.unattended()
    assert await agent.elicit(FORM) == ElicitationReply.cancel()
    open_one.cancel()


async def test_a_schema_that_cannot_be_sent_is_left_out_and_the_question_is_asked(agent, wire, question, started):
    schema: dict = {"type": "object"}
    for _ in range(400):
        schema = {"properties": schema}
    tool = ToolInfo("send_email", description="Sends.", input_schema=schema)
    asking = started(agent.ask(question(tool=tool)))

    async with wire(agent.path) as terminal:
        asked = await terminal.question()
        assert asked.request.tool == ToolInfo("send_email", description="Sends.")
        await terminal.answer(asked, Answer.deny())

        assert (await asking).kind is AnswerKind.DENY


async def test_a_question_that_cannot_be_sent_at_all_is_asked_of_nobody(agent, question):
    assert await agent.ask(question(note=b"bytes")) == Answer.unattended()


async def test_a_second_agent_of_a_name_listens_beside_the_first(folder, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))

    async with SocketApprover(name="mail") as first, SocketApprover(name="mail") as second:
        assert [one.path.name for one in (first, second)] == ["mail.sock", "mail-2.sock"]
    assert list((folder / "allowly-harness" / "approve").iterdir()) == []


async def test_a_path_at_which_somebody_listens_is_an_error(agent):
    with pytest.raises(SocketProblem, match="another agent listens"):
        async with SocketApprover(agent.path):
            pass
    assert agent.path.exists()


async def test_when_the_agent_leaves_its_terminals_hear_the_end_and_its_file_is_gone(folder, wire):
    async with SocketApprover(folder / "agent.sock") as agent:
        path = agent.path
        opened = wire(path)
        terminal = await opened.__aenter__()
        await terminal.read_a(Listed)
    with pytest.raises(EOFError):
        await terminal.read()
    await opened.__aexit__(None, None, None)

    assert not path.exists()


async def test_twenty_questions_at_once_are_answered_each_with_its_own_answer(agent, wire, question, started):
    tasks = {str(number): started(agent.ask(question(str(number)))) for number in range(20)}

    async with wire(agent.path) as terminal:
        for _ in range(20):
            asked = await terminal.question()
            await terminal.answer(asked, Answer.deny(asked.request.call.arguments["to"]))

        assert {name: (await task).reason for name, task in tasks.items()} == {name: name for name in tasks}


async def test_an_agent_that_leaves_at_once_still_says_that_the_answer_counts(folder, wire, question, started):
    async with SocketApprover(folder / "agent.sock") as agent:
        asking = started(agent.ask(question()))
        opened = wire(agent.path)
        terminal = await opened.__aenter__()
        await terminal.answer(await terminal.question(), Answer.deny())
        await asking

    assert (await terminal.read_a(Verdict)).counts
    await opened.__aexit__(None, None, None)


async def test_leaving_does_not_wait_for_a_terminal_that_reads_nothing(folder, wire, question, started, monkeypatch):
    monkeypatch.setattr(approver, "GOODBYE_SECONDS", 0.1)
    call = ToolCall("mail", "send_email", {"to": "x" * 3_000_000})
    async with SocketApprover(folder / "agent.sock") as agent:
        opened = wire(agent.path)
        terminal = await opened.__aenter__()
        await terminal.read_a(Listed)
        asking = started(agent.ask(question(call=call)))
        await anyio.lowlevel.checkpoint()
    asking.cancel()
    await opened.__aexit__(None, None, None)

    assert agent.attached == 0
