"""The queue of what waits for a person: order, one answer each (G3), limits (G6)."""

from datetime import UTC, datetime, timedelta

import pytest

from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.approvers.pending import MAX_PENDING, PendingQueue, QueueFull
from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import Answer, ApprovalRequest, ServerInfo, ToolCall, ToolInfo

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SERVER = ServerInfo("mail")


def question(seconds: float = 41.0, kind: str = "confirm") -> ApprovalRequest:
    return ApprovalRequest(
        kind=kind,
        call=ToolCall("mail", "send_email", {"to": "ada"}),
        reason="scope_requires_user_confirmation",
        expires_at=NOON + timedelta(seconds=seconds),
        server=SERVER,
        tool=ToolInfo("send_email"),
    )


@pytest.fixture
def queue() -> PendingQueue:
    return PendingQueue(Clock(lambda: NOON, lambda: 0.0))


async def test_what_ends_first_comes_first_and_what_has_no_end_comes_last(queue):
    asked = queue.add_elicitation(ElicitationRequest(SERVER, "your name?"))
    later = queue.add_question(question(90))
    wait = queue.add_wait(question(60, "escalate"), WaitStatus())
    soon = queue.add_question(question(10))

    assert queue.items == (soon, wait, later, asked)
    assert (queue.questions, queue.waits, queue.elicitations) == ((soon, later), (wait,), (asked,))
    assert queue.soonest is soon.deadline
    assert queue.count == 4


async def test_numbers_are_never_used_again(queue):
    first = queue.add_question(question())
    queue.remove(first)

    assert queue.add_question(question()).number == first.number + 1
    assert queue.find(first.number) is None


async def test_only_the_first_answer_counts(queue):
    """G3."""
    item = queue.add_question(question())

    assert queue.settle(item, Answer.deny())
    assert not queue.settle(item, Answer.approve())

    assert await item.answer == Answer.deny()
    assert queue.count == 0


async def test_after_it_was_withdrawn_no_answer_counts(queue):
    """G3."""
    item = queue.add_question(question())

    queue.withdraw(item.request, Closure("answered", approved=True, by="ada"))

    assert not queue.settle(item, Answer.approve())
    assert not item.answer.done()
    assert queue.count == 0


async def test_withdrawing_one_of_two_equal_questions_leaves_the_other_open(queue):
    one, two = queue.add_question(question()), queue.add_question(question())

    queue.withdraw(one.request, Closure("withdrawn"))

    assert queue.items == (two,)


async def test_listeners_hear_of_every_change_until_they_leave(queue):
    heard = []
    leave = queue.listen(lambda change: heard.append((change.kind, change.item.number)))
    item, other = queue.add_question(question()), queue.add_elicitation(ElicitationRequest(SERVER, "?"))
    queue.settle(item, Answer.deny())
    queue.remove(item)
    queue.remove(item)
    queue.withdraw(other.request, Closure("withdrawn"))
    leave()
    queue.remove(other)

    assert heard == [("added", 1), ("added", 2), ("settled", 1), ("removed", 1), ("closing", 2)]


async def test_an_elicitation_is_settled_with_its_own_kind_of_answer(queue):
    item = queue.add_elicitation(ElicitationRequest(SERVER, "?"))

    queue.settle(item, ElicitationReply.decline())

    assert await item.answer == ElicitationReply.decline()


async def test_the_queue_has_a_limit(queue):
    """G6."""
    for _ in range(MAX_PENDING):
        queue.add_question(question())

    with pytest.raises(QueueFull):
        queue.add_wait(question(), WaitStatus())


async def test_an_item_is_found_by_its_number_and_by_its_answer(queue):
    item = queue.add_question(question())

    assert queue.find(item.number) is item
    assert queue.of(item.answer) is item
