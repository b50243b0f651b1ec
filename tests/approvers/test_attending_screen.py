"""The full screen that answers for agents: a real app, real sockets, keys that a test presses."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from settling import press

from allowly_harness.approvers.attached import SocketApprover, agents, attachment, sockets
from allowly_harness.approvers.base import WaitStatus
from allowly_harness.approvers.elicitation import ElicitationRequest
from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import Answer, AnswerKind, ServerInfo
from allowly_harness.tui.asking.approval import ApprovalScreen
from allowly_harness.tui.attending.app import ApproveApp
from allowly_harness.tui.attending.screen import AttendingScreen

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Hands:
    """The hands of the clock, in seconds after noon; keys are pressed when they say."""

    def __init__(self) -> None:
        self.passed = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: NOON + timedelta(seconds=self.passed), lambda: self.passed)


class Desk:
    """A running app with what a test does to it."""

    def __init__(self, app: ApproveApp, pilot, hands: Hands) -> None:
        self.app, self.pilot, self.hands = app, pilot, hands

    async def until(self, condition: Callable[[], object]) -> None:
        with anyio.move_on_after(30):
            while not condition():
                await self.pilot.pause(0.01)
            return
        raise AssertionError(f"it never came to that:\n{self.text}")

    async def shows(self, text: str) -> None:
        await self.until(lambda: text in self.text)

    async def press(self, *keys: str, after: float = 0.0) -> None:
        self.hands.passed += after
        await press(self.pilot, *keys)

    async def card(self) -> ApprovalScreen:
        """Wait until a question is open."""
        await self.until(lambda: isinstance(self.app.screen, ApprovalScreen))
        await self.pilot.pause()
        return self.app.screen

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture(autouse=True)
def own_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let agents listen in a folder of the test's own, and be found there soon."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(agents, "SCAN_SECONDS", 0.05)
    return folder / "allowly-harness" / "approve"


@pytest.fixture
def running(hands):
    """Run the app: `async with running() as desk`."""

    @asynccontextmanager
    async def run(size=(100, 30), path=None) -> AsyncIterator[Desk]:
        app = ApproveApp(path, name="ada", clock=hands.clock(), key_time=lambda _: hands.passed)
        owner = asyncio.create_task(app.own_agents())
        async with app.run_test(size=size, notifications=True) as pilot:
            desk = Desk(app, pilot, hands)
            await desk.until(app.ready.is_set)
            yield desk
            owner.cancel()
            await asyncio.gather(owner, return_exceptions=True)
            app.approver.detach()

    return run


@pytest.fixture
async def agent(hands) -> AsyncIterator[SocketApprover]:
    async with SocketApprover(name="mail-bot", clock=hands.clock()) as listening:
        yield listening


@pytest.fixture
def ask(agent, question, started):
    """Ask something at the agent that ends 90 s after noon."""
    tasks: list[asyncio.Task] = []

    def asked(to: str = "ada", **fields):
        tasks.append(started(agent.ask(question(to, expires_at=NOON + timedelta(seconds=90), **fields))))
        return tasks[-1]

    yield asked
    for task in tasks:
        task.cancel()


async def test_with_no_agent_it_says_where_they_are_looked_for(running, own_folder):
    async with running() as desk:
        await desk.shows("Nothing waits.")

        assert "no agent attached" in desk.text
        assert "No agent is attached." in desk.text
        assert str(own_folder) in desk.text


async def test_with_an_agent_and_nothing_to_answer_it_says_so(running, agent):
    async with running() as desk:
        await desk.shows("1 agent attached")
        await desk.shows("mail-bot")

        assert "Nothing waits." in desk.text
        assert "nothing waits" in desk.text


async def test_a_question_opens_by_itself_and_two_keys_answer_it(running, ask):
    asking = ask()
    async with running() as desk:
        await desk.card()
        assert 'to  "ada"' in desk.text
        await desk.press("a", after=1.5)
        await desk.press("y", after=0.5)

        with anyio.fail_after(10):
            assert (await asking).kind is AnswerKind.APPROVE
        await desk.shows("approved for mail-bot: send_email to=")


async def test_keys_that_were_typed_before_the_card_was_drawn_answer_nothing(running, agent, ask):
    """G1: the card is that of the main program, with its hold-off."""
    async with running() as desk:
        await desk.shows("1 agent attached")
        asking = ask()
        await desk.card()
        await desk.press("a", "y", "enter", after=0.0)
        await desk.press("enter", "space", "y", after=2.0)

        assert not asking.done()


async def test_escape_puts_a_question_away_and_enter_brings_it_back(running, ask):
    asking = ask()
    async with running() as desk:
        await desk.card()
        desk.hands.passed += 1.5
        await desk.pilot.pause(1.2)
        assert "esc put away" in desk.text
        await desk.press("escape")
        await desk.until(lambda: isinstance(desk.app.screen, AttendingScreen))
        await desk.shows('send_email  to="ada"')
        assert "1 WAITING" in desk.text
        assert not asking.done()
        await desk.press("enter")
        await desk.card()
        await desk.press("d", after=1.5)
        await desk.press("enter")

        with anyio.fail_after(10):
            assert (await asking).kind is AnswerKind.DENY


async def test_the_help_of_a_question_says_what_escape_does_here(running, ask):
    ask()
    async with running() as desk:
        await desk.card()
        await desk.press("question_mark", after=1.5)

        await desk.shows("it stays open, here and on other terminals")


async def test_leaving_answers_nothing(running, agent, ask, until):
    asking = ask()
    async with running() as desk:
        await desk.card()
        await desk.press("ctrl+q")
    await until(lambda: agent.attached == 0)

    assert not asking.done()


async def test_an_answer_from_another_terminal_closes_the_card_with_its_words(running, agent, ask, wire):
    asking = ask()
    async with running() as desk, wire(agent.path, name="bob") as other:
        await desk.card()
        await other.answer(await other.question(), Answer.deny())

        await desk.shows("Answered in another terminal (bob, pts/7): denied.")
        assert (await asking).kind is AnswerKind.DENY
        assert [event.kind for event in desk.app.history.events] == ["closed"]


async def test_an_agent_that_goes_closes_its_cards_and_is_named_once(running, agent, ask):
    ask("ada")
    ask("bob")
    async with running() as desk:
        await desk.card()
        await agent.__aexit__(None, None, None)

        await desk.shows("The agent has gone. Nothing was approved here.")
        await desk.press("escape", after=10)
        await desk.shows("no agent attached")
        assert [event.kind for event in desk.app.history.events] == ["gone"]
        assert len(desk.app._notifications) == 1


async def test_what_several_agents_ask_stands_in_one_list_soonest_end_first(running, hands, question, started, agent):
    async with SocketApprover(name="pay-bot", clock=hands.clock()) as other, running() as desk:
        await desk.shows("2 agents attached")
        tasks = [started(agent.ask(question("later", expires_at=NOON + timedelta(seconds=80))))]
        tasks.append(started(other.ask(question("sooner", expires_at=NOON + timedelta(seconds=40)))))
        await desk.until(lambda: desk.app.attended.count == 2)
        await desk.card()
        await desk.press("escape", after=1.5)
        hands.passed += 1.0  # nothing opens while somebody types
        await desk.card()
        await desk.press("escape", after=1.5)
        await desk.until(lambda: isinstance(desk.app.screen, AttendingScreen))
        await desk.pilot.pause()

        rows = [line for line in desk.text.splitlines() if "send_email  to=" in line]
        assert ["pay-bot" in rows[0], "sooner" in rows[0]] == [True, True]
        assert ["mail-bot" in rows[1], "later" in rows[1]] == [True, True]
        for task in tasks:
            task.cancel()


async def test_a_wait_and_a_form_stand_in_the_list_too(running, agent, question, started):
    escalation = question(kind="escalate", escalation_to="compliance", expires_at=NOON + timedelta(seconds=90))
    form = ElicitationRequest(ServerInfo("mail"), "Your name?", schema={"type": "object"})
    tasks = [started(agent.watch(escalation, WaitStatus())), started(agent.elicit(form))]
    async with running() as desk:
        await desk.until(lambda: desk.app.attended.count == 2)
        for _ in range(2):
            await desk.until(lambda: not isinstance(desk.app.screen, AttendingScreen))
            await desk.pilot.pause()
            await desk.press("escape", after=2.0)
        await desk.until(lambda: isinstance(desk.app.screen, AttendingScreen))
        await desk.shows("Your name?")

        assert "compliance" in desk.text
        assert not [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()


async def test_an_agent_that_cannot_be_attached_is_named_with_the_reason(running, own_folder, monkeypatch):
    monkeypatch.setattr(attachment, "HANDSHAKE_SECONDS", 0.05)
    with sockets.listen(own_folder / "mute.sock"):
        async with running() as desk:
            await desk.shows("mute.sock did not say who it is")


async def test_a_path_without_an_agent_ends_the_program_with_the_reason(running, folder):
    async with running(path=folder / "nobody.sock") as desk:
        await desk.until(lambda: desk.app.failure is not None)

        assert isinstance(desk.app.failure, sockets.NobodyThere)


async def test_hostile_names_are_drawn_inert(running, hands, question, started):
    """G8: agents name themselves, and servers word their questions."""
    async with SocketApprover(name="[bold]x\x1b[2J\u202e", clock=hands.clock()) as hostile, running((80, 24)) as desk:
        task = started(hostile.ask(question("\x1b]0;t\x07", expires_at=NOON + timedelta(seconds=90))))
        await desk.card()
        await desk.press("escape", after=1.5)
        await desk.until(lambda: isinstance(desk.app.screen, AttendingScreen))
        await desk.shows("[bold]x")

        assert not {"\x1b", "\x07", "\u202e"} & set(desk.text)
        task.cancel()


async def test_a_terminal_that_is_too_small_says_so(running):
    async with running((40, 10)) as desk:
        await desk.shows("60x15 are needed")
