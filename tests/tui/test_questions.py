"""Which question opens when: order, drafts, what is set aside, what servers ask, reminders (G1, G6)."""

from datetime import timedelta

import anyio
import pytest
from textual.widgets import Input, TextArea

from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import Answer, ServerInfo
from allowly_harness.tui.asking.reminders import Reminders

pytestmark = pytest.mark.anyio

TALL = (80, 40)


@pytest.fixture
def named(question):
    """Make a question to a person of that name that ends so many seconds after noon."""

    def make(name: str, seconds: float = 400.0, **fields):
        first = question(**fields)
        end = first.expires_at + timedelta(seconds=seconds - 41)
        return question(arguments={"to": name}, expires_at=end, **fields)

    return make


async def painted(desk, text: str = "") -> None:
    await desk.until(lambda: desk.card == "ApprovalScreen" and desk.app.screen.keys.painted and text in desk.text)


async def test_what_ends_first_is_asked_first_and_several_sessions_ask_at_once(running, named):
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        desk.hands.passed += 10
        await desk.press("down")  # typing holds both back for a moment
        group.start_soon(desk.ask, named("later", 300))
        group.start_soon(desk.ask, named("soon", 100))
        await desk.until(lambda: desk.app.questions.count == 2)
        desk.hands.passed += 1

        await painted(desk, '"soon"')

        await desk.until(lambda: "1 more question waits" in desk.text)
        assert desk.app.questions.soonest.remaining < 100
        group.cancel_scope.cancel()


async def test_a_new_question_never_replaces_an_open_card(running, named):
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        group.start_soon(desk.ask, named("first", 300))
        await painted(desk, '"first"')
        group.start_soon(desk.ask, named("second", 100))
        await desk.until(lambda: desk.app.questions.count == 2)
        desk.app.screen.tick()

        await desk.until(lambda: "1 more question waits" in desk.text)
        await desk.until(lambda: '"first"' in desk.text)
        group.cancel_scope.cancel()


async def test_n_looks_at_the_next_question_and_p_at_the_list_and_none_is_answered(running, named):
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        group.start_soon(desk.ask, named("ada", 300))
        await painted(desk, '"ada"')
        group.start_soon(desk.ask, named("bob", 400))
        await desk.until(lambda: desk.app.questions.count == 2)

        await desk.press("n", after=1.3)
        await painted(desk, '"bob"')
        await desk.press("n", after=1.3)
        await painted(desk, '"ada"')
        await desk.press("p", after=1.3)
        await desk.until(lambda: desk.card == "PendingScreen")
        await desk.press("escape")
        await desk.until(lambda: desk.card == "MainScreen")
        desk.hands.passed += 5
        await desk.pilot.pause(0.5)

        await desk.until(lambda: desk.card == "MainScreen")
        assert desk.app.questions.count == 2
        assert desk.answers == []
        group.cancel_scope.cancel()


async def test_after_an_answer_the_next_question_opens_and_wants_keys_of_its_own(running, named):
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        group.start_soon(desk.ask, named("ada", 300))
        await painted(desk, '"ada"')
        group.start_soon(desk.ask, named("bob", 400))
        await desk.until(lambda: desk.app.questions.count == 2)
        await desk.press("a", after=1.3)
        await desk.press("y", after=0.5)
        desk.hands.passed += 1
        await painted(desk, '"bob"')

        await desk.press("a", "y", after=0.5)

        assert desk.answers == [Answer.approve(60)]
        group.cancel_scope.cancel()


async def test_an_unsent_draft_holds_a_question_back_until_it_is_left(running, named):
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        await desk.press("slash", *"sen")
        group.start_soon(desk.ask, named("ada"))
        await desk.until(lambda: "APPROVAL WAITING: send_email, 06:" in desk.text)
        desk.hands.passed += 60
        await desk.pilot.pause(1.0)
        await desk.until(lambda: desk.card == "MainScreen")
        assert desk.app.questions.held_back
        await desk.press("a", "y")
        assert desk.app.focused.value == "senay"

        await desk.press("enter")
        desk.hands.passed += 1
        await painted(desk, '"ada"')

        assert not desk.app.questions.held_back
        assert desk.answers == []
        group.cancel_scope.cancel()


async def test_f2_opens_the_question_over_a_draft_and_the_draft_stays(running, named):
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        await desk.press("slash", *"sen")
        group.start_soon(desk.ask, named("ada"))
        await desk.until(lambda: "APPROVAL WAITING" in desk.text)

        await desk.press("f2")
        await painted(desk, '"ada"')
        await desk.press("escape", after=1.3)
        await desk.until(lambda: desk.card == "MainScreen")

        assert desk.answers == [Answer.cancel()]
        assert desk.app.screen.query_one("#search", Input).value == "sen"
        await desk.until(lambda: "APPROVAL WAITING" not in desk.text)


async def test_an_emptied_field_is_no_draft(running, named):
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        await desk.press("slash", "x", "backspace")
        group.start_soon(desk.ask, named("ada"))
        desk.hands.passed += 1

        await painted(desk, '"ada"')
        group.cancel_scope.cancel()


