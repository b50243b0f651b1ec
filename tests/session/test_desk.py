"""The desk: who is asked when, and how many questions may be open."""

from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from allowly_harness import Answer, ApprovalRequest, ToolCall
from allowly_harness.approvers.base import MAX_WAITING_QUESTIONS, Closure, Desk
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import ServerInfo, ToolInfo

pytestmark = pytest.mark.anyio


def question(number: int = 0) -> ApprovalRequest:
    call = ToolCall("bank", "pay", {"number": number})
    return ApprovalRequest("confirm", call, "r", datetime.now(UTC), ServerInfo("bank"), ToolInfo("pay"))


class Person:
    """Keeps every question open until `go`."""

    def __init__(self, *, many: bool) -> None:
        self.handles_many = many
        self.open: list[Any] = []
        self.most = 0
        self.go = anyio.Event()
        self.closed: list[Any] = []

    async def ask(self, request: ApprovalRequest) -> Answer:
        await self._show(request)
        return Answer.deny()

    async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
        await self._show(request)
        return ElicitationReply.accept()

    def closing(self, request: Any, closure: Closure) -> None:
        self.closed.append(request)

    async def _show(self, request: Any) -> None:
        self.open.append(request)
        self.most = max(self.most, len(self.open))
        try:
            await self.go.wait()
        finally:
            self.open.remove(request)


async def asked(desk: Desk, answers: list[Any], number: int) -> None:
    answers.append(await desk.ask(question(number)))


@pytest.mark.parametrize(("many", "most"), [(False, 1), (True, 5)])
async def test_an_approver_is_given_as_many_questions_at_a_time_as_it_takes(many: bool, most: int) -> None:
    person = Person(many=many)
    desk, answers = Desk(person), []

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(asked, desk, answers, number)
            await anyio.wait_all_tasks_blocked()
            person.go.set()

    assert person.most == most
    assert answers == [Answer.deny()] * 5


@pytest.mark.parametrize("many", [False, True])
async def test_with_too_many_questions_waiting_nobody_is_asked(many: bool) -> None:
    """G6."""
    person = Person(many=many)
    desk, answers = Desk(person), []
    limit = MAX_WAITING_QUESTIONS + (not many)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for number in range(limit):
                group.start_soon(asked, desk, answers, number)
            await anyio.wait_all_tasks_blocked()
            assert desk.waiting == MAX_WAITING_QUESTIONS

            assert await desk.ask(question()) == Answer.unattended()
            assert await desk.elicit(ElicitationRequest(ServerInfo("bank"), "?")) == ElicitationReply.cancel()
            person.go.set()

    assert len(answers) == limit
    assert desk.waiting == 0


async def test_what_a_server_asks_for_waits_for_its_turn_too() -> None:
    person = Person(many=False)
    desk, request = Desk(person), ElicitationRequest(ServerInfo("bank"), "Which account?")

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(asked, desk, [], 1)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(desk.elicit, request)
            await anyio.wait_all_tasks_blocked()
            assert [type(item) for item in person.open] == [ApprovalRequest]
            person.go.set()

    assert person.most == 1


async def test_only_what_is_shown_is_told_why_it_closes() -> None:
    person = Person(many=False)
    desk, shown, waiting = Desk(person), question(1), question(2)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(desk.ask, shown)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(desk.ask, waiting)
            await anyio.wait_all_tasks_blocked()
            desk.closing(waiting, Closure("withdrawn"))
            desk.closing(shown, Closure("withdrawn"))
            person.go.set()
    desk.closing(shown, Closure("withdrawn"))

    assert person.closed == [shown]


async def test_a_plain_function_is_asked_one_question_at_a_time() -> None:
    async def ask(request: ApprovalRequest) -> Answer:
        return Answer.deny()

    desk = Desk(ask)

    assert not desk.handles_many
    assert not desk.can_elicit
    assert await desk.ask(question()) == Answer.deny()
