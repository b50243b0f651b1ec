"""What each key of an approval card does, in a running app (G1, G2, G3)."""

import anyio
import pytest
from textual.widgets import TextArea

from allowly_harness.approvers.base import Closure
from allowly_harness.protocol.models import Answer, ToolInfo

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
TOOL = ToolInfo("send_email", input_schema=SCHEMA)


@pytest.fixture
def on_card(running):
    """Run steps on a fresh card: keys, numbers of seconds, or functions of the desk. Returns the answers."""

    async def play(request, *steps, size=(80, 40)) -> list[Answer]:
        async with running(size=size) as desk, anyio.create_task_group() as group:
            group.start_soon(desk.ask, request)
            await desk.until(lambda: desk.card == "ApprovalScreen" and desk.app.screen.keys.painted)
            desk.hands.passed += 1.3
            for step in steps:
                if callable(step):
                    await step(desk)
                elif isinstance(step, float):
                    desk.hands.passed += step
                else:
                    await desk.press(step)
            if desk.card == "MainScreen":
                await desk.until(lambda: desk.answers)
            got = list(desk.answers)
            group.cancel_scope.cancel()
        return got

    return play


def shows(text: str):
    async def step(desk) -> None:
        await desk.until(lambda: text in desk.text)

    return step


def writes(text: str):
    async def step(desk) -> None:
        await desk.until(lambda: desk.card == "EditingScreen")
        area = desk.app.screen.query_one(".form-raw", TextArea)
        await desk.until(lambda: desk.app.focused is area)
        area.text = text
        await desk.pilot.pause()

    return step


async def test_a_reply_takes_the_place_of_the_tool(on_card, question):
    got = await on_card(question(), "t", *"Tomorrow", "enter", *"ok", shows("11 of 500"), "ctrl+s")

    assert got == [Answer.respond("Tomorrow\nok")]


async def test_an_empty_reply_is_not_sent_and_can_be_left(on_card, question):
    assert await on_card(question(), "t", "ctrl+s", "escape", shows("a approve"), "escape") == [Answer.cancel()]


async def test_edited_arguments_are_compared_and_then_sent(on_card, question):
    """G2: the editor approves nothing; what it sends is a new call."""
    steps = [
        "e",
        writes('{"to": "bob@example.com"}'),
        "ctrl+s",
        shows("+ to"),
        shows('"ada@example.com"'),
        "ctrl+s",
        shows("^s again sends it."),
        0.5,
        "ctrl+s",
    ]

    assert await on_card(question(tool=TOOL), *steps) == [Answer.edit({"to": "bob@example.com"})]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"to": ', "line 1"),
        ('{"to": 5}', "to"),
        ('{"to": "a", "to": "b"}', "twice"),
        ('{"to": "ada@example.com"}', "Nothing was changed yet."),
    ],
)
async def test_arguments_that_cannot_be_sent_are_not(on_card, question, text, said):
    got = await on_card(question(tool=TOOL), "e", writes(text), "ctrl+s", shows(said), 0.5, "ctrl+s", 0.5, "ctrl+s")

    assert got == []


async def test_leaving_the_editor_with_changes_takes_two_keys_and_goes_back_to_the_question(on_card, question):
    async def still_editing(desk) -> None:
        await desk.until(lambda: desk.card == "EditingScreen")

    steps = ["e", writes('{"to": "bob"}'), "escape", shows("esc again drops them"), still_editing, "escape"]

    assert await on_card(question(tool=TOOL), *steps, shows("WILL BE SENT"), 1.3, "escape") == [Answer.cancel()]


async def test_an_edit_begins_with_what_was_written_before(on_card, question):
    request = question(tool=TOOL, draft={"to": 5}, note="The edited arguments do not fit the tool: to")

    assert await on_card(request, "e", shows('"to": 5')) == []


async def test_an_edit_can_be_sent_after_the_question_ended(on_card, question):
    steps = ["e", writes('{"to": "bob"}'), 60.0, "ctrl+s", 0.5, "ctrl+s"]

    assert await on_card(question(tool=TOOL), *steps) == [Answer.edit({"to": "bob"})]


async def test_arguments_with_secrets_are_edited_only_once_they_are_shown(on_card, question):
    request = question(arguments={"password": "hunter2"})

    await on_card(request, "e", shows("s shows them, then edit"), "s", shows("hunter2"), "e", shows("EDIT THE ARG"))


