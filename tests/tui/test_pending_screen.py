"""The list of all that waits, and the page on which several are approved together (G1, G3)."""

from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import pytest
from textual.events import Paste

from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.protocol.models import Answer

pytestmark = pytest.mark.anyio

YES = Answer.approve(60)


@pytest.fixture
def listed(running, question):
    """Run an app with questions to these people, the list open: `async with listed("ada", "bob") as (desk, asked)`."""

    @asynccontextmanager
    async def run(*names, size=(100, 40), others=(), seconds=400.0):
        first = question().expires_at
        requests = [
            question(arguments={"to": name}, expires_at=first + timedelta(seconds=seconds - 41 + at))
            for at, name in enumerate(names)
        ]
        requests += others
        answers: dict[str, Answer] = {}

        async def ask(desk, request) -> None:
            answers[str(request.call.arguments.get("to", request.call.tool))] = await desk.approver.ask(request)

        async with running(size=size) as desk, anyio.create_task_group() as group:
            desk.asked, desk.answered = requests, answers
            for request in requests:
                group.start_soon(ask, desk, request)
            await desk.until(lambda: desk.app.questions.count == len(requests))
            await desk.until(lambda: desk.card == "ApprovalScreen" and desk.app.screen.keys.painted)
            await desk.press("p", after=1.3)
            await desk.until(lambda: desk.card == "PendingScreen" and desk.app.screen._live_from is not None)
            desk.hands.passed += 1.3
            yield desk
            group.cancel_scope.cancel()

    return run


async def approve_page(desk) -> None:
    await desk.press("A")
    await desk.until(lambda: desk.card == "ApproveMarkedScreen" and desk.app.screen._live_from is not None)
    desk.hands.passed += 1.3


async def test_all_that_waits_is_listed_with_what_differs_and_the_time_left(listed, question):
    wait = question(kind="escalate", escalation_to="compliance", tool_name="refund")
    async with listed("ada", "bob") as desk, anyio.create_task_group() as group:
        group.start_soon(desk.approver.watch, wait, WaitStatus())

        await desk.until(lambda: "3 waiting: 2 for you, 1 for others." in desk.text)

        await desk.until(lambda: 'to="ada"' in desk.text and 'to="bob"' in desk.text and "compliance" in desk.text)
        group.cancel_scope.cancel()


async def test_enter_opens_one_and_its_answer_leads_back_to_the_list(listed):
    async with listed("ada", "bob") as desk:
        await desk.press("j", "enter")
        await desk.until(lambda: desk.card == "ApprovalScreen" and desk.app.screen.keys.painted)
        await desk.until(lambda: '"bob"' in desk.text)

        await desk.press("a", after=1.3)
        await desk.press("y", after=0.5)
        await desk.until(lambda: desk.answered)

        assert desk.answered == {"bob": YES}
        await desk.until(lambda: desk.card == "PendingScreen")
        await desk.until(lambda: "1 waiting" in desk.text)


async def test_marked_calls_are_denied_after_y_and_no_others(listed):
    async with listed("ada", "bob", "eve") as desk:
        await desk.press("space", "j", "space")
        await desk.press("D")
        await desk.until(lambda: "Deny 2 marked calls?" in desk.text)
        await desk.press("y", after=0.5)
        await desk.until(lambda: len(desk.answered) == 2)

        assert desk.answered == {"ada": Answer.deny(), "bob": Answer.deny()}


@pytest.mark.parametrize("steps", [("D", "y"), ("D", 0.5, "enter", "y"), ("D", 6.0, "y"), ("enter_first",)])
async def test_nothing_is_denied_by_anything_else(listed, steps):
    async with listed("ada", "bob") as desk:
        await desk.press("space")
        for step in steps:
            if isinstance(step, float):
                desk.hands.passed += step
            elif step != "enter_first":
                await desk.press(step)

        assert desk.answered == {}


async def test_marked_calls_are_approved_by_their_number_once_all_were_on_the_screen(listed):
    async with listed("ada", "bob", "eve") as desk:
        await desk.press("space", "j", "space")
        await approve_page(desk)
        await desk.until(lambda: '"ada"' in desk.text and '"bob"' in desk.text and "That was all." in desk.text)
        assert '"eve"' not in desk.text

        await desk.press("2")
        await desk.press("enter", after=0.5)
        await desk.until(lambda: len(desk.answered) == 2)

        assert desk.answered == {"ada": YES, "bob": YES}
        await desk.until(lambda: desk.card == "PendingScreen")


