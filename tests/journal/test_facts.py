"""What the journal is told of a question: where it stood, what was shown, who answered, how long it took."""

from __future__ import annotations

import hashlib
from typing import Any

import anyio
import pytest
from blocked_calls import PAY, BlockedCall

from allowly_authority.binding import canonical_json
from allowly_harness import Answer, ApprovalRequest
from allowly_harness.account import account_name
from allowly_harness.approvers.attached.values import dump_asked
from allowly_harness.approvers.base import Desk
from allowly_harness.approvers.showing import Page, Pages, shown_text
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.protocol.errors import JournalError

pytestmark = pytest.mark.anyio


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Person:
    """Says yes on a surface with a name, and is shown a text that grows."""

    surface = "paper"

    def __init__(self) -> None:
        self.text = "card"

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.text = "card and page"
        return Answer.approve()

    def shown(self, request: ApprovalRequest) -> str:
        return self.text


async def test_a_question_is_written_with_its_surface_the_text_shown_and_no_default() -> None:
    call = BlockedCall(Person())

    await call.run()

    asked = call.facts("asked")
    assert (asked["surface"], asked["shown"], asked["default"]) == ("paper", digest("card"), "none")
    assert asked["verification"] == "matched"


async def test_an_answer_is_written_with_who_gave_it_where_how_fast_and_after_reading_what() -> None:
    call = BlockedCall(Person())

    await call.run()

    answered = call.facts("answered")
    assert answered["answer"] == "approve"
    assert (answered["surface"], answered["shown"]) == ("paper", digest("card and page"))
    assert (answered["by"], answered["automatic"]) == (account_name(), False)
    assert 0 <= answered["seconds"] < 5
    assert "grant" not in answered


async def test_the_name_that_the_session_was_opened_as_stands_for_the_user() -> None:
    call = BlockedCall(Person(), kind="escalate")

    await call.run(acting_as="compliance")

    assert call.facts("answered")["by"] == "compliance"


async def test_for_a_callback_the_request_itself_is_what_was_shown() -> None:
    seen: list[ApprovalRequest] = []

    async def ask(request: ApprovalRequest) -> Answer:
        seen.append(request)
        return Answer.deny()

    call = BlockedCall(ask)

    await call.run()

    assert call.facts("asked")["surface"] == "callback"
    assert call.facts("asked")["shown"] == digest(canonical_json(dump_asked(seen[0])))


@pytest.mark.parametrize("policy", ["deny", "defer", "fail"])
async def test_nobody_there_is_an_automatic_answer_of_nobody_to_whom_nothing_was_shown(policy: Any) -> None:
    call = BlockedCall(UnattendedApprover(policy))

    await call.run()

    asked, answered = call.facts("asked"), call.facts("answered")
    assert (asked["surface"], "shown" in asked) == ("unattended", False)
    assert (answered["surface"], answered["automatic"], "by" in answered) == ("unattended", True, False)


async def test_an_answer_found_at_the_authority_is_written_with_the_name_there(monkeypatch) -> None:
    monkeypatch.setattr("allowly_harness.performing.watching.FIRST_LOOK_SECONDS", 0.01)

    async def ask(request: ApprovalRequest) -> Answer:
        call.authority.answer_elsewhere("the-id", "approved", by="grace")
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    call = BlockedCall(ask)

    await call.run()

    answered = call.facts("answered")
    assert (answered["elsewhere"], answered["surface"], answered["by"]) == ("approved", "elsewhere", "grace")


async def test_a_question_that_cannot_be_written_down_is_not_shown() -> None:
    """G12: the harness does not approve what it cannot record."""
    asked: list[ApprovalRequest] = []

    async def ask(request: ApprovalRequest) -> Answer:
        asked.append(request)
        return Answer.approve()

    call = BlockedCall(ask)

    async def full(record: Any) -> None:
        if record.step == "asked":
            raise JournalError("no room")

    call._record = full

    with pytest.raises(JournalError):
        await call.run()

    assert (asked, len(call.sent)) == ([], 1)
    assert call.authority.posted == [("the-id", "denied")]


async def test_an_approver_that_cannot_say_what_it_shows_is_asked_all_the_same() -> None:
    class Forgetful(Person):
        def shown(self, request: ApprovalRequest) -> str:
            raise RuntimeError

        def answered_on(self, request: ApprovalRequest) -> str:
            raise RuntimeError

    call = BlockedCall(Forgetful())

    ended = await call.run()

    assert ended.outcome == "approved"
    assert (call.facts("asked")["shown"], call.facts("answered")["surface"]) == (None, "callback")


async def test_what_was_shown_can_be_made_again_from_the_question_and_tells_pages_apart() -> None:
    requests: list[ApprovalRequest] = []

    async def ask(request: ApprovalRequest) -> Answer:
        requests.append(request)
        return Answer.deny()

    await BlockedCall(ask).run()
    pages, request = Pages(), requests[0]

    card = pages.text(request)
    pages.note(request, full=True)
    pages.note(request, full=True)

    assert card == shown_text(request)
    assert PAY.tool in card
    assert "ada" in card
    assert pages.text(request) == shown_text(request, (Page(), Page(full=True)))
    assert len({card, pages.text(request), shown_text(request, (Page(revealed=True),))}) >= 2


async def test_a_desk_asks_whom_an_approver_names_as_the_person() -> None:
    class Automat:
        async def ask(self, request: ApprovalRequest) -> Answer:
            raise AssertionError("the person is somebody else")

        async def automatic(self, request: ApprovalRequest) -> Answer | None:
            return None

        @property
        def person(self) -> Any:
            return Person()

    call = BlockedCall(None, desk=Desk(Automat()))

    assert (await call.run()).outcome == "approved"


async def test_whatever_fails_before_the_question_a_person_is_asked() -> None:
    class Broken(Person):
        async def automatic(self, request: ApprovalRequest) -> Any:
            raise OSError("damaged")

    class Odd(Person):
        async def automatic(self, request: ApprovalRequest) -> Any:
            return "approve"

    for approver in (Broken(), Odd()):
        call = BlockedCall(approver)

        await call.run()

        assert (call.facts("asked")["surface"], call.facts("answered")["automatic"]) == ("paper", False)
