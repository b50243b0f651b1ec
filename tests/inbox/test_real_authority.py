"""The inbox on a real authority: the rights of keys, votes and notes as they really are."""

import importlib.util
from pathlib import Path

import anyio
import pytest

from allowly_harness.inbox import AuthorityInbox, InboxProblem
from allowly_harness.protocol.models import Answer

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "inbox_of_your_own.py"


async def test_two_inboxes_race_for_many_questions_and_each_has_one_winner_that_both_know(office):
    """G3."""
    ada, bob = await office.key_for("ada"), await office.key_for("bob")
    verdicts: dict[str, list] = {}
    async with (
        office.client(ada) as first,
        office.client(bob) as second,
        AuthorityInbox.open(first) as mine,
        AuthorityInbox.open(second) as yours,
    ):
        asked = [await office.escalate(arguments={"amount": number}) for number in range(6)]
        with anyio.fail_after(20):
            await mine.until(lambda one: len(one.items) == len(asked))
            await yours.until(lambda one: len(one.items) == len(asked))

        opened = [(await mine.question(prompt_id), await yours.question(prompt_id)) for prompt_id in asked]

        async def say(inbox, question, answer):
            verdicts.setdefault(question.prompt_id, []).append(await inbox.answer(question, answer))

        async with anyio.create_task_group() as group:
            for number, (for_me, for_you) in enumerate(opened):
                group.start_soon(say, mine, for_me, Answer.approve())
                group.start_soon(say, yours, for_you, Answer.deny("no") if number % 2 else Answer.approve())
        with anyio.fail_after(20):
            await mine.until(lambda one: not one.items)

    for prompt_id in asked:
        found = await office.owner.lookup_prompt(escalation_id=prompt_id)
        won = [verdict for verdict in verdicts[prompt_id] if verdict.kind == "recorded"]
        beaten = [verdict for verdict in verdicts[prompt_id] if verdict.kind == "earlier"]
        assert (len(won), len(beaten)) == (1, 1), verdicts[prompt_id]
        assert beaten[0].by == found.resolved_by
        assert won[0].approved is beaten[0].approved is (found.status == "approved")


async def test_two_must_approve_and_both_see_the_call_and_how_many_have(office):
    ada, bob = await office.key_for("ada"), await office.key_for("bob")
    asked = await office.escalate(arguments={"amount": 900}, quorum_for={"pay": 2})
    async with (
        office.client(ada) as first,
        office.client(bob) as second,
        AuthorityInbox.open(first) as mine,
        AuthorityInbox.open(second) as yours,
    ):
        with anyio.fail_after(20):
            await mine.until(lambda one: bool(one.items))
            await yours.until(lambda one: bool(one.items))
            question = await mine.question(asked)
            voted = await mine.answer(question, Answer.approve())
            await yours.until(lambda one: bool(one.items) and one.items[0].approvals == 1)
            last = await yours.question(asked)
            decided = await yours.answer(last, Answer.approve(note="within the limit"))
            await mine.until(lambda one: not one.items)

    assert question.request.call.payload() == {"amount": 900}
    assert (question.request.shown, question.request.server.name) == (True, "shop")
    assert (voted.kind, decided.kind) == ("voted", "recorded")
    assert (last.request.approvals, last.request.approved_by) == (1, ("ada",))


async def test_who_asked_cannot_approve_here(office):
    """G11."""
    key = await office.key_for("shop-bot")
    await office.escalate()
    async with office.client(key) as client, AuthorityInbox.open(client) as inbox:
        with anyio.fail_after(10):
            await inbox.until(lambda one: bool(one.mine))
        verdict = await inbox.answer(await inbox.question(inbox.mine[0].prompt_id), Answer.approve())

    assert verdict.kind == "refused"


async def test_the_key_of_a_gate_opens_no_inbox(office):
    key = await office.key_for("gate-1", "gate", addresses=())
    async with office.client(key) as client:
        with pytest.raises(InboxProblem, match="key of a gate"):
            async with AuthorityInbox.open(client):
                pass


async def test_the_workspace_key_works_and_its_word_is_recorded(office):
    asked = await office.escalate()
    async with AuthorityInbox.open(office.owner, acting_as="compliance") as inbox:
        with anyio.fail_after(10):
            await inbox.until(lambda one: bool(one.items))
        verdict = await inbox.answer(await inbox.question(asked), Answer.deny("no order"))
        history = await inbox.history()

    assert verdict.kind == "recorded"
    assert [(item.prompt_id, item.status, item.resolved_by) for item in history] == [(asked, "rejected", "compliance")]


async def test_the_example_answers_what_waits(office, capsys):
    """Of `docs/inbox.md`."""
    asked = await office.escalate()
    spec = importlib.util.spec_from_file_location("example_inbox", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)

    told, tell = anyio.Event(), example.told
    example.told = lambda question, verdict: (tell(question, verdict), told.set())
    key = await office.key_for("ada")
    async with anyio.create_task_group() as group:
        group.start_soon(example.main, office.base_url, key)
        with anyio.fail_after(10):
            await told.wait()
        group.cancel_scope.cancel()

    found = await office.owner.lookup_prompt(escalation_id=asked)
    printed = capsys.readouterr().out
    shown = '{"amount":100}' in printed
    assert ("pay: recorded" in printed, found.status) == (shown, "rejected" if shown else "pending")
