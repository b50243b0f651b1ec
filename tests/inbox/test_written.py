"""What an approver was asked and answered stands in their journal, each step before the next one (G12)."""

from __future__ import annotations

import hashlib
import json
from contextlib import AsyncExitStack

import anyio
import pytest

from allowly_harness.approvers.showing import shown_text
from allowly_harness.inbox import QuestionRefused
from allowly_harness.inbox.written import FrontEnd
from allowly_harness.journal import Fate, Intact, Journal, verify
from allowly_harness.journal.calls import calls_of
from allowly_harness.journal.figures import figures_of
from allowly_harness.protocol.errors import JournalError
from allowly_harness.protocol.models import Answer

pytestmark = pytest.mark.anyio


class Book:
    """A journal on paper: keeps each step with how much had been posted by then, and refuses what it is told to."""

    def __init__(self, paper) -> None:
        self.paper = paper
        self.records: list = []
        self.posted_by: list[int] = []
        self.refuses: tuple[str, ...] = ()
        self.written = anyio.Event()
        self.problem: Exception = JournalError("The journal cannot be written: the disk is full.")

    async def __call__(self, record) -> None:
        if record.step in self.refuses:
            raise self.problem
        self.records.append(record)
        self.posted_by.append(len(self.paper.posted))
        if record.step == "answered":
            self.written.set()

    @property
    def steps(self) -> list[str]:
        return [record.step for record in self.records]


@pytest.fixture
def book(paper) -> Book:
    return Book(paper)


@pytest.fixture
async def real(tmp_path):
    async with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


async def test_each_step_is_written_before_the_next_one_is_taken(paper, opened, book):
    """G12."""
    asked = paper.ask()

    async with opened(journal=book) as inbox:
        question = await inbox.question(asked)
        assert book.steps == ["asked"]
        await inbox.answer(question, Answer.approve(note="fine"))

    assert list(zip(book.steps, book.posted_by, strict=True)) == [("asked", 0), ("answered", 0), ("posted", 1)]
    assert len({record.conversation for record in book.records}) == 1


async def test_who_was_asked_what_where_and_how_long_it_took_is_written_and_no_id_of_the_question(
    paper, opened, book, hands
):
    """G7."""
    asked = paper.ask(approvals_needed=2)
    front = FrontEnd("tui")

    async with opened(journal=book) as inbox:
        question = await inbox.question(asked, showing=front)
        hands.passed += 4.5
        front.pages.note(question.request, full=True)
        await inbox.answer(question, Answer.deny("no"))

    first, answered, posted = (record.facts for record in book.records)
    card = hashlib.sha256(shown_text(question.request).encode()).hexdigest()
    assert (first["kind"], first["to"], first["agent"], first["user"]) == (
        "escalate",
        "compliance",
        "mail-bot",
        "user_1",
    )
    assert (first["surface"], first["shown"], first["default"], first["arguments"]) == ("tui", card, "none", "shown")
    assert (answered["answer"], answered["by"], answered["seconds"], answered["surface"]) == ("deny", "ada", 4.5, "tui")
    assert answered["shown"] == hashlib.sha256(front.pages.text(question.request).encode()).hexdigest() != card
    assert (posted["status"], posted["approved"]) == ("recorded", False)
    assert asked not in json.dumps([record.facts for record in book.records])


@pytest.mark.parametrize("problem", [JournalError("The journal cannot be written: full."), RuntimeError("broken")])
async def test_a_question_that_cannot_be_written_down_is_put_to_nobody(paper, opened, book, problem):
    """G12."""
    asked = paper.ask()
    book.refuses, book.problem = ("asked",), problem

    async with opened(journal=book) as inbox:
        with pytest.raises(QuestionRefused, match=r"(?i)nobody is asked"):
            await inbox.question(asked)


