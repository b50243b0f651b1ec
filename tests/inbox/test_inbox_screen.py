"""The full screen of the inbox: a real app, keys that a test presses, an authority on paper."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from settling import press

from allowly_authority.wire.operator_replies import HolderReply
from allowly_harness.inbox import AuthorityInbox
from allowly_harness.inbox.holder import holder_of
from allowly_harness.protocol.errors import JournalError
from allowly_harness.settings import TerminalSettings
from allowly_harness.tui.asking.approval import ApprovalScreen
from allowly_harness.tui.inbox.app import InboxApp

pytestmark = pytest.mark.anyio


class Desk:
    """A running app with what a test does to it."""

    def __init__(self, app: InboxApp, pilot, hands) -> None:
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

    async def open(self) -> ApprovalScreen:
        """Open the question under the cursor, and let its keys count."""
        await self.press("enter")
        await self.until(lambda: isinstance(self.app.screen, ApprovalScreen))
        await self.pilot.pause()
        await self.until(lambda: self.app.screen.keys.painted)
        self.hands.passed += 1.5
        self.app.screen._draw_keys()
        await self.pilot.pause()
        return self.app.screen

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


@pytest.fixture
def running(paper, hands):
    """Run the app: `async with running() as desk`."""

    @asynccontextmanager
    async def run(size=(80, 24), settings=None, reply=None, journal=None) -> AsyncIterator[Desk]:
        holder = holder_of(reply or await paper.holder(), None)
        inbox = AuthorityInbox(paper, holder, clock=hands.clock(), journal=journal)
        app = InboxApp(inbox, settings=settings, key_time=lambda _: hands.passed)
        owner = asyncio.create_task(app.own_inbox())
        async with app.run_test(size=size, notifications=True) as pilot:
            desk = Desk(app, pilot, hands)
            await desk.until(lambda: app.inbox.complete)
            await pilot.pause()
            yield desk
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)

    return run


async def test_the_list_shows_what_waits_and_nothing_opens_by_itself(running, paper):
    """G1."""
    async with running() as desk:
        paper.ask("send_email")

        await desk.shows("send_email")

        assert not isinstance(desk.app.screen, ApprovalScreen)
        assert "1 WAITING" in desk.text


async def test_a_question_is_approved_with_two_keys_and_leaves_the_list(running, paper):
    asked = paper.ask()
    async with running() as desk:
        await desk.open()
        await desk.press("a")
        await desk.press("y", after=0.5)

        await desk.shows("Nothing waits.")

    assert paper.posted == [(asked, "approved", "ada", None)]


async def test_a_note_goes_with_the_approval_and_a_reason_with_the_rejection(running, paper):
    first, second = paper.ask(seconds=600), paper.ask(seconds=900)
    async with running() as desk:
        await desk.open()
        await desk.press("o", *"fine", "enter", "a")
        await desk.press("y", after=0.5)
        await desk.until(lambda: len(paper.posted) == 1)
        await desk.until(lambda: len(desk.app.inbox.items) == 1)
        await desk.open()
        await desk.press("d", *"no", "enter")
        await desk.until(lambda: len(paper.posted) == 2)

    assert paper.posted == [(first, "approved", "ada", "fine"), (second, "rejected", "ada", "no")]


@pytest.mark.parametrize(
    "keys", [["enter"], ["y"], ["escape"], ["ctrl+c"], ["a", "a"], ["a", "enter"], ["space"], ["e"], ["t"]]
)
async def test_no_other_keys_answer(running, paper, keys):
    """G1."""
    paper.ask()
    async with running() as desk:
        await desk.open()
        for key in keys:
            await desk.press(key, after=0.5)

    assert paper.posted == []


async def test_keys_typed_before_the_card_was_there_do_not_count(running, paper):
    """G1."""
    paper.ask()
    async with running() as desk:
        await desk.press("enter", "a", "y")
        await desk.until(lambda: isinstance(desk.app.screen, ApprovalScreen))
        await desk.press("a", "y")

    assert paper.posted == []


async def test_a_call_that_is_not_shown_is_approved_by_a_typed_word_alone(running, paper):
    asked = paper.ask("send_email", give=False)
    async with running(size=(100, 30)) as desk:
        await desk.open()
        assert "DANGEROUS" in desk.text
        await desk.press("a")
        await desk.press("y", after=0.5)
        await desk.press("enter", after=0.5)
        assert paper.posted == []
        await desk.press("a", after=1)
        for key in (*"send", "enter"):
            await desk.press(key, after=0.5)
        await desk.until(lambda: paper.posted)

    assert paper.posted == [(asked, "approved", "ada", None)]


async def test_a_call_that_is_handed_in_while_its_card_is_open_is_seen_when_it_is_opened_again(running, paper):
    """G2: what stands on an open card never changes."""
    asked = paper.ask("send_email", give=False)
    async with running(size=(100, 30)) as desk:
        await desk.open()
        paper.hand_in(asked)
        await desk.shows("handed in meanwhile")
        assert "ada@example.com" not in desk.text
        await desk.press("escape")
        await desk.open()

        assert "ada@example.com" in desk.text


async def test_an_open_card_goes_inert_and_says_who_was_first(running, paper):
    """G3."""
    asked = paper.ask()
    async with running() as desk:
        await desk.open()
        paper.settle(asked, "rejected", "bob", "too late in the day")

        await desk.shows("ANSWERED ELSEWHERE")

        assert 'Rejected by "bob": "too late in the day"' in desk.text
        await desk.press("a", after=2)
        await desk.press("y", after=0.5)
    assert paper.posted == []


async def test_whoever_is_beaten_while_posting_is_told_so(running, paper):
    asked = paper.ask()
    async with running() as desk:
        await desk.open()
        paper.silent = True
        paper.settle(asked, "approved", "bob")
        await desk.press("a")
        await desk.press("y", after=0.5)

        await desk.shows("Somebody was first")

    assert paper.posted == []


async def test_an_expired_card_offers_nothing_but_to_close_it(running, paper):
    paper.ask(seconds=60)
    async with running() as desk:
        card = await desk.open()
        desk.hands.passed += 61
        card.tick()
        await desk.shows("EXPIRED")
        desk.hands.passed += 2
        card._draw_keys()
        await desk.shows("esc close")

        assert "ask again" not in desk.text
        await desk.press("r")
        await desk.press("escape")
        await desk.until(lambda: not isinstance(desk.app.screen, ApprovalScreen))
    assert paper.posted == []


async def test_escape_leaves_the_question_open_and_in_the_list(running, paper):
    paper.ask()
    async with running() as desk:
        await desk.open()
        assert "put away" in desk.text
        assert "e edit" not in desk.text
        await desk.press("escape")

        await desk.shows("1 WAITING")
    assert paper.posted == []


async def test_the_next_question_is_one_key_away(running, paper):
    paper.ask("first_tool", seconds=60)
    paper.ask("second_tool", seconds=90)
    async with running() as desk:
        card = await desk.open()
        assert card.request.call.tool == "first_tool"
        await desk.press("n")
        await desk.until(lambda: isinstance(desk.app.screen, ApprovalScreen) and desk.app.screen is not card)

        assert desk.app.screen.request.call.tool == "second_tool"


async def test_a_lost_connection_is_shown_and_the_list_stays(running, paper):
    paper.ask("send_email")
    async with running() as desk:
        paper.lose("The authority went silent.")

        await desk.shows("NOT CONNECTED, trying again")
        assert "send_email" in desk.text
        await desk.shows("1 WAITING")


async def test_a_question_that_does_not_fit_its_record_is_not_opened(running, paper):
    asked = paper.ask()
    paper.prompts[asked].given = type(paper.prompts[asked].given)("send_email", '{"to":"eve@example.com"}', "mail")
    async with running() as desk:
        await desk.press("enter")

        await desk.shows("nobody is asked")
        assert not isinstance(desk.app.screen, ApprovalScreen)


async def test_what_is_answered_elsewhere_opens_as_a_page_that_says_where(running, paper):
    paper.ask(kind="confirm")
    async with running(reply=HolderReply(principal_id="ada", roles=["approver", "operator"])) as desk:
        await desk.press("enter")

        await desk.shows("answers there")
        await desk.press("a", "y")
    assert paper.posted == []


async def test_the_search_leaves_what_fits_and_escape_brings_the_rest_back(running, paper):
    paper.ask("send_email", agent_id="mail-bot")
    paper.ask("pay", agent_id="shop-bot")
    async with running() as desk:
        await desk.press("slash", *"shop")
        await desk.until(lambda: "send_email" not in desk.text)
        assert "pay" in desk.text
        await desk.press("escape")
        await desk.shows("send_email")


async def test_the_history_lists_what_this_key_decided(running, paper):
    asked = paper.ask("send_email")
    paper.settle(asked, "rejected", "ada", "not today")
    async with running() as desk:
        await desk.press("h")

        await desk.shows("not today")
        assert "rejected" in desk.text


async def test_keys_can_be_moved(running, paper):
    settings = TerminalSettings(keys={"approve": "g", "give-up": "z", "inbox-history": "x"})
    asked = paper.ask()
    async with running(settings=settings) as desk:
        await desk.press("x")
        await desk.shows("WHAT YOU HAVE DECIDED")
        await desk.press("escape")
        await desk.open()
        await desk.press("g")
        await desk.press("y", after=0.5)
        await desk.until(lambda: paper.posted)

    assert paper.posted == [(asked, "approved", "ada", None)]


async def test_foreign_text_is_inert_in_the_list(running, paper):
    """G8."""
    paper.ask("send\x1b[2J", agent_id="[b]bot[/]\u202e", user_id="[@click=app.quit]x[/]")
    async with running(size=(120, 30)) as desk:
        await desk.shows("\\x1b[2J")

        assert "[@click=app" in desk.text
        assert not any(character in desk.text for character in "\x1b\u202e")


async def test_the_workspace_key_is_told_once_that_it_tells_nobody_apart(running, paper):
    async with running(reply=HolderReply(principal_id="workspace", roles=["workspace"])) as desk:
        await desk.shows("tells nobody apart")


async def test_a_reminder_comes_at_half_of_the_time(running, paper):
    paper.ask("send_email", seconds=100)
    async with running() as desk:
        desk.app._tick()
        desk.hands.passed = 51
        desk.app._tick()

        await desk.shows("Still unanswered: send_email")


async def test_the_journal_is_told_of_a_yes_of_what_was_put_away_and_of_who_was_first(running, paper):
    """G12."""
    first, _, third = paper.ask(seconds=60), paper.ask(seconds=90), paper.ask(seconds=120)
    records = []

    async def journal(record):
        records.append(record)

    async with running(journal=journal) as desk:
        await desk.open()
        await desk.press("a")
        await desk.press("y", after=0.5)
        await desk.until(lambda: len(records) == 3)
        await desk.until(lambda: len(desk.app.inbox.items) == 2)
        await desk.open()
        await desk.press("v")
        await desk.press("escape", "escape")
        await desk.until(lambda: len(records) == 5)
        await desk.press("down")
        await desk.open()
        paper.settle(third, "rejected", "bob")
        await desk.shows("ANSWERED ELSEWHERE")
        desk.hands.passed += 2
        await desk.press("escape")
        await desk.until(lambda: len(records) == 7)

    assert [one[0] for one in paper.posted] == [first]
    assert [record.step for record in records] == [*("asked", "answered", "posted"), *("asked", "answered") * 2]
    yes, put_away, beaten = records[1].facts, records[4].facts, records[6].facts
    assert (yes["answer"], yes["surface"], yes["by"], yes["shown"]) == (
        "approve",
        "tui",
        "ada",
        records[0].facts["shown"],
    )
    assert put_away["answer"] == "defer"
    assert put_away["shown"] != records[3].facts["shown"]
    assert (beaten["elsewhere"], beaten["by"]) == ("rejected", "bob")


async def test_leaving_with_an_open_card_is_written_down_as_leaving_it_open(running, paper):
    paper.ask()
    records = []

    async def journal(record):
        records.append(record)

    async with running(journal=journal) as desk:
        await desk.open()
        await desk.press("ctrl+q")
        await desk.until(lambda: len(records) == 2)

    assert records[1].facts["answer"] == "defer"
    assert paper.posted == []


async def test_a_question_that_cannot_be_written_down_opens_no_card(running, paper):
    """G12."""
    paper.ask()

    async def journal(_):
        raise JournalError("The journal cannot be written: the disk is full.")

    async with running(journal=journal) as desk:
        await desk.press("enter")

        await desk.shows("the disk is full")
        assert not isinstance(desk.app.screen, ApprovalScreen)


@pytest.mark.parametrize("size", [(80, 24), (60, 15)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_screens_are_drawn_as_they_were(running, paper, snapshot, size):
    paper.ask("transfer_funds", {"amount": "250.00", "to": "DE02 1203 0000 0000 2020 51"}, seconds=45 * 60)
    second = paper.ask("delete_mailbox", {"name": "ada"}, seconds=20 * 3600, approvals_needed=2, agent_id="ops-bot")
    paper.vote(second, "bob")
    paper.ask("grant_access", give=False, seconds=90, user_id="user_4711")
    name = f"{size[0]}x{size[1]}"
    async with running(size=size) as desk:
        await desk.shows("transfer_funds")
        snapshot(f"list_{name}", desk.text)
        await desk.press("down")
        await desk.open()
        snapshot(f"card_{name}", desk.text)
        await desk.press("escape")
        await desk.press("up")
        await desk.open()
        snapshot(f"hidden_{name}", desk.text)
        await desk.press("escape")
        await desk.press("down", "down")
        card = await desk.open()
        await desk.press("end")
        card._draw_keys()
        await desk.pilot.pause()
        snapshot(f"quorum_{name}", desk.text)
