"""How the screens of a question look, as text, in the three sizes that are promised."""

import time
from datetime import timedelta

import anyio
import pytest
from textual.widgets import TextArea

from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.protocol.models import ToolCall, ToolInfo

pytestmark = pytest.mark.anyio

SIZES = pytest.mark.parametrize("size", [(80, 24), (60, 15), (120, 40)], ids=["80x24", "60x15", "120x40"])
SCHEMA = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "amount": {"type": "number"}, "note": {"type": "string"}},
    "required": ["to", "amount"],
}
TOOL = ToolInfo(
    "send_invoice",
    title="Send an invoice",
    description="Sends an invoice to a customer.",
    annotations={"openWorldHint": True},
    input_schema=SCHEMA,
)
ARGUMENTS = {"to": "ada@example.com", "amount": 120.5, "note": "thank you\nsee you \u202eevil"}


@pytest.fixture
def invoice(question):
    """Make a question about an invoice."""

    def make(seconds: float = 41.0, **fields):
        given = {"arguments": ARGUMENTS, "tool_name": "send_invoice", "tool": TOOL, "requester": "billing-bot"}
        given |= {"authorization_id": "auth_7f3", "prompt_hint": "Send the invoice?\nIt is \x1b[1murgent\x1b[0m."}
        made = question(**{**given, **fields})
        return type(made)(
            **{
                **{name: getattr(made, name) for name in made.__dataclass_fields__},
                "expires_at": made.expires_at + timedelta(seconds=seconds - 41),
            }
        )

    return make


@pytest.fixture(autouse=True)
def in_utc(monkeypatch):
    """Let this computer stand where the files were drawn."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def drawn(running, snapshot):
    """Play keys on a fresh card and compare the screen with `NAME_80x24.txt`."""

    async def play(name, size, request, *steps) -> None:
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
            await settle(desk)
            snapshot(f"{name}_{size[0]}x{size[1]}", card(desk))
            group.cancel_scope.cancel()

    return play


def card(desk) -> str:
    """Return the text of the card alone; what lies behind it belongs to others."""
    region = desk.app.screen.query_one("#card").region
    lines = desk.text.splitlines()[region.y : region.bottom]
    return "\n".join(line[region.x : region.right] for line in lines)


async def settle(desk) -> None:
    """Let everything that is due be drawn."""
    screen = desk.app.screen
    for draw in ("tick", "draw", "_draw_about"):
        if hasattr(screen, draw):
            getattr(screen, draw)()
    for _ in range(3):
        await desk.pilot.pause()


@SIZES
async def test_a_question(drawn, invoice, size):
    await drawn("question", size, invoice())


async def test_a_question_whose_second_key_is_awaited(drawn, invoice):
    await drawn("question_armed", (80, 24), invoice(), "space", "space", "a")


@SIZES
async def test_a_dangerous_question(drawn, invoice, size):
    steps = ["space"] * 5
    await drawn("dangerous", size, invoice(danger="the server marks it as destructive"), *steps, "a", 0.5, "s")


@SIZES
async def test_an_escalation_of_ones_own(drawn, invoice, size):
    await drawn("escalation", size, invoice(kind="escalate", escalation_to="compliance"))


@SIZES
async def test_an_escalation_to_decide(drawn, invoice, size):
    await drawn("resolving", size, invoice(kind="escalate", escalation_to="compliance", may_resolve=True))


@SIZES
async def test_a_question_about_edited_arguments(drawn, invoice, size):
    before = ToolCall("mail", "send_invoice", {"to": "bob@example.com", "amount": 1205})

    await drawn("edited", size, invoice(edited_from=before, round=2, note="The arguments were edited."))


@SIZES
async def test_an_expired_question(drawn, invoice, size):
    await drawn("expired", size, invoice(), 41.0, "x", 1.3)


@SIZES
async def test_a_question_answered_elsewhere(drawn, invoice, size):
    request = invoice()

    async def close(desk) -> None:
        desk.approver.closing(request, Closure("answered", approved=True, by="grace"))
        await desk.until(lambda: "ANSWERED ELSEWHERE" in desk.text)
        desk.hands.passed += 1.3

    await drawn("elsewhere", size, request, close)


@SIZES
async def test_the_editor_and_its_comparison(drawn, invoice, size):
    async def write(desk) -> None:
        await desk.until(lambda: desk.card == "EditingScreen")
        area = desk.app.screen.query_one(".form-raw", TextArea)
        await desk.until(lambda: desk.app.focused is area)
        area.text = '{\n  "amount": 99,\n  "to": "ada@example.com"\n}'
        await desk.until(lambda: "ok: fits" in desk.text)

    await drawn("editing", size, invoice(), "e", write)
    await drawn("comparing", size, invoice(), "e", write, "ctrl+s")


@SIZES
async def test_a_wait(running, snapshot, invoice, size):
    request = invoice(seconds=3600, kind="escalate", escalation_to="compliance")
    async with running(size=size) as desk, anyio.create_task_group() as group:
        group.start_soon(desk.approver.watch, request, WaitStatus())
        await desk.until(lambda: desk.card == "WaitingScreen" and desk.app.screen._live_from)
        desk.hands.passed += 112
        await settle(desk)

        snapshot(f"waiting_{size[0]}x{size[1]}", card(desk))
        group.cancel_scope.cancel()


@SIZES
async def test_the_list_and_the_page_of_marked_calls(running, snapshot, invoice, size):
    requests = [
        invoice(400 + at, arguments={"to": name, "amount": 10 * at}) for at, name in enumerate(("ada", "bob", "eve"))
    ]
    requests.append(invoice(300, tool_name="delete_invoice", arguments={"id": 7}, danger="the server says so"))
    async with running(size=size) as desk, anyio.create_task_group() as group:
        for number, request in enumerate(requests, 1):
            group.start_soon(desk.ask, request)
            await desk.until(lambda number=number: desk.app.questions.count == number)
        await desk.until(lambda: desk.card == "ApprovalScreen" and desk.app.screen.keys.painted)
        await desk.press("p", after=1.3)
        await desk.until(lambda: desk.card == "PendingScreen" and desk.app.screen._live_from)
        desk.hands.passed += 1.3
        await desk.press("j", "space", "j", "space")
        await settle(desk)
        snapshot(f"pending_{size[0]}x{size[1]}", card(desk))

        await desk.press("A")
        await desk.until(lambda: desk.card == "ApproveMarkedScreen" and desk.app.screen._live_from)
        desk.hands.passed += 1.3
        await settle(desk)
        snapshot(f"marked_{size[0]}x{size[1]}", card(desk))
        group.cancel_scope.cancel()