async def test_a_dangerous_call_wants_its_word(on_card, question):
    request = question(tool_name="delete_mailbox", danger="the server marks it as destructive")
    word = [step for letter in "delete" for step in (0.4, letter)]

    assert (
        await on_card(
            request, shows("DANGEROUS"), "a", shows("Type delete and enter"), 0.5, "y", 0.5, "enter", shows("Taken")
        )
        == []
    )
    assert await on_card(request, "a", *word, 0.4, "enter") == [Answer.approve(60)]


async def test_pasting_the_word_of_a_dangerous_call_does_nothing(on_card, question):
    from textual.events import Paste

    async def paste(desk) -> None:
        desk.app.post_message(Paste("delete\n"))
        await desk.pilot.pause()

    request = question(tool_name="delete_mailbox", danger="the server marks it as destructive")

    assert await on_card(request, "a", 0.5, paste, 0.5, "enter") == []


async def test_a_named_approver_leaves_a_note(on_card, question):
    request = question(kind="escalate", escalation_to="compliance", may_resolve=True)

    got = await on_card(request, "o", *"ticket", "space", "7", "enter", shows("goes with your decision"), "a", 0.5, "y")

    assert got == [Answer.approve(60, note="ticket 7")]


async def test_a_named_approver_denies_with_a_reason(on_card, question):
    request = question(kind="escalate", escalation_to="compliance", may_resolve=True)

    assert await on_card(request, "d", *"no", "enter") == [Answer.deny("no")]


async def test_keys_pressed_by_habit_say_what_to_press(on_card, question):
    steps = ["y", shows("y alone is no answer"), "enter", shows("Enter is no answer"), "1", shows("letters here")]

    assert await on_card(question(), *steps, "n", shows("No other question waits. d denies this one.")) == []


@pytest.mark.parametrize("key", ["a", "d", "y", "enter"])
async def test_who_raised_an_escalation_is_told_who_decides(on_card, question, key):
    """G11."""
    request = question(kind="escalate", escalation_to="compliance")

    assert await on_card(request, key, shows("Another person decides this: w waits for them")) == []


async def test_the_full_view_is_searched(on_card, question):
    lines = "\n".join(f"line {number}" for number in range(200)) + "\nneedle here"
    steps = ["v", "slash", *"needle", "enter", shows("needle here"), "slash", *"nothing", "enter", shows("Not found.")]

    assert await on_card(question(arguments={"body": lines.split("\n")}), *steps) == []


async def test_the_list_of_keys_opens_and_the_question_is_held_off_anew(on_card, question):
    steps = ["question_mark", shows("KEYS OF A QUESTION"), "escape", shows("WILL BE SENT"), "a", 0.5, "y"]

    assert await on_card(question(), *steps) == []


@pytest.mark.parametrize(
    ("closure", "said"),
    [
        (
            Closure("answered", approved=True, by="grace\x1b[2J"),
            'approved by "grace\\x1b[2J" (as the authority recorded)',
        ),
        (Closure("answered", approved=False), "denied by somebody else (as the authority recorded)"),
        (Closure("withdrawn"), "The agent took its call back. Nothing was approved."),
    ],
)
async def test_a_card_closed_elsewhere_says_why_and_answers_nothing(running, question, closure, said):
    """G3."""
    request = question()
    async with running() as desk, anyio.create_task_group() as group:
        group.start_soon(desk.ask, request)
        await desk.until(lambda: desk.card == "ApprovalScreen" and desk.app.screen.keys.painted)
        await desk.press("a", after=1.3)

        desk.approver.closing(request, closure)
        group.cancel_scope.cancel()
        await desk.press("y", after=0.5)

        await desk.until(lambda: said in desk.text)
        assert desk.answers == []
        await desk.press("y", after=1.3)
        await desk.until(lambda: desk.card == "MainScreen")


async def test_an_editor_closes_with_its_question_and_says_that_nothing_was_sent(running, question):
    request = question(tool=TOOL)
    async with running() as desk, anyio.create_task_group() as group:
        group.start_soon(desk.ask, request)
        await desk.until(lambda: desk.card == "ApprovalScreen" and desk.app.screen.keys.painted)
        await desk.press("e", after=1.3)
        await writes('{"to": "bob"}')(desk)

        desk.approver.closing(request, Closure("withdrawn"))
        group.cancel_scope.cancel()

        await desk.until(lambda: "Not sent: the arguments that you had changed." in desk.text)
        await desk.until(lambda: desk.card == "ApprovalScreen")


async def test_the_last_seconds_stand_in_words(on_card, question):
    async def tick(desk) -> None:
        desk.app.screen.tick()

    await on_card(question(), 30.0, tick, shows("LAST 10 SECONDS"))
