"""The offer to remember a yes on the full screen: what is shown, what alone saves it, and how each use is told (G1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from textual import events

from allowly_harness.approvers.remembering import RememberingApprover
from allowly_harness.grants import Ends, Grants, GrantStore, Rule
from allowly_harness.grants.drafting import MINUTES, USES, RuleDraft
from allowly_harness.protocol.models import Answer, ApprovalRequest, ToolCall, ToolInfo

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GrantStore]:
    with GrantStore(tmp_path / "grants.db") as opened:
        yield opened


@pytest.fixture
def grants(store: GrantStore) -> Grants:
    return Grants(store, authority="a", granted_by="ada", dangerous=["mail:delete_mailbox"])


@pytest.fixture
def rememberable(question) -> Callable[..., ApprovalRequest]:
    def make(**fields: Any) -> ApprovalRequest:
        tool = ToolInfo("send_email", description="Sends.")
        return question(**{"tool": tool, "authorization_id": "auth-1", "expires_at": LATER, **fields})

    return make


async def play(desk, grants: Grants | None, request: ApprovalRequest, *steps: str | float | Callable) -> list[Answer]:
    """Play on one card: keys, seconds that pass, and functions that are called with the desk."""
    if grants is not None:
        desk.approver.remember_with(grants)
    async with anyio.create_task_group() as group:
        group.start_soon(desk.ask, request)
        await desk.until(lambda: desk.card == "ApprovalScreen" and desk.app.screen.keys.painted)
        for step in steps:
            if isinstance(step, float):
                desk.hands.passed += step
            elif callable(step):
                await step(desk)
            else:
                await desk.press(step)
        got = list(desk.answers)
        group.cancel_scope.cancel()
    return got


async def offered(desk) -> None:
    await desk.until(lambda: desk.card == "RememberScreen" and desk.app.screen.keys.painted)
    await desk.until(lambda: not desk.app.screen.keys.needs_scroll)


async def answered(desk) -> None:
    await desk.until(lambda: desk.answers)


async def back_on_the_card(desk) -> None:
    await desk.until(lambda: desk.card == "ApprovalScreen")


def told(desk) -> str:
    """Return what the app has notified of."""
    return " ".join(one.message for one in desk.app._notifications)


async def pasted(desk) -> None:
    desk.app.screen.post_message(events.Paste("ay\n"))
    await desk.pilot.pause()


async def test_the_rule_is_shown_whole_and_its_own_two_keys_save_it_and_approve(
    running, rememberable, grants, store
) -> None:
    shown: list[str] = []

    async def look(desk) -> None:
        shown.append(" ".join(desk.text.split()))

    async with running(size=(100, 30)) as desk:
        got = await play(desk, grants, rememberable(), 1.3, "m", offered, look, 1.3, "a", 0.5, "y", answered)

    ((grant, why),) = store.all()
    assert (got[0].kind, got[0].grant, why) == ("approve", None, "")
    assert (grant.rule.scope, grant.uses_left, grant.used) == ("call", USES[0], 0)
    assert 'send_email on mail, exactly with to = "ada@example.com", 10 times, until' in shown[0]


@pytest.mark.parametrize(
    "steps",
    [
        ("a", 0.5, "y"),
        (1.3, "enter", "space", "y", 0.5, "y", "Y", pasted),
        (1.3, "a", 0.1, "y"),
        (1.3, "a", 6.0, "y"),
        (1.3, "a", 0.5, "enter"),
        (1.3, "a", 0.5, "c", 0.5, "y"),
        (1.3, "c", "a", 0.5, "y"),
        (1.3, "a", 0.5, pasted),
    ],
    ids=["ahead", "habits", "too fast", "too slow", "enter", "another rule", "just changed", "pasted"],
)
async def test_nothing_else_saves_it(running, rememberable, grants, store, steps) -> None:
    async with running(size=(100, 30)) as desk:
        got = await play(desk, grants, rememberable(), 1.3, "m", offered, *steps)

    assert (got, store.all()) == ([], ())


async def test_keys_typed_ahead_do_not_go_from_the_card_to_a_saved_rule(running, rememberable, grants, store) -> None:
    async with running(size=(100, 30)) as desk:
        got = await play(desk, grants, rememberable(), 1.3, "m", "a", "y", offered, "a", "y")

    assert (got, store.all()) == ([], ())


async def test_escape_goes_back_to_the_card_with_nothing_saved(running, rememberable, grants, store) -> None:
    async with running(size=(100, 30)) as desk:
        got = await play(
            desk,
            grants,
            rememberable(),
            1.3,
            "m",
            offered,
            1.3,
            "escape",
            back_on_the_card,
            1.3,
            "a",
            0.5,
            "y",
            answered,
        )

    assert (got[0].kind, store.all()) == ("approve", ())


async def test_a_wider_rule_is_another_text_that_is_read_first(running, rememberable, grants, store) -> None:
    async with running(size=(100, 30)) as desk:
        steps = (1.3, "m", offered, 1.3, "c", 1.3, "c", offered, 1.3, "a", 0.5, "y", answered)
        await play(desk, grants, rememberable(), *steps)

    assert store.all()[0][0].rule == Rule.any_call()


async def test_a_dangerous_call_is_not_offered_unless_it_is_named(running, rememberable, grants) -> None:
    async def says_so(desk) -> None:
        await desk.until(lambda: "remember_dangerous" in " ".join(desk.text.split()))
        await desk.until(lambda: desk.card == "ApprovalScreen")

    async with running(size=(100, 30)) as desk:
        await play(desk, grants, rememberable(danger="destructive"), 1.3, "m", says_so)


async def test_a_dangerous_call_that_is_named_wants_its_word(running, rememberable, grants, store) -> None:
    request = rememberable(call=ToolCall("mail", "delete_mailbox", {"mailbox": "all"}), danger="destructive")
    typing = ("a", 0.5, *[part for letter in "delete" for part in (letter, 0.1)], "enter", answered)
    async with running(size=(100, 30)) as desk:
        got = await play(desk, grants, request, 1.3, "m", offered, 1.3, *typing)

    assert got[0].kind == "approve"
    assert [grant.binding.tool for grant, _ in store.all()] == ["delete_mailbox"]


async def test_as_long_as_it_is_not_turned_on_the_key_says_so(running, rememberable) -> None:
    async def says_so(desk) -> None:
        await desk.until(lambda: "remember = true" in " ".join(desk.text.split()))

    async with running(size=(100, 30)) as desk:
        await play(desk, None, rememberable(), 1.3, "m", says_so)


async def test_a_rule_that_cannot_be_kept_leaves_the_question_open(running, rememberable, grants, store) -> None:
    store._connection.execute("PRAGMA query_only = ON")
    async with running(size=(100, 30)) as desk:
        got = await play(desk, grants, rememberable(), 1.3, "m", offered, 1.3, "a", 0.5, "y", back_on_the_card)

    assert got == []


async def test_each_automatic_approval_is_told_and_counted_and_one_key_revokes_the_grant(
    running, rememberable, grants
) -> None:
    request = rememberable()
    await grants.save(request, Rule.any_call(), Ends(minutes=5))
    async with running(size=(100, 30)) as desk:
        approver = RememberingApprover(desk.approver, grants)

        answer = await approver.automatic(request)
        await desk.until(lambda: "1 WITHOUT ASKING (g)" in desk.text)
        await desk.until(lambda: "send_email on mail, with any arguments" in told(desk))
        await desk.press("g")
        await desk.until(lambda: "Revoked grant" in told(desk))

        assert answer is not None
        assert answer.grant is not None
        assert await approver.automatic(request) is None


def test_a_rule_is_chosen_step_by_step_and_begins_narrow() -> None:
    draft = RuleDraft(ToolCall("mail", "send", {"to": "a", "body": "b"}))

    assert (draft.rule(), draft.ends()) == (
        Rule.exactly(ToolCall("mail", "send", {"to": "a", "body": "b"})),
        Ends(MINUTES[0], USES[0]),
    )
    draft.next_scope()
    draft.toggle(0)
    draft.toggle(9)
    assert draft.rule() == Rule.values(ToolCall("mail", "send", {"to": "a", "body": "b"}), ["to"])
    draft.toggle(1)
    assert draft.rule() is None
    draft.next_scope()
    for _ in range(4):
        draft.next_minutes()
    for _ in range(2):
        draft.next_uses()
    assert (draft.rule(), draft.ends()) == (Rule.any_call(), None)
    draft.toggle_session()
    assert draft.ends() == Ends(session=True)
