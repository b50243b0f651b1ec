"""The core of the inbox: what it lists, what it opens, and what becomes of an answer."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from allowly_authority.errors import AuthorityError
from allowly_harness.display.card import build_card
from allowly_harness.display.clock import Clock
from allowly_harness.display.escalated import NOT_SHOWN
from allowly_harness.display.layout import lay_out, text_of
from allowly_harness.inbox import AuthorityInbox, InboxProblem, QuestionClosed, QuestionRefused
from allowly_harness.inbox.reminders import Reminders
from allowly_harness.inbox.rows import left_of
from allowly_harness.inbox.time import AuthorityClock
from allowly_harness.protocol.models import Answer, Verification

pytestmark = pytest.mark.anyio

NOON, HOUR = datetime(2026, 11, 22, 12, tzinfo=UTC), timedelta(hours=1)


def drawn(request) -> str:
    return text_of(lay_out(build_card(request), 100))


async def test_what_runs_out_first_stands_first_and_what_ends_leaves_the_list(paper, opened):
    late, soon = paper.ask(seconds=600), paper.ask(seconds=60)

    async with opened() as inbox:
        assert [item.prompt_id for item in inbox.items] == [soon, late]
        paper.settle(soon, "rejected", "bob")
        with anyio.fail_after(20):
            await inbox.until(lambda one: len(one.items) == 1)
        assert [item.prompt_id for item in inbox.items] == [late]


async def test_the_call_is_shown_as_it_was_handed_in_once_its_digest_is_that_of_the_record(paper, opened):
    asked = paper.ask("send_email", {"to": "eve@example.com"}, server="mail")

    async with opened() as inbox:
        question = await inbox.question(asked)

    request = question.request
    assert (request.kind, request.may_resolve, request.shown) == ("escalate", True, True)
    assert request.verification is Verification.MATCHED
    assert request.call.payload() == {"to": "eve@example.com"}
    text = drawn(request)
    assert "eve@example.com" in text
    assert "mail  (the asker's own name for it, unproved)" in text
    assert "mail-bot" in text
    assert "only this call, with these arguments, once" in text


async def test_a_call_that_has_another_digest_than_the_record_is_put_to_nobody(paper, opened):
    """G13."""
    asked = paper.ask(arguments={"to": "ada@example.com"})
    paper.prompts[asked].given = type(paper.prompts[asked].given)("send_email", '{"to":"eve@example.com"}', "mail")

    async with opened() as inbox:
        with pytest.raises(QuestionRefused, match="not the one"):
            await inbox.question(asked)


@pytest.mark.parametrize("canonical", ["[1]", "{", '{"a":1,"a":2}', "[" * 500 + "]" * 500])
async def test_what_is_no_call_is_put_to_nobody(paper, opened, canonical):
    asked = paper.ask()
    paper.prompts[asked].given = type(paper.prompts[asked].given)("send_email", canonical, "mail")

    async with opened() as inbox:
        with pytest.raises(QuestionRefused):
            await inbox.question(asked)


async def test_a_call_that_was_not_handed_in_wants_a_typed_word_and_its_card_says_why(paper, opened):
    asked = paper.ask("send_email", give=False)

    async with opened() as inbox:
        question = await inbox.question(asked)

    card = build_card(question.request)
    assert question.request.danger == NOT_SHOWN
    assert card.word == "send"
    text = drawn(question.request)
    assert "WHAT WILL BE SENT IS NOT SHOWN" in text
    assert "The arguments are not known here" in text
    assert "with arguments that you cannot see" in text
    assert "no arguments)" not in text


async def test_a_question_that_is_bound_to_no_call_says_that_a_yes_opens_more(paper, opened):
    asked = paper.ask("send_email", give=False, resource=None)

    async with opened() as inbox:
        request = (await inbox.question(asked)).request

    assert request.verification is Verification.UNBOUND
    assert 'NOT ONLY THIS CALL: every use of "mail:send_email"' in drawn(request)
    assert build_card(request).word


async def test_a_configured_pattern_makes_a_call_dangerous_here_too(paper, opened):
    asked = paper.ask("send_email")

    async with opened(dangerous=["send_*"]) as inbox:
        assert build_card((await inbox.question(asked)).request).word == "send"


async def test_foreign_names_are_inert_on_the_card(paper, opened):
    """G8."""
    asked = paper.ask(agent_id="bot\x1b[2J\u202e", user_id="u\rser", server="[b]mail[/b]\x07", scope="s\nc")

    async with opened() as inbox:
        text = drawn((await inbox.question(asked)).request)

    assert "\\x1b[2J" in text
    assert not any(character in text for character in "\x1b\u202e\r\x07")


async def test_what_has_ended_cannot_be_opened_and_says_who_was_first(paper, opened):
    asked = paper.ask()

    async with opened() as inbox:
        paper.silent = True
        paper.settle(asked, "approved", "bob")
        with pytest.raises(QuestionClosed, match='approved by "bob"'):
            await inbox.question(asked)


@pytest.mark.parametrize(
    ("answer", "said"), [(Answer.approve(note="fine"), "approved"), (Answer.deny("no"), "rejected")]
)
async def test_a_yes_or_a_no_is_posted_once_with_its_note(paper, opened, answer, said):
    asked = paper.ask()

    async with opened() as inbox:
        question = await inbox.question(asked)
        verdict = await inbox.answer(question, answer)
        again = await inbox.answer(question, answer)

    assert (verdict.kind, verdict.approved) == ("recorded", said == "approved")
    assert again.kind == "repeated"
    assert paper.posted == [(asked, said, "ada", "fine" if said == "approved" else "no")]


@pytest.mark.parametrize(
    "answer",
    [
        Answer.cancel(),
        Answer.defer(),
        Answer.wait(),
        Answer.expired(),
        Answer.unattended(),
        Answer.edit({}),
        Answer.ask_again(),
    ],
    ids=lambda answer: answer.kind,
)
async def test_nothing_but_a_yes_or_a_no_answers(paper, opened, answer):
    """G1."""
    asked = paper.ask()

    async with opened() as inbox:
        verdict = await inbox.answer(await inbox.question(asked), answer)

    assert verdict.kind == "left_open"
    assert paper.posted == []


@pytest.mark.parametrize("status", ["approved", "rejected", "consumed"])
async def test_who_comes_second_is_told_who_was_first_and_how(paper, opened, status):
    """G3."""
    asked = paper.ask()

    async with opened() as inbox:
        question = await inbox.question(asked)
        paper.settle(asked, status, "bob")
        verdict = await inbox.answer(question, Answer.approve())

    assert (verdict.kind, verdict.approved, verdict.by) == ("earlier", status != "rejected", "bob")
    assert 'by "bob"' in verdict.words
    assert paper.posted == []


async def test_the_same_answer_as_somebody_elses_is_told_to_be_theirs(paper, opened):
    """G3."""
    asked = paper.ask()
    paper.faults["resolve"] = ["beaten"]

    async with opened() as inbox:
        verdict = await inbox.answer(await inbox.question(asked), Answer.approve())

    assert (verdict.kind, verdict.approved, verdict.by) == ("earlier", True, "bob")


async def test_two_answers_at_a_time_are_one(paper, opened):
    """G3."""
    asked = paper.ask()
    verdicts = []

    async with opened() as inbox:
        question = await inbox.question(asked)

        async def say(answer):
            verdicts.append((await inbox.answer(question, answer)).kind)

        async with anyio.create_task_group() as group:
            group.start_soon(say, Answer.approve())
            group.start_soon(say, Answer.deny())
            group.start_soon(say, Answer.approve())

    assert len(paper.posted) == 1
    assert sorted(verdicts) == ["recorded", "repeated", "repeated"]


async def test_a_lost_reply_is_asked_about_and_never_posted_twice(paper, opened):
    """G3."""
    asked = paper.ask()
    paper.faults["resolve"] = ["after"]

    async with opened() as inbox:
        verdict = await inbox.answer(await inbox.question(asked), Answer.approve())

    assert verdict.kind == "recorded"
    assert len(paper.posted) == 1


async def test_an_answer_that_got_lost_may_be_given_again_and_not_turned_round(paper, opened):
    """G3."""
    asked = paper.ask()
    paper.faults["resolve"] = ["before"]

    async with opened() as inbox:
        question = await inbox.question(asked)
        lost = await inbox.answer(question, Answer.approve())
        turned = await inbox.answer(question, Answer.deny())
        again = await inbox.answer(question, Answer.approve())

    assert (lost.kind, turned.kind, again.kind) == ("unknown", "repeated", "recorded")
    assert paper.posted == [(asked, "approved", "ada", None)]


async def test_what_certainly_was_not_sent_may_be_answered_anew(paper, opened):
    asked = paper.ask()
    paper.faults["resolve"] = ["unsent"]

    async with opened() as inbox:
        question = await inbox.question(asked)
        first = await inbox.answer(question, Answer.approve())
        second = await inbox.answer(question, Answer.deny())

    assert (first.kind, second.kind) == ("not_sent", "recorded")
    assert paper.posted == [(asked, "rejected", "ada", None)]


async def test_an_answer_is_not_given_where_the_record_cannot_be_read(paper, opened):
    """G10."""
    asked = paper.ask()

    async with opened() as inbox:
        question = await inbox.question(asked)
        paper.faults["lookup"] = ["down"]
        verdict = await inbox.answer(question, Answer.approve())

    assert verdict.kind == "not_sent"
    assert paper.posted == []


async def test_an_answer_never_meets_another_question_than_the_one_shown(paper, opened):
    """G1, G2."""
    asked = paper.ask("send_email", {"to": "ada@example.com"})

    async with opened() as inbox:
        question = await inbox.question(asked)
        other = paper.ask("send_email", {"to": "eve@example.com"})
        paper.prompts[asked].item = paper.prompts[other].item.model_copy(update={"escalation_id": asked})
        verdict = await inbox.answer(question, Answer.approve())

    assert verdict.kind == "changed"
    assert paper.posted == []


async def test_an_answer_after_the_end_is_none(paper, opened, hands):
    asked = paper.ask(seconds=60)

    async with opened() as inbox:
        question = await inbox.question(asked)
        hands.passed = 61
        verdict = await inbox.answer(question, Answer.approve())

    assert verdict.kind == "ended"
    assert paper.posted == []


async def test_a_refusal_says_why_it_may_be(paper, opened):
    """G11."""
    asked = paper.ask()
    paper.faults["resolve"] = ["refuse"]

    async with opened() as inbox:
        verdict = await inbox.answer(await inbox.question(asked), Answer.approve())

    assert verdict.kind == "refused"
    assert "asked for it" in verdict.words


async def test_one_of_two_approvals_is_a_vote_and_the_last_one_decides(paper, opened):
    asked = paper.ask(approvals_needed=2)

    async with opened() as inbox:
        question = await inbox.question(asked)
        assert "0 of 2 given" in drawn(question.request)
        first = await inbox.answer(question, Answer.approve())
        assert (first.kind, first.counts) == ("voted", True)
        assert "1 of 2" in first.words

        paper._resolved(asked, "approved", "bob", None)
        with anyio.fail_after(20):
            await inbox.until(lambda one: not one.items)


async def test_who_approved_already_is_named_on_the_card(paper, opened):
    asked = paper.ask(approvals_needed=2)
    paper.vote(asked, "bob")

    async with opened() as inbox:
        text = drawn((await inbox.question(asked)).request)

    assert "1 of 2 given" in text
    assert 'given by   "bob"' in text


async def test_a_lost_connection_is_known_and_the_list_is_right_again_afterwards(paper, opened):
    stays, goes = paper.ask(), paper.ask()

    async with opened() as inbox:
        seen = []
        inbox.listen(lambda change: seen.append((change.kind, change.item and change.item.prompt_id)))
        paper.silent = True
        paper.settle(goes, "approved", "bob")
        comes = paper.ask()
        paper.silent = False
        paper.lose("The authority went silent.")
        with anyio.fail_after(20):
            await inbox.until(lambda one: bool(one.problem))
            assert not inbox.connected
            await inbox.until(lambda one: one.connected)

        assert [item.prompt_id for item in inbox.items] == [stays, comes]
        assert seen[0] == ("lost", None)
        assert set(seen[1:]) == {("arrived", comes), ("ended", goes), ("connected", None)}


async def test_a_confirmation_is_listed_for_who_may_see_it_and_is_not_answered_here(paper, opened):
    paper.roles = ("approver", "operator")
    asked = paper.ask(kind="confirm")

    async with opened() as inbox:
        assert [item.prompt_id for item in inbox.items] == [asked]
        assert inbox.mine == ()
        with pytest.raises(QuestionClosed):
            await inbox.question(asked)


async def test_what_is_addressed_to_somebody_else_is_seen_by_an_operator_and_not_decided(paper, opened):
    paper.roles = ("approver", "operator")
    asked = paper.ask(escalation_to="legal")

    async with opened() as inbox:
        question = await inbox.question(asked)
        verdict = await inbox.answer(question, Answer.approve())

    assert not question.request.may_resolve
    assert verdict.kind == "refused"
    assert paper.posted == []


async def test_a_gates_key_opens_no_inbox_and_is_told_what_to_do(make_paper, hands, opened):
    with pytest.raises(InboxProblem, match=r"key of a gate.*--role approver"):
        async with opened(make_paper(hands.clock(), roles=("gate",))):
            pass


async def test_a_name_that_is_not_the_keys_opens_no_inbox(paper, opened):
    with pytest.raises(InboxProblem, match="'legal' is no name of the holder of this key, who is 'ada', 'compliance'"):
        async with opened(acting_as="legal"):
            pass


async def test_the_workspace_key_signs_with_the_name_that_was_given(make_paper, hands, opened):
    workspace = make_paper(hands.clock(), roles=("workspace",), addresses=())
    asked = workspace.ask()

    async with opened(workspace, acting_as="compliance") as inbox:
        assert inbox.holder.everybody
        await inbox.answer(await inbox.question(asked), Answer.approve())

    assert workspace.posted == [(asked, "approved", "compliance", None)]


async def test_the_history_holds_what_this_key_decided_the_latest_first(paper, opened, hands):
    mine, used, others = paper.ask(), paper.ask(), paper.ask()
    hands.passed = 1
    paper.settle(mine, "rejected", "ada", "too much")
    hands.passed = 2
    paper.settle(used, "consumed", "ada")
    paper.settle(others, "approved", "bob")

    async with opened() as inbox:
        assert [item.prompt_id for item in await inbox.history()] == [used, mine]


async def test_an_approver_of_ones_own_is_asked_each_question_once_the_most_urgent_first(paper, opened):
    later, sooner = paper.ask(seconds=600), paper.ask(seconds=60)
    asked, told = [], []

    async def approve(request):
        asked.append(request.expires_at)
        return Answer.approve() if len(asked) == 1 else Answer.deny("no")

    async with opened() as inbox, anyio.create_task_group() as group:

        async def serve():
            await inbox.serve(approve, told=lambda question, verdict: told.append((question.prompt_id, verdict.kind)))

        group.start_soon(serve)
        with anyio.fail_after(20):
            await inbox.until(lambda one: not one.items)
        group.cancel_scope.cancel()

    assert asked == sorted(asked)
    assert [(one[0], one[1]) for one in paper.posted] == [(sooner, "approved"), (later, "rejected")]


async def test_an_approver_that_is_being_asked_is_called_off_when_somebody_else_was_first(paper, opened):
    asked = paper.ask()
    closures, entered = [], anyio.Event()

    class Slow:
        async def ask(self, request):
            entered.set()
            await anyio.sleep_forever()

        def closing(self, request, closure):
            closures.append(closure)

    async with opened() as inbox, anyio.create_task_group() as group:
        group.start_soon(inbox.serve, Slow())
        with anyio.fail_after(20):
            await entered.wait()
            paper.settle(asked, "rejected", "bob", "no")
            await inbox.until(lambda _: bool(closures))
        group.cancel_scope.cancel()

    assert (closures[0].kind, closures[0].approved, closures[0].by) == ("answered", False, "bob")
    assert 'Rejected by "bob": "no"' in closures[0].told
    assert paper.posted == []


def test_reminders_come_at_half_of_the_time_and_at_a_tenth(paper, hands):
    paper.ask(seconds=100)
    items, reminders, given = paper.waiting(), Reminders(), []

    for second in range(0, 101, 5):
        hands.passed = second
        given += [second for _ in reminders.due(items, paper.clock.now())]

    assert given == [50, 90]


async def test_the_time_left_is_by_the_authoritys_clock_whatever_this_computer_says(paper, opened, hands):
    paper.ahead = timedelta(hours=2)
    asked = paper.ask(seconds=60)

    async with opened() as inbox:
        assert left_of(inbox.items[0], inbox.now()) == "01:00"
        hands.passed = 20
        assert left_of(inbox.items[0], inbox.now()) == "00:40"
        question = await inbox.question(asked)

    assert question.request.expires_at == hands.clock().now() + timedelta(seconds=40)


@pytest.mark.parametrize(("wall", "monotonic"), [(timedelta(seconds=30), 30), (-HOUR, 30), (timedelta(seconds=30), 0)])
def test_a_clock_that_is_set_back_or_that_sleeps_gives_no_more_time(wall, monotonic):
    hands = [NOON, 0.0]
    time = AuthorityClock(Clock(lambda: hands[0], lambda: hands[1]))
    time.says(NOON + HOUR)

    hands[:] = NOON + wall, monotonic

    assert time.now() == NOON + HOUR + timedelta(seconds=30)


def test_a_time_that_is_none_is_not_gone_by():
    time = AuthorityClock(Clock(lambda: NOON, lambda: 0.0))

    time.says(datetime.max.replace(tzinfo=UTC))

    assert time.now() == NOON


async def test_a_refused_key_ends_the_inbox(paper, hands):
    class Refusing(type(paper)):
        async def watch_prompts(self, **_):
            raise AuthorityError("The API key was rejected.")
            yield

    with pytest.raises(BaseExceptionGroup) as raised, anyio.fail_after(20):
        async with AuthorityInbox.open(Refusing(hands.clock())):
            await anyio.sleep_forever()

    assert raised.group_contains(AuthorityError)
