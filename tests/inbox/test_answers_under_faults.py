"""Answers against a model of the authority, with faults at every place where one can happen."""

from __future__ import annotations

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allowly_authority.errors import AuthorityError
from allowly_harness.inbox import AuthorityInbox, QuestionClosed
from allowly_harness.protocol.models import Answer

SAID = {"yes": Answer.approve, "no": Answer.deny, "cancel": Answer.cancel, "later": Answer.defer}

acts = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["open", "yes", "no", "cancel", "later", "first", "lose"]),
        st.sampled_from(["", "", "before", "after", "unsent", "refuse"]),
        st.sampled_from(["", "", "down"]),
    ),
    max_size=14,
)


@given(taken=acts)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_lost_only_one_answer_per_question_is_recorded_and_only_one_that_a_person_gave(
    taken, make_paper, hands
):
    """G1, G3."""
    anyio.run(play, taken, make_paper, hands)


async def play(taken, make_paper, hands) -> None:
    paper = make_paper(hands.clock())
    ids = [paper.ask("send_email", {"to": f"{number}@example.com"}) for number in range(2)]
    said: dict[str, list[str]] = {prompt_id: [] for prompt_id in ids}
    shown = {}
    async with AuthorityInbox.open(paper, clock=hands.clock()) as inbox:
        inbox._answering.sleep = lambda _: anyio.lowlevel.checkpoint()
        with anyio.fail_after(20):
            await inbox.until(lambda one: one.complete)
        for which, what, lost, down in taken:
            paper.faults = {"resolve": [lost] if lost else [], "lookup": [down] if down else []}
            await act(paper, inbox, ids[which], what, shown=shown, said=said)
    for prompt_id in ids:
        posted = [one for one in paper.posted if one[0] == prompt_id]
        assert len(posted) <= 1
        assert all(resolution in said[prompt_id] for _, resolution, _, _ in posted)


async def act(paper, inbox, prompt_id, what, *, shown, said) -> None:
    if what == "first" and paper.prompts[prompt_id].item.status == "pending":
        paper.settle(prompt_id, "rejected", "bob")
    elif what == "lose":
        paper.lose()
    elif what == "open":
        shown.update(await opened(inbox, prompt_id))
    elif what in SAID and prompt_id in shown:
        said[prompt_id].append({"yes": "approved", "no": "rejected"}.get(what, ""))
        verdict = await inbox.answer(shown[prompt_id], SAID[what]())
        item = paper.prompts[prompt_id].item
        if verdict.kind == "recorded":
            assert (item.resolved_by, item.status) == ("ada", said[prompt_id][-1])
        if verdict.kind == "earlier":
            assert item.resolved_by == verdict.by


async def opened(inbox, prompt_id):
    try:
        question = await inbox.question(prompt_id)
    except (QuestionClosed, AuthorityError):
        return {}
    number = int(prompt_id.removeprefix("esc_")) - 1
    assert question.request.call.payload() == {"to": f"{number}@example.com"}
    return {prompt_id: question}