async def test_arguments_that_were_sent_are_no_draft(running, named):
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        await desk.press("e", "x")
        assert isinstance(desk.app.focused, Input | TextArea)
        await desk.press("ctrl+r")
        group.start_soon(desk.ask, named("ada"))
        desk.hands.passed += 1

        await painted(desk, '"ada"')
        group.cancel_scope.cancel()


async def test_an_answered_card_makes_room_for_the_next_question_after_a_while(running, named):
    ada = named("ada", 300)
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        async with anyio.create_task_group() as first:
            first.start_soon(desk.ask, ada)
            await painted(desk, '"ada"')
            group.start_soon(desk.ask, named("bob", 400))
            await desk.until(lambda: desk.app.questions.count == 2)
            desk.approver.closing(ada, Closure("answered", approved=True, by="grace"))
            first.cancel_scope.cancel()
        await desk.until(lambda: 'approved by "grace"' in desk.text)

        desk.hands.passed += 5.1
        desk.app.screen.tick()

        await painted(desk, '"bob"')
        group.cancel_scope.cancel()


async def test_a_question_that_is_closed_while_it_is_not_on_the_screen_is_told_of(running, named):
    bob = named("bob", 400)
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        group.start_soon(desk.ask, named("ada", 300))
        await painted(desk, '"ada"')
        async with anyio.create_task_group() as second:
            second.start_soon(desk.ask, bob)
            await desk.until(lambda: desk.app.questions.count == 2)
            desk.approver.closing(bob, Closure("answered", approved=False, by="grace"))
            second.cancel_scope.cancel()

        await desk.until(lambda: any('denied by "grace"' in note.message for note in desk.app._notifications))
        await desk.until(lambda: desk.app.questions.count == 1)
        group.cancel_scope.cancel()


async def test_what_a_server_asks_for_opens_and_is_answered(running):
    request = ElicitationRequest(
        ServerInfo("mail"), "Which day?", schema={"type": "object", "properties": {"day": {"type": "string"}}}
    )
    replies = []

    async def elicit(desk) -> None:
        replies.append(await desk.approver.elicit(request))

    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        group.start_soon(elicit, desk)
        await desk.until(lambda: desk.card == "ElicitationScreen" and "Which day?" in desk.text)
        await desk.press("escape", after=1.3)
        await desk.until(lambda: replies)

        assert replies == [ElicitationReply.cancel()]
        assert desk.app.questions.count == 0


async def test_what_a_server_asked_for_closes_when_it_is_withdrawn(running):
    request = ElicitationRequest(ServerInfo("mail"), "Which day?")
    async with running(size=TALL) as desk:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.approver.elicit, request)
            await desk.until(lambda: desk.card == "ElicitationScreen")
            desk.approver.closing(request, Closure("withdrawn"))
            group.cancel_scope.cancel()

        await desk.until(lambda: desk.card == "MainScreen")


async def test_without_a_running_app_nothing_that_a_server_asks_for_is_accepted():
    from allowly_harness.tui.approver import TuiApprover

    reply = await TuiApprover().elicit(ElicitationRequest(ServerInfo("mail"), "?"))

    assert reply == ElicitationReply.cancel()


async def test_closing_the_app_leaves_what_is_awaited_open(running, question):
    ended = []

    async def watch(desk) -> None:
        ended.append(await desk.approver.watch(question(kind="escalate", escalation_to="boss"), WaitStatus()))

    async with running() as desk, anyio.create_task_group() as group:
        group.start_soon(watch, desk)
        await desk.until(lambda: desk.card == "WaitingScreen")

        desk.approver.detach()
        await desk.until(lambda: ended)

        assert ended == [Answer.defer()]


async def test_several_waits_stand_side_by_side_and_say_how_they_ended(running, named):
    boss = named("ada", kind="escalate", escalation_to="boss")
    async with running(size=TALL) as desk, anyio.create_task_group() as group:
        group.start_soon(desk.approver.watch, named("bob", kind="escalate", escalation_to="lead"), WaitStatus())
        await desk.until(lambda: desk.card == "WaitingScreen")
        async with anyio.create_task_group() as second:
            second.start_soon(desk.approver.watch, boss, WaitStatus())
            await desk.until(lambda: desk.app.questions.count == 2)
            desk.approver.closing(boss, Closure("answered", approved=True, by="boss"))
            second.cancel_scope.cancel()

        await desk.until(lambda: any('approved by "boss"' in note.message for note in desk.app._notifications))
        assert desk.app.questions.count == 1
        group.cancel_scope.cancel()


async def test_a_person_is_reminded_once_at_each_threshold(question, hands):
    from allowly_harness.approvers.pending import PendingQueue

    queue, reminders = PendingQueue(hands.clock()), Reminders()
    queue.add_question(question())
    queue.add_wait(question(kind="escalate", escalation_to="boss\x1b"), WaitStatus())
    said = []

    for _ in range(45):
        said += reminders.due(queue.items)
        hands.passed += 1

    assert said == [
        "Still unanswered: send_email runs out in 00:15.",
        "boss\\x1b has not decided yet: send_email runs out in 00:15.",
    ]
