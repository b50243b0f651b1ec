"""The approval screen in a running app: every key and state, by the test's own clock (G1, G8, G11)."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from allowly_harness.approvers.base import WaitStatus
from allowly_harness.protocol.models import Answer, ToolInfo, Verification
from allowly_harness.tui.asking.approval import ApprovalScreen

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOSTILE = json.loads((Path(__file__).parents[1] / "display" / "hostile_strings.json").read_text())
ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]")
CARRIED = [text for name, text in HOSTILE.items() if name != "surrogate"]


async def opened(desk, group, request) -> None:
    group.start_soon(desk.ask, request)
    await desk.until(lambda: desk.card == "ApprovalScreen" and desk.app.screen.keys.painted)


async def answers(running, request, *steps, size=(80, 24)) -> list[Answer]:
    async with running(size=size) as desk:
        return await play(desk, request, steps)


async def play(desk, request, steps) -> list[Answer]:
    """Press keys on a fresh card: each step is a key, or a number of seconds that pass."""
    desk.answers.clear()
    async with anyio.create_task_group() as group:
        await opened(desk, group, request)
        for step in steps:
            if isinstance(step, float):
                desk.hands.passed += step
            else:
                await desk.press(step)
        if desk.card != "ApprovalScreen":
            await desk.until(lambda: desk.answers)
        got = list(desk.answers)
        group.cancel_scope.cancel()
    await put_away(desk)
    return got


async def put_away(desk) -> None:
    """Close the card of a question that was withdrawn."""
    if desk.card != "MainScreen":
        await desk.until(lambda: "WITHDRAWN" in desk.text)
        await desk.press("escape", after=1.3)
    await desk.until(lambda: desk.card == "MainScreen")


async def test_a_and_then_y_approve(running, question):
    assert await answers(running, question(), 1.3, "a", 0.5, "y") == [Answer.approve(60)]


NO_ANSWERS = [
    ("a", "y"),
    ("enter", "space", "a", 0.5, "y", "y"),
    (1.3, "y"),
    (1.3, "enter"),
    (1.3, "space"),
    (1.3, "tab", "enter"),
    (1.3, "a", "y"),
    (1.3, "a", 6.0, "y"),
    (1.3, "a", 0.5, "enter", 0.5, "y"),
    (1.3, "a", 0.5, "a", 0.5, "y"),
    (1.3, "ctrl+p", "enter"),
    (1.3, "v", "a", 0.5, "n"),
    (40.9, "a", 0.5, "y"),
    (42.0, "a", 0.5, "y"),
    (1.3, "w", "g"),
]


async def test_no_other_keys_answer(running, question):
    async with running() as desk:
        for steps in NO_ANSWERS:
            desk.hands.passed += 100.0
            end = NOON + timedelta(seconds=desk.hands.passed + 41)

            got = await play(desk, question(expires_at=end), steps)

            assert got == [], steps


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        ((1.3, "escape"), Answer.cancel()),
        ((1.3, "ctrl+c"), Answer.cancel()),
        ((1.3, "l"), Answer.defer()),
        ((1.3, "d", "enter"), Answer.deny()),
        ((1.3, "d", "n", "o", "enter"), Answer.deny("no")),
        ((1.3, "d", "a", "y", "escape", "d", "enter"), Answer.deny()),
        ((1.3, "v", "escape", "escape"), Answer.cancel()),
        ((42.0, "r", 1.3, "r"), Answer.ask_again()),
        ((42.0, "r", 1.3, "escape"), Answer.expired()),
    ],
    ids=repr,
)
async def test_the_other_answers_have_keys_of_their_own(running, question, steps, answer):
    assert await answers(running, question(), *steps) == [answer]


@pytest.mark.parametrize(
    ("key", "answer"), [("w", Answer.wait()), ("l", Answer.defer()), ("g", Answer.deny("given up"))]
)
async def test_who_raised_an_escalation_can_wait_leave_it_or_give_up(running, question, key, answer):
    request = question(kind="escalate", escalation_to="compliance")

    assert await answers(running, request, 1.3, "a", 0.5, "y", key) == [answer]


async def test_a_folded_call_must_be_read_to_its_end_before_it_is_approved(running, question):
    request = question(arguments={"body": "x" * 5000})

    assert await answers(running, request, 1.3, "a", 0.5, "y") == []
    assert await answers(running, request, 1.3, "v", "escape", "a", 0.5, "y") == []
    assert await answers(running, request, 1.3, "v", "end", "escape", "a", 0.5, "y") == []
    pages = ["space"] * 8
    assert await answers(running, request, 1.3, "v", *pages, "escape", *pages, "a", 0.5, "y") == [Answer.approve(60)]


async def test_a_card_larger_than_the_screen_must_be_scrolled_before_it_is_approved(running, question):
    request = question(arguments={f"name_{number}": number for number in range(12)})
    pages = ["space"] * 6

    assert await answers(running, request, 1.3, "a", 0.5, "y", size=(60, 15)) == []
    assert await answers(running, request, 1.3, "end", "a", 0.5, "y", size=(60, 15)) == []
    assert await answers(running, request, 1.3, *pages, "a", 0.5, "y", size=(60, 15)) == [Answer.approve(60)]


async def test_nothing_can_be_approved_on_a_tiny_screen(running, question):
    assert await answers(running, question(), 1.3, "end", "a", 0.5, "y", size=(39, 24)) == []
    assert await answers(running, question(), 1.3, "escape", size=(39, 24)) == [Answer.cancel()]


async def test_the_card_holds_nothing_that_could_be_focused_or_clicked(running, question):
    async with running() as desk, anyio.create_task_group() as group:
        await opened(desk, group, question(prompt_hint="[@click=screen.dismiss(True)]Click[/]"))
        desk.hands.passed += 1.3

        for y in range(0, 24, 2):
            await desk.pilot.click(offset=(8, y))

        assert desk.app.screen.focus_chain == []
        await desk.until(lambda: "[@click=screen.dismiss(True)]Click[/]" in desk.text)
        assert desk.answers == []
        group.cancel_scope.cancel()


async def test_a_withdrawn_question_says_so_and_any_key_closes_it(running, question):
    async with running() as desk:
        async with anyio.create_task_group() as group:
            await opened(desk, group, question())
            group.cancel_scope.cancel()

        await desk.until(lambda: "WITHDRAWN" in desk.text)
        await desk.until(lambda: "The agent took its call back. Nothing was approved." in desk.text)
        await desk.press("a", "y")
        await desk.until(lambda: desk.card == "ApprovalScreen")
        await desk.press("a", after=1.3)
        await desk.until(lambda: desk.card == "MainScreen")
        assert "WAITING" not in desk.text


async def test_a_second_question_waits_for_the_first_and_is_held_off_anew(running, question):
    async with running() as desk, anyio.create_task_group() as group:
        await opened(desk, group, question())
        group.start_soon(desk.ask, question(arguments={"to": "bob"}))
        await desk.until(lambda: "1 more question waits" in desk.text or not desk.app.screen.tick())
        await desk.press("a", after=1.3)
        await desk.press("y", after=0.5)
        desk.hands.passed += 1.0  # the person stops typing
        await desk.until(lambda: '"bob"' in desk.text)

        await desk.press("a", "y", after=0.5)

        assert desk.answers == [Answer.approve(60)]
        group.cancel_scope.cancel()


async def test_a_resize_takes_a_half_given_yes_back(running, question):
    async with running() as desk, anyio.create_task_group() as group:
        await opened(desk, group, question())
        await desk.press("a", after=1.3)

        await desk.pilot.resize_terminal(100, 30)
        await desk.press("y", after=0.5)

        assert desk.answers == []
        group.cancel_scope.cancel()


async def test_an_expired_card_says_so_and_goes_inert(running, question):
    async with running() as desk, anyio.create_task_group() as group:
        await opened(desk, group, question())
        await desk.press("a", after=1.3)

        await desk.press("y", after=41.0)

        await desk.until(lambda: "EXPIRED - NOTHING RAN" in desk.text)
        await desk.until(lambda: "Nothing was approved or sent" in desk.text)
        group.cancel_scope.cancel()


async def test_pasted_text_does_nothing(running, question):
    from textual.events import Paste

    async with running() as desk, anyio.create_task_group() as group:
        await opened(desk, group, question())
        desk.hands.passed += 1.3

        desk.app.screen.post_message(Paste("ay\nyes\n"))
        await desk.pilot.pause()

        assert desk.answers == []
        assert not desk.app.screen.keys.armed
        group.cancel_scope.cancel()


async def test_without_a_running_app_nobody_is_asked(question):
    from allowly_harness.tui.approver import TuiApprover

    assert await TuiApprover().ask(question()) == Answer.unattended()


async def test_closing_the_app_answers_no_question_with_yes(running, question):
    async with running() as desk, anyio.create_task_group() as group:
        await opened(desk, group, question())
        await desk.press("a", after=1.3)

        desk.approver.detach()
        await desk.until(lambda: desk.answers)

        assert desk.answers == [Answer.cancel()]
        group.cancel_scope.cancel()


async def test_secrets_are_masked_until_s_is_pressed(running, question):
    async with running() as desk, anyio.create_task_group() as group:
        await opened(desk, group, question(arguments={"password": "hunter2"}))
        masked = desk.text

        await desk.press("s", after=1.3)

        assert "hunter2" not in masked
        await desk.until(lambda: "hunter2" in desk.text)
        group.cancel_scope.cancel()


async def test_hostile_strings_are_drawn_as_text(running, question):
    """G8."""
    async with running(size=(100, 40)) as desk:
        for start in range(0, len(CARRIED), 10):
            some = CARRIED[start : start + 10]
            request = question(
                tool_name=some[0],
                arguments={text: text for text in some},
                prompt_hint="\n".join(some),
                reason=some[1],
                scope=some[2],
                note=some[3],
                round=2,
                verification=Verification.UNBOUND,
                tool=ToolInfo(some[4], title=some[5], description=some[6]),
            )
            screen = ApprovalScreen(request, clock=desk.hands.clock())
            await desk.app.push_screen(screen)
            await desk.until(lambda: "WILL BE SENT" in desk.text)
            drawn = desk.text
            await desk.app.pop_screen()

            assert not ACTING.search(drawn), ascii(some)


async def test_waiting_can_be_left_and_opened_again_and_given_up(running, question):
    status, ended = WaitStatus(), []

    async def watch(desk) -> None:
        ended.append(await desk.approver.watch(question(kind="escalate", escalation_to="compliance"), status))

    async with running() as desk, anyio.create_task_group() as group:
        group.start_soon(watch, desk)
        await desk.until(lambda: desk.card == "WaitingScreen" and desk.app.screen._live_from)
        await desk.until(lambda: "WAITS FOR ANOTHER APPROVER" in desk.text and '"compliance"' in desk.text)
        await desk.press("enter", after=2.0)
        await desk.until(lambda: desk.card == "MainScreen")
        await desk.until(lambda: "1 WAITING" in desk.text)

        await desk.press("p")
        await desk.until(lambda: desk.card == "PendingScreen")
        await desk.press("enter")
        await desk.until(lambda: desk.card == "WaitingScreen" and desk.app.screen._live_from)
        await desk.press("c", "x", "n", "y", after=2.0)
        assert ended == []
        await desk.press("x", "y")
        assert ended == []
        await desk.press("x")
        await desk.press("y", after=0.5)
        await desk.until(lambda: ended)

        assert ended == [Answer.cancel()]
        await desk.until(lambda: desk.card == "PendingScreen")
        await desk.press("escape")
        await desk.until(lambda: desk.card == "MainScreen")
        with anyio.fail_after(20):
            await status.pause(60)


async def test_waiting_ends_when_the_session_has_the_decision(running, question):
    async with running() as desk:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.approver.watch, question(kind="escalate", escalation_to="boss"), WaitStatus())
            await desk.until(lambda: desk.card == "WaitingScreen")
            group.cancel_scope.cancel()

        await desk.until(lambda: desk.card == "MainScreen")