@pytest.mark.parametrize("problem", [JournalError("The journal cannot be written: full."), RuntimeError("broken")])
async def test_an_answer_that_cannot_be_written_down_is_not_posted_and_may_be_given_anew(paper, opened, book, problem):
    """G12."""
    asked = paper.ask()
    book.refuses, book.problem = ("answered", "posted"), problem

    async with opened(journal=book) as inbox:
        question = await inbox.question(asked)
        refused = await inbox.answer(question, Answer.approve())
        assert (refused.kind, paper.posted) == ("not_sent", [])
        assert refused.words.startswith("Nothing was answered")
        book.refuses = ()
        taken = await inbox.answer(question, Answer.deny())

    assert taken.kind == "recorded"
    assert paper.posted == [(asked, "rejected", "ada", None)]


async def test_where_the_end_cannot_be_written_the_answer_stands_and_the_person_is_told(paper, opened, book):
    asked = paper.ask()
    book.refuses = ("posted",)

    async with opened(journal=book) as inbox:
        verdict = await inbox.answer(await inbox.question(asked), Answer.approve())

    assert verdict.kind == "recorded"
    assert "could not be written into the journal" in verdict.words
    assert len(paper.posted) == 1


async def test_an_answer_that_is_called_off_before_it_is_sent_is_written_down_as_not_sent(paper, opened, book):
    asked = paper.ask()

    async with opened(journal=book) as inbox:
        question = await inbox.question(asked)
        with anyio.CancelScope() as scope:

            async def called_off(**_) -> None:
                scope.cancel()
                await anyio.sleep_forever()

            inbox._answering.authority.lookup_prompt = called_off
            await inbox.answer(question, Answer.approve())

    assert book.records[-1].facts["status"] == "not_sent"
    assert paper.posted == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("", ("approved", Fate.NOT_HERE)),
        ("before", ("unknown", Fate.UNKNOWN)),
        ("unsent", ("not sent", Fate.NOT_HERE)),
        ("refuse", ("refused", Fate.NOT_HERE)),
        ("beaten", ("earlier", Fate.NOT_HERE)),
    ],
)
async def test_the_journal_says_what_came_of_an_answer(paper, opened, real, fault, said):
    asked = paper.ask()
    paper.faults["resolve"] = [fault] if fault else []

    async with opened(journal=real) as inbox:
        await inbox.answer(await inbox.question(asked), Answer.approve())

    (call,) = calls_of(real.entries())
    assert ((call.outcome, call.fate), call.elsewhere) == (said, True)
    assert call.ended is not None
    assert isinstance(verify(real), Intact)


async def test_a_question_that_nobody_answered_here_says_what_became_of_it(paper, opened, real, hands):
    put_away, run_out, decided = paper.ask(seconds=600), paper.ask(seconds=60), paper.ask(seconds=900)

    async with opened(journal=real) as inbox:
        first, second, third = [await inbox.question(one) for one in (put_away, run_out, decided)]
        await inbox.answer(first, Answer.cancel())
        hands.passed = 61
        await inbox.answer(second, Answer.approve())
        paper.settle(decided, "rejected", "bob")
        await inbox.leave(third, paper.prompts[decided].item)
        await inbox.leave(third)

    calls = calls_of(real.entries())
    assert [call.outcome for call in calls] == ["left open", "expired", "rejected elsewhere"]
    assert calls[2].questions[0].by == "bob"
    assert {call.fate for call in calls} == {Fate.NOT_HERE}
    assert paper.posted == []


async def test_between_an_answer_and_its_end_nobody_knows(paper, opened, real):
    asked = paper.ask()
    seen: list = []
    post = paper.resolve_escalation

    async def looked_at(*given, **named):
        seen.extend(calls_of(real.entries()))
        return await post(*given, **named)

    paper.resolve_escalation = looked_at
    async with opened(journal=real) as inbox:
        await inbox.answer(await inbox.question(asked), Answer.approve())

    assert (seen[0].fate, seen[0].outcome) == (Fate.UNKNOWN, None)
    assert (seen[0].state(lambda _: True), seen[0].state(lambda _: False)) == ("under way", "cut off")