@pytest.mark.parametrize(
    "steps",
    [
        ("enter",),
        ("y", "enter"),
        ("3", 0.5, "enter"),
        ("1", 0.5, "enter"),
        ("2", "enter"),
        ("2", 6.0, "enter"),
        ("2", 0.5, "2", 0.5, "enter"),
        ("2", 0.5, "escape"),
        ("2", 0.5, "space", 0.5, "a", "y"),
        ("paste",),
    ],
    ids=repr,
)
async def test_nothing_else_approves_marked_calls(listed, steps):
    """G1."""
    async with listed("ada", "bob") as desk:
        await desk.press("space", "j", "space")
        await approve_page(desk)
        for step in steps:
            if isinstance(step, float):
                desk.hands.passed += step
            elif step == "paste":
                desk.app.post_message(Paste("2\n"))
                await desk.pilot.pause()
            else:
                await desk.press(step)

        assert desk.answered == {}


async def test_the_number_counts_only_after_the_hold_off_and_after_the_end_was_on_the_screen(listed):
    """G1."""
    async with listed("ada", "bob", size=(80, 15)) as desk:
        await desk.press("space", "j", "space")
        await approve_page(desk)
        for key in ("2", "enter", "end", "2", "enter"):
            await desk.press(key, after=0.5)
        await desk.until(lambda: "lines were not on the screen yet" in desk.text)
        assert desk.answered == {}

        for key in ("home", *["space"] * 8, "2", "enter"):
            await desk.press(key, after=0.5)
        await desk.until(lambda: len(desk.answered) == 2)

        assert desk.answered == {"ada": YES, "bob": YES}


async def test_a_call_that_ends_meanwhile_drops_out_and_makes_the_number_wrong(listed):
    """G3."""
    async with listed("ada", "bob", "eve", seconds=60.0) as desk:
        await desk.press("space", "j", "space", "j", "space")
        await approve_page(desk)
        await desk.press("3", after=55.5)  # the first ends at 60 s

        await desk.press("enter", after=1.0)
        desk.hands.passed += 1.0
        await desk.pilot.pause()
        assert YES not in desk.answered.values()
        await desk.until(lambda: "ended meanwhile" in desk.text)


async def test_a_call_that_is_answered_elsewhere_drops_out(listed):
    """G3."""
    async with listed("ada", "bob", "eve") as desk:
        await desk.press("space", "j", "space", "j", "space")
        await approve_page(desk)
        await desk.press("3")

        desk.approver.closing(desk.asked[0], Closure("answered", approved=False))
        await desk.until(lambda: desk.app.questions.count == 2)
        await desk.press("enter", after=0.5)

        assert desk.answered == {}
        await desk.until(lambda: "APPROVE 2 MARKED CALLS" in desk.text)


async def test_dangerous_folded_and_escalated_calls_are_not_approved_together(listed, question):
    later = question().expires_at + timedelta(seconds=1000)
    others = [
        question(arguments={"to": "danger"}, danger="the server marks it as destructive", expires_at=later),
        question(arguments={"to": "long", "body": "x" * 5000}, expires_at=later),
        question(arguments={"to": "boss"}, kind="escalate", escalation_to="me", may_resolve=True, expires_at=later),
    ]
    for other, why in zip(others, ("it is dangerous", "part of it is folded", "it is no plain question"), strict=True):
        async with listed("ada", others=[other]) as desk:
            await desk.press("space", "j", "space", "A")

            await desk.until(lambda why=why: why in desk.text)
            await desk.until(lambda: desk.card == "PendingScreen")


async def test_an_escalation_that_others_decide_cannot_be_marked(listed, question):
    other = question(kind="escalate", escalation_to="boss")
    async with listed(others=[other]) as desk:
        await desk.press("space")

        await desk.until(lambda: "cannot be marked" in desk.text)


async def test_the_list_is_grouped_filtered_and_sorted(listed, question):
    other = question(tool_name="delete", arguments={}, expires_at=question().expires_at + timedelta(seconds=2000))
    async with listed("ada", "bob", others=[other]) as desk:
        await desk.press("g")
        await desk.until(lambda: desk.text.index("delete ") < desk.text.index("send_email "))
        await desk.press("g", "f", "u")

        await desk.until(lambda: "by time left" in desk.text and "f all" in desk.text)


async def test_one_marked_call_is_approved_on_its_own_card(listed):
    async with listed("ada", "bob") as desk:
        await desk.press("space", "A")

        await desk.until(lambda: "One call is approved on its own card" in desk.text)


async def test_clicks_open_but_answer_nothing(listed):
    """G1."""
    async with listed("ada", "bob") as desk:
        await desk.press("space", "j", "space")
        await approve_page(desk)
        for y in range(0, 40, 3):
            await desk.pilot.click(offset=(10, y))

        assert desk.answered == {}
        await desk.until(lambda: desk.card == "ApproveMarkedScreen")
