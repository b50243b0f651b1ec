"""The list against a model: events that are lost, repeated, late and in another order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from allowly_authority.waiting import PromptEvent
from allowly_authority.wire.inbox_replies import PromptItem
from allowly_harness.inbox import listing
from allowly_harness.inbox.listing import WaitingList

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Item(PromptItem):
    approvals: int = 0
    has_call: bool = False


def item(number: int, status: str = "pending", approvals: int = 0) -> Item:
    return Item(
        kind="escalate",
        escalation_id=f"esc_{number}",
        authorization_id="az_1",
        user_id="user_1",
        agent_id="bot",
        scope="pay",
        resource=None,
        status=status,
        created_at=NOON,
        expires_at=NOON + timedelta(minutes=number % 7),
        escalation_to="compliance",
        approvals=approvals,
    )


@dataclass
class Model:
    """The authority: how every question stands now, and all that was ever true of it."""

    now: dict[int, Item] = field(default_factory=dict)
    past: list[Item] = field(default_factory=list)

    def put(self, one: Item, number: int) -> None:
        self.now[number] = one
        self.past.append(one)

    @property
    def waiting(self) -> set[str]:
        return {one.prompt_id for one in self.now.values() if one.status == "pending"}


steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "vote", "end", "end", "repeat", "lost", "snapshot", "half"]),
        st.integers(0, 5),
        st.booleans(),
        st.integers(0, 30),
    ),
    max_size=40,
)


@given(steps)
def test_after_each_snapshot_the_list_is_what_waits_whatever_was_lost_repeated_or_late(taken):
    model, kept = Model(), WaitingList()
    for what, number, told, which in taken:
        play(model, kept, what, number, which, told=told)
        shown = {one.prompt_id for one in kept.items}
        ended_for_good = {f"esc_{n}" for n, one in model.now.items() if one.status != "pending"}
        if what == "snapshot":
            assert shown == model.waiting
            assert [one.expires_at for one in kept.items] == sorted(one.expires_at for one in kept.items)
        assert not {one for one in shown if one in ended_for_good} & kept._ended.keys()


def play(model: Model, kept: WaitingList, what: str, number: int, which: int, *, told: bool) -> None:
    current = model.now.get(number)
    match what:
        case "ask" if current is None:
            model.put(item(number), number)
        case "vote" if current is not None and current.status == "pending":
            model.put(item(number, approvals=current.approvals + 1), number)
        case "end" if current is not None and current.status == "pending":
            model.put(item(number, "approved"), number)
        case "repeat" if model.past:
            kept.take(PromptEvent("created", (model.past[which % len(model.past)],)))
            return
        case "lost":
            kept.take(PromptEvent("lost"))
            return
        case "snapshot" | "half":
            items = [one for one in model.now.values() if one.status == "pending"]
            half = len(items) // 2
            kept.take(PromptEvent("snapshot", tuple(items[:half]), 1, has_more=True))
            if what == "snapshot":
                kept.take(PromptEvent("snapshot", tuple(items[half:]), 2, has_more=False))
            return
        case _:
            return
    if told:
        kept.take(PromptEvent("created", (model.now[number],)))


@given(st.permutations([item(1), item(1, approvals=1), item(1, approvals=2), item(1, "approved")]))
def test_in_whatever_order_a_question_is_told_of_it_ends_and_stays_ended(told):
    kept = WaitingList()

    changes = [change for one in told for change in kept.take(PromptEvent("created", (one,)))]

    assert kept.items == ()
    assert [change.kind for change in changes].count("arrived") <= 1
    votes = [change.item.approvals for change in changes if change.item is not None and change.kind != "ended"]
    assert votes == sorted(votes)


def test_more_than_are_kept_leave_the_most_urgent_and_ask_for_the_others_later(monkeypatch):
    monkeypatch.setattr(listing, "MAX_LISTED", 4)
    kept = WaitingList()

    kept.take(PromptEvent("snapshot", tuple(item(number) for number in range(7)), 1, has_more=False))

    assert [one.prompt_id for one in kept.items] == ["esc_0", "esc_1", "esc_2", "esc_3"]
    assert kept.more
    assert not kept.wants_snapshot
    for number in (0, 1):
        kept.take(PromptEvent("resolved", (item(number, "approved"),)))
    assert kept.wants_snapshot