async def test_a_full_disk_lets_nothing_be_asked_or_answered(paper, opened, real):
    """G12: the real file, with no room for another page."""
    first, second = paper.ask(seconds=600), paper.ask("send_email", {"to": "x" * 200})

    async with opened(journal=real) as inbox:
        question = await inbox.question(first)
        (pages,) = real._connection.execute("PRAGMA page_count").fetchone()
        real._connection.execute(f"PRAGMA max_page_count = {pages}")

        async def open_many() -> None:
            for _ in range(200):
                await inbox.question(second)

        with pytest.raises(QuestionRefused, match="Nobody is asked"):
            await open_many()
        verdict = await inbox.answer(question, Answer.approve())
        assert (verdict.kind, paper.posted) == ("not_sent", [])
        real._connection.execute(f"PRAGMA max_page_count = {pages + 100}")
        assert (await inbox.answer(question, Answer.approve())).kind == "recorded"

    assert isinstance(verify(real), Intact)


async def test_two_inboxes_on_one_journal_leave_one_chain_with_the_questions_of_both(
    make_paper, opened, hands, tmp_path
):
    papers = [make_paper(hands.clock()), make_paper(hands.clock())]
    for paper, name in zip(papers, ("ada", "bob"), strict=True):
        paper.me = name
        for number in range(4):
            paper.ask("send_email", {"to": f"{number}@{name}.example"})
    async with AsyncExitStack() as stack:
        books = [await stack.enter_async_context(Journal.open(tmp_path / "journal.db")) for _ in papers]
        pairs = zip(papers, books, strict=True)
        inboxes = [await stack.enter_async_context(opened(paper, journal=book)) for paper, book in pairs]

        async def decide(inbox, prompt_id) -> None:
            assert (await inbox.answer(await inbox.question(prompt_id), Answer.deny())).kind == "recorded"

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for inbox in inboxes:
                    for item in inbox.items:
                        group.start_soon(decide, inbox, item.prompt_id)

        found = verify(books[0])
        calls = calls_of(books[1].entries())
    assert isinstance(found, Intact)
    assert found.entries == 24
    assert sorted(call.questions[0].by for call in calls) == ["ada"] * 4 + ["bob"] * 4
    assert {call.outcome for call in calls} == {"rejected"}


async def test_the_figures_count_what_was_asked_here_and_no_call_of_others(paper, opened, real, hands):
    async with opened(journal=real) as inbox:
        for number in range(12):
            asked = paper.ask("send_email", {"to": f"{number}@example.com"})
            with anyio.fail_after(20):
                await inbox.until(lambda one, asked=asked: one.get(asked) is not None)
            question = await inbox.question(asked)
            hands.passed += 3
            await inbox.answer(question, Answer.approve())

    figures = figures_of(calls_of(real.entries()))
    (most,) = figures.most
    assert (figures.calls, figures.asked, figures.approved, figures.median_seconds) == (0, 12, 12, 3.0)
    assert (most.reason, most.policy) == ("escalated to compliance", "")
    assert "authority" in most.hint


async def test_an_approver_of_ones_own_is_written_down_by_its_own_name(paper, opened, book):
    paper.ask()

    class Robot:
        surface = "pager"

        async def ask(self, request):
            return Answer.deny("no")

        def shown(self, request):
            return "what the pager showed"

    async with opened(journal=book) as inbox, anyio.create_task_group() as group:
        group.start_soon(inbox.serve, Robot())
        with anyio.fail_after(20):
            await inbox.until(lambda one: not one.items)
        group.cancel_scope.cancel()

    assert book.records[0].facts["surface"] == "pager"
    assert book.records[0].facts["shown"] == hashlib.sha256(b"what the pager showed").hexdigest()


async def test_an_approver_that_is_called_off_leaves_who_was_first(paper, opened, book):
    asked = paper.ask()
    entered = anyio.Event()

    class Slow:
        async def ask(self, request):
            entered.set()
            await anyio.sleep_forever()

    async with opened(journal=book) as inbox, anyio.create_task_group() as group:
        group.start_soon(inbox.serve, Slow())
        with anyio.fail_after(20):
            await entered.wait()
            paper.settle(asked, "approved", "bob")
            await book.written.wait()
        group.cancel_scope.cancel()

    assert book.records[1].facts | {"seconds": 0} == {
        "elsewhere": "approved",
        "by": "bob",
        "surface": "elsewhere",
        "automatic": False,
        "seconds": 0,
    }
