"""`TuiApprover(app)` in an app with a style sheet, screens, keys and a theme of its own (G1)."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import anyio
import pytest
from settling import press
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Label, Static, TextArea

from allowly_harness.approvers.base import Closure, Desk, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.protocol.models import Answer, ServerInfo
from allowly_harness.tui import TuiApprover

pytestmark = pytest.mark.anyio


class Foreign(App[None]):
    """Everything in it stands in the way of a guest."""

    TITLE = "Foreign"
    CSS = """
    Screen { layout: horizontal; background: blue; padding: 3; align: left top; }
    Static { display: none; height: 9; width: 4; margin: 5; color: red; border: thick red; offset: 20 20; }
    #shown { display: block; height: 1; width: 1fr; margin: 0; border: none; offset: 0 0; }
    Vertical { width: 10; height: 3; visibility: hidden; dock: right; }
    Input { width: 30; height: 3; border: tall green; }
    #card { display: none; width: 2; opacity: 0%; }
    #body, #keys, #time { height: 0; visibility: hidden; text-opacity: 0%; }
    ScrollView { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "own('a')"),
        Binding("y", "own('y')"),
        Binding("d", "own('d')"),
        Binding("escape", "own('escape')"),
        Binding("f2", "open_waiting", priority=True),
        Binding("f3", "open_queue", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.own: list[str] = []
        self.keys_seen: list[str] = []
        self.approver: TuiApprover | None = None

    def compose(self) -> ComposeResult:
        yield Static("the app's own words", id="shown")
        yield Input(id="line")
        yield Input(id="other")

    def on_key(self, event: Any) -> None:
        self.keys_seen.append(event.key)

    def action_own(self, key: str) -> None:
        self.own.append(key)

    def action_open_waiting(self) -> None:
        assert self.approver is not None
        self.approver.open_waiting()

    def action_open_queue(self) -> None:
        assert self.approver is not None
        self.approver.open_queue()


class Guest:
    """An approver in a running foreign app, and what a test does to both."""

    def __init__(self, app: Foreign, pilot: Any, hands: Any, approver: TuiApprover) -> None:
        self.app = app
        self.pilot = pilot
        self.hands = hands
        self.approver = approver
        self.desk = Desk(approver)
        self.answers: list[Any] = []

    async def ask(self, request: Any) -> None:
        self.answers.append(await self.desk.ask(request))

    async def elicit(self, request: Any) -> None:
        self.answers.append(await self.desk.elicit(request))

    async def watch(self, request: Any, status: WaitStatus) -> None:
        self.answers.append(await self.desk.watch(request, status))

    async def until(self, condition: Callable[[], object], *, passing: float = 0.0) -> None:
        """Wait; with each look `passing` seconds of the clock go by."""
        with anyio.move_on_after(30):
            while not condition():
                await self.pilot.pause(0.01)
                self.hands.passed += passing
            return
        raise AssertionError(f"it never came to that; on top is {self.top}:\n{self.text}")

    async def live_card(self) -> None:
        """Wait for a card, and let the time pass in which it takes no keys."""
        await self.card()
        await self.until(lambda: self.app.screen.keys.painted)
        await self.pilot.pause()
        self.hands.passed += 1.3

    async def card(self) -> None:
        """Type nothing until a card opens."""
        await self.until(lambda: self.top == "ApprovalScreen", passing=0.02)

    async def press(self, *keys: str, after: float = 0.0) -> None:
        self.hands.passed += after
        await press(self.pilot, *keys)

    async def approve(self) -> None:
        await self.live_card()
        await self.press("a")
        await self.press("y", after=0.5)

    @property
    def top(self) -> str:
        return type(self.app.screen).__name__

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


@pytest.fixture
def guest(hands):
    """Run a foreign app with an approver in it: `async with guest() as guest`."""

    @asynccontextmanager
    async def run(app: Foreign | None = None, size=(90, 30), **options: Any) -> AsyncIterator[Guest]:
        app = app or Foreign()
        given = {"clock": hands.clock(), "key_time": lambda _: hands.passed, "notify": "off"}
        app.approver = TuiApprover(app, **{**given, **options})
        async with app.run_test(size=size, notifications=True) as pilot, anyio.create_task_group() as group:
            found = Guest(app, pilot, hands, app.approver)
            found.group = group
            yield found
            group.cancel_scope.cancel()

    return run


async def test_a_card_is_whole_and_answered_under_a_style_sheet_that_hides_everything(guest, question) -> None:
    async with guest() as it:
        it.group.start_soon(it.ask, question())
        await it.live_card()
        await it.until(lambda: "expires in" in it.text and "a approve" in it.text)
        shown = it.text

        await it.press("a")
        armed = it.text
        await it.press("y", after=0.5)
        await it.until(lambda: it.answers)

    assert "send_email" in shown
    assert "ada@example.com" in shown
    assert "NOW?" in armed
    assert [answer.kind for answer in it.answers] == ["approve"]


async def test_the_screen_below_comes_back_as_it_was(guest, question) -> None:
    async with guest() as it:
        it.app.query_one("#other", Input).focus()
        await it.press(*"half")
        before, theme, css = it.text, it.app.theme, len(it.app.screen_stack)

        it.group.start_soon(it.ask, question())
        await it.approve()
        await it.until(lambda: it.answers)
        await it.pilot.pause()

        assert it.text == before
        assert it.app.focused is it.app.query_one("#other", Input)
        assert (it.app.theme, len(it.app.screen_stack)) == (theme, css)
        await it.press("x")
        assert it.app.query_one("#other", Input).value == "halfx"


async def test_keys_of_a_card_never_reach_the_app_and_its_own_count_again_afterwards(guest, question) -> None:
    async with guest() as it:
        it.app.set_focus(None)
        it.group.start_soon(it.ask, question())
        await it.live_card()
        await it.press("d")
        await it.press(*"no", "enter", after=0.5)
        await it.until(lambda: it.answers)
        during = list(it.app.own), set(it.app.keys_seen) - {"enter"}  # what a field does not take goes on

        await it.until(lambda: it.top == "Screen")
        await it.press("a", "y")

    assert during == ([], set())
    assert it.answers[0].reason == "no"
    assert it.app.own == ["a", "y"]


async def test_keys_typed_for_the_app_before_the_card_was_drawn_never_approve(guest, question) -> None:
    """G1: the keys are pressed before the card is there and are handled after it has come."""
    async with guest() as it:
        it.app.query_one("#line", Input).focus()
        await it.press(*"ok")
        it.group.start_soon(it.ask, question())
        await it.card()

        await it.press("a", "y", "a")
        await it.press("y", after=0.5)
        await it.press("enter", "a", after=0.3)

        assert it.answers == []
        assert it.top == "ApprovalScreen"


async def test_a_question_waits_until_the_person_pauses_typing(guest, question) -> None:
    async with guest() as it:
        line = it.app.query_one("#line", Input)
        line.focus()
        await it.pilot.pause()
        it.group.start_soon(it.ask, question())
        for letter in "typing":
            await it.press(letter, after=0.2)
            await it.pilot.pause(0.15)
            assert it.top == "Screen"

        await it.card()

        assert line.value == "typing"


async def test_typing_without_an_end_keeps_a_question_back_for_five_seconds_at_most(guest, question) -> None:
    async with guest() as it:
        it.app.query_one("#line", Input).focus()
        await it.pilot.pause()
        it.group.start_soon(it.ask, question())
        await it.press("x")
        it.hands.passed += 5.1

        await it.press("y")

        await it.until(lambda: it.top == "ApprovalScreen")


async def test_a_draft_keeps_a_question_back_where_the_app_says_so(guest, question) -> None:
    app = Foreign()
    async with guest(app, draft=lambda: bool(app.query_one("#line", Input).value), draft_key="f2") as it:
        it.app.query_one("#line", Input).focus()
        await it.press(*"dear")
        it.group.start_soon(it.ask, question())
        it.hands.passed += 6
        await it.until(lambda: "APPROVAL WAITING: send_email" in it.text)
        said = it.text

        await it.press("backspace", "backspace", "backspace", "backspace")
        await it.approve()
        await it.until(lambda: it.answers)
        await it.pilot.pause()

        assert "f2 opens it; your draft stays" in said
        assert "WAITING" not in it.text


async def test_a_key_of_the_app_opens_a_question_in_spite_of_a_draft(guest, question) -> None:
    async with guest(draft=lambda: True) as it:
        it.group.start_soon(it.ask, question())
        await it.until(lambda: "it opens once your draft is sent" in it.text)

        await it.press("f2")
        await it.approve()

        await it.until(lambda: it.answers)
        assert it.answers[0].kind == "approve"


async def test_a_rule_for_drafts_that_fails_keeps_no_question_back(guest, question, caplog) -> None:
    def fails() -> bool:
        raise LookupError("no such field")

    async with guest(draft=fails) as it:
        it.group.start_soon(it.ask, question())

        await it.card()

    assert "The rule for drafts failed" in caplog.text


async def test_questions_queue_and_the_list_opens_by_a_key_of_the_app(guest, question) -> None:
    async with guest() as it:
        for number in range(3):
            it.group.start_soon(it.ask, question(arguments={"number": number}))
        await it.live_card()
        assert it.approver.waiting == 3
        await it.press("p")
        await it.until(lambda: it.top == "PendingScreen")
        await it.press("escape")
        await it.until(lambda: it.top == "Screen")

        await it.press("f3")
        await it.until(lambda: it.top == "PendingScreen" and "send_email" in it.text)
        await it.press("enter")
        await it.approve()
        await it.until(lambda: len(it.answers) == 1)

        assert it.approver.waiting == 2


async def test_the_help_of_a_question_opens_in_any_app(guest, question) -> None:
    async with guest() as it:
        it.group.start_soon(it.ask, question())
        await it.live_card()

        await it.press("question_mark")
        await it.until(lambda: "KEYS OF A QUESTION" in it.text)
        await it.press("escape")

        await it.until(lambda: it.top == "ApprovalScreen")


async def test_arguments_are_edited_in_any_app(guest, question) -> None:
    async with guest() as it:
        it.group.start_soon(it.ask, question())
        await it.live_card()
        await it.press("e")
        await it.until(lambda: it.top == "EditingScreen" and isinstance(it.app.focused, TextArea))
        it.app.focused.text = '{"to": "bob@example.com"}'
        await it.pilot.pause()

        await it.press("ctrl+s")
        await it.press("ctrl+s", after=0.5)
        await it.until(lambda: it.answers)

    assert it.answers[0].arguments == {"to": "bob@example.com"}


async def test_a_question_that_ends_says_so_and_approves_nothing(guest, question) -> None:
    async with guest() as it:
        it.group.start_soon(it.ask, question())
        await it.live_card()
        it.hands.passed += 60
        await it.until(lambda: "EXPIRED" in it.text)

        await it.press("a")
        await it.press("y", after=0.5)
        assert it.answers == []
        await it.press("escape", after=2)
        await it.until(lambda: it.answers)

    assert it.answers == [Answer.expired()]


async def test_a_question_answered_elsewhere_says_by_whom(guest, question) -> None:
    async with guest() as it:
        request = question()
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(it.ask, request)
                await it.live_card()
                it.desk.closing(request, Closure("answered", approved=True, by="grace"))
                scope.cancel()
        await it.until(lambda: "grace" in it.text)

        await it.press("x", after=2)
        await it.until(lambda: it.top == "Screen")

    assert it.answers == []


async def test_a_wait_is_shown_and_ended(guest, question) -> None:
    async with guest() as it:
        request = question(kind="escalate", escalation_to="finance")
        it.group.start_soon(it.watch, request, WaitStatus())
        await it.until(lambda: it.top == "WaitingScreen" and "finance" in it.text)
        await it.pilot.pause()
        await it.press("l", after=2)
        await it.until(lambda: it.answers)

    assert it.answers == [Answer.defer()]


async def test_what_a_server_asks_for_is_filled_in(guest) -> None:
    schema = {"type": "object", "properties": {"seat": {"type": "string"}}, "required": ["seat"]}
    async with guest() as it:
        it.group.start_soon(it.elicit, ElicitationRequest(ServerInfo("mail"), "Which seat?", schema=schema))
        await it.until(lambda: it.approver.waiting)
        await it.pilot.pause()
        it.hands.passed += 0.5
        await it.until(lambda: it.top == "ElicitationScreen" and "Which seat?" in it.text)
        await it.pilot.pause()
        it.hands.passed += 2
        await it.press("tab")
        await it.until(lambda: it.app.focused is not None)

        await it.press(*"12a", "ctrl+s")
        await it.until(lambda: it.answers)

    assert it.answers == [ElicitationReply.accept({"seat": "12a"})]


async def test_a_card_that_the_app_takes_away_opens_again_and_answers_nothing(guest, question) -> None:
    """A screen that dismisses itself from below pops whatever is on top."""
    async with guest() as it:
        it.group.start_soon(it.ask, question())
        await it.live_card()
        first = it.app.screen

        it.app.pop_screen()
        await it.until(lambda: it.top == "ApprovalScreen" and it.app.screen is not first)
        assert it.answers == []
        await it.approve()
        await it.until(lambda: it.answers)

        assert it.answers[0].kind == "approve"
        assert len(it.app.screen_stack) == 1


class Other(Screen[None]):
    def compose(self) -> ComposeResult:
        yield Label("another mode")


class WithModes(Foreign):
    MODES: ClassVar[dict[str, Any]] = {"one": Screen, "two": Other}

    def on_mount(self) -> None:
        self.switch_mode("one")


async def test_a_question_follows_the_person_into_another_mode_of_the_app(guest, question) -> None:
    async with guest(WithModes()) as it:
        it.group.start_soon(it.ask, question())
        await it.live_card()

        await it.app.switch_mode("two")
        await it.until(lambda: it.top == "ApprovalScreen")
        await it.approve()
        await it.until(lambda: it.answers)
        assert it.top == "Other"

        await it.app.switch_mode("one")
        await it.until(lambda: it.top == "Screen")

    assert [answer.kind for answer in it.answers] == ["approve"]


class Own(ModalScreen[str]):
    def compose(self) -> ComposeResult:
        yield Input(id="inside")


async def test_a_question_opens_over_a_modal_screen_of_the_app_and_gives_it_back(guest, question) -> None:
    async with guest() as it:
        got: list[str | None] = []
        it.app.push_screen(Own(), got.append)
        await it.until(lambda: it.top == "Own")
        it.group.start_soon(it.ask, question())
        it.hands.passed += 1
        await it.approve()
        await it.until(lambda: it.answers and it.top == "Own")

        it.app.screen.dismiss("done")
        await it.until(lambda: got)

    assert got == ["done"]


async def test_an_app_that_ends_closes_what_is_open_without_an_answer(guest, question) -> None:
    answers: list[Answer] = []
    async with anyio.create_task_group() as group:
        async with guest() as it:

            async def ask() -> None:
                answers.append(await it.approver.ask(question()))

            async def watch() -> None:
                answers.append(await it.approver.watch(question(kind="escalate"), WaitStatus()))

            group.start_soon(ask)
            group.start_soon(watch)
            await it.live_card()
        with anyio.fail_after(20):
            while len(answers) < 2:  # noqa: ASYNC110 - the answers come from a look at the app
                await anyio.sleep(0.05)

    assert sorted(answer.kind for answer in answers) == ["cancel", "defer"]


async def test_without_a_running_app_nobody_is_asked(question) -> None:
    approver = TuiApprover(Foreign())

    assert await approver.ask(question()) == Answer.unattended()
    assert await approver.elicit(ElicitationRequest(ServerInfo("mail"), "?")) == ElicitationReply.cancel()
    approver.open_queue()


class Working(Foreign):
    """Its agent is a worker of its own."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request
        self.answer: Answer | None = None

    @work
    async def agent(self) -> None:
        assert self.approver is not None
        self.answer = await self.approver.ask(self.request)


async def test_an_agent_in_a_worker_is_answered(guest, question) -> None:
    async with guest(Working(question())) as it:
        it.app.agent()
        await it.approve()

        await it.until(lambda: it.app.answer)

    assert it.app.answer.kind == "approve"


async def test_an_agent_in_a_thread_with_a_loop_of_its_own_is_answered(guest, question) -> None:
    async with guest() as it:
        ended = threading.Event()
        got: list[Answer] = []

        def agent() -> None:
            got.append(asyncio.run(it.approver.ask(question())))
            ended.set()

        thread = threading.Thread(target=agent)
        thread.start()
        await it.approve()
        await it.until(ended.is_set)
        thread.join(5)

    assert [answer.kind for answer in got] == ["approve"]


async def test_a_question_from_a_thread_is_withdrawn_when_its_call_is_cancelled(guest, question) -> None:
    async with guest() as it:
        withdraw, ended = threading.Event(), threading.Event()

        async def call() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(it.approver.ask, question())
                await asyncio.to_thread(withdraw.wait, 10)
                group.cancel_scope.cancel()
            ended.set()

        thread = threading.Thread(target=lambda: asyncio.run(call()))
        thread.start()
        await it.live_card()
        withdraw.set()
        await it.until(ended.is_set)
        thread.join(5)

        await it.until(lambda: "withdrawn" in it.text.lower() or "took its call back" in it.text)
        assert it.approver.waiting == 0


async def test_a_wait_shown_in_another_thread_asks_its_own_loop_for_the_next_check(guest, question) -> None:
    async with guest() as it:
        checked = threading.Event()

        async def call() -> None:
            status = WaitStatus(polls=3)
            async with anyio.create_task_group() as group:
                group.start_soon(it.approver.watch, question(kind="escalate", escalation_to="finance"), status)
                await status.pause(10)
                checked.set()
                group.cancel_scope.cancel()

        thread = threading.Thread(target=lambda: asyncio.run(call()))
        thread.start()
        await it.until(lambda: it.top == "WaitingScreen" and "finance" in it.text)
        await it.pilot.pause()
        await it.press("c", after=2)
        await it.until(checked.is_set)
        thread.join(5)

        await it.until(lambda: it.top == "Screen")


class Greedy(Foreign):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "own('a')", priority=True)]


async def test_an_app_whose_own_keys_come_first_is_warned_and_other_keys_can_be_given(guest, question, caplog) -> None:
    async with guest(Greedy()) as it:
        it.group.start_soon(it.ask, question())
        await it.live_card()
    async with guest(Greedy(), keys={"approve": "f5"}) as other:
        other.group.start_soon(other.ask, question(expires_at=question().expires_at))
        await other.live_card()
        await other.press("f5")
        await other.press("y", after=0.5)
        await other.until(lambda: other.answers)

    assert caplog.text.count("takes a for itself") == 1
    assert other.answers[0].kind == "approve"


async def test_keys_that_would_make_a_yes_easier_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="pressed by habit"):
        TuiApprover(Foreign(), keys={"approve": "backspace"})


async def test_no_timer_is_left_when_nothing_waits(guest, question) -> None:
    async with guest() as it:
        it.group.start_soon(it.ask, question())
        await it.approve()
        await it.until(lambda: it.answers)

        await it.until(lambda: it.approver._hosted._questions._ticking is None)
