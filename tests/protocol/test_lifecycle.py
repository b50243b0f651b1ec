"""The table: closed, and no path through it posts a yes, or sends the call again, that it should not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.protocol.effects import (
    AnsweredElsewhere,
    Ask,
    AwaitResolution,
    Invoke,
    Lookup,
    LookupFailure,
    NoRecord,
    NoReply,
    Posted,
    PostedAs,
    Record,
    Resolution,
    Resolve,
    Settle,
    ToolReply,
)
from allowly_harness.protocol.errors import LocalProtocolError
from allowly_harness.protocol.lifecycle import TRANSITIONS, Lifecycle, State
from allowly_harness.protocol.models import Answer, ApprovalRequest, PromptRecord, ServerInfo, ToolCall, ToolInfo

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALL = ToolCall("bank", "pay", {})
QUESTION = ApprovalRequest("confirm", CALL, "reason", NOW, ServerInfo("bank"), ToolInfo("pay"))
RESULT = ToolReply(None, True, (), None, NOW)
LOST = NoReply("lost")
YES, NO = Answer.approve(), Answer.deny()
ANSWERS = [YES, NO, Answer.edit({}), Answer.respond("x"), Answer.defer(), Answer.wait(), Answer.ask_again()]
ANSWERS += [Answer.cancel(), Answer.expired(), Answer.unattended(), Answer.unheard()]
ELSEWHERE = {status: AnsweredElsewhere(status) for status in ("approved", "rejected", "consumed", "cancelled")}
INVOKE, ASK = Invoke(CALL), Ask(QUESTION)
POST_YES, POST_NO = Settle("n", YES), Settle("n", NO)
RESOLVE_YES, RESOLVE_NO = Resolve("e", YES), Resolve("e", NO)
AWAIT = AwaitResolution("e", NOW, QUESTION)
LOOK = Lookup("escalate", "e")
OTHER = ToolCall("bank", "pay", {"to": "eve"})
POSTED = [Posted(status) for status in PostedAs]


def on_record(status: str, kind: Any = "escalate", resource: str | None = CALL.resource) -> PromptRecord:
    return PromptRecord(kind, "auth", "pay", resource, status, NOW)


APPROVED_BEFORE = on_record("approved")
CLOSED_BEFORE = {
    "a rejection": on_record("rejected"),
    "an approval that was used": on_record("consumed"),
    "an approval that is over": on_record("expired"),
    "what was withdrawn": on_record("cancelled"),
    "an approval of other arguments": on_record("approved", resource=OTHER.resource),
    "an approval of any arguments": on_record("approved", resource=None),
    "a confirmation that was approved before": on_record("approved", kind="confirm"),
}

Step = tuple[Any, Any]
STEPS: list[Step] = [
    (INVOKE, RESULT),
    (INVOKE, LOST),
    *((ASK, answer) for answer in (*ANSWERS, *ELSEWHERE.values())),
    *((effect, posted) for effect in (POST_YES, POST_NO, RESOLVE_YES, RESOLVE_NO) for posted in POSTED),
    *((AWAIT, resolution) for resolution in Resolution),
    *((LOOK, found) for found in (APPROVED_BEFORE, *CLOSED_BEFORE.values())),
]


def take(life: Lifecycle, step: Step) -> None:
    effect, reply = step
    life.before(effect)
    life.after(effect, reply)


def walk(*steps: Step) -> Lifecycle:
    life = Lifecycle()
    for step in steps:
        take(life, step)
    return life


def test_the_table_is_closed() -> None:
    """Every state has a row, every step leads to a state, and every state can be reached."""
    reached, ahead = {State.NEW}, [State.NEW]
    while ahead:
        for following in TRANSITIONS[ahead.pop()].values():
            if following not in reached:
                reached.add(following)
                ahead.append(following)

    assert set(TRANSITIONS) == set(State)
    assert reached == set(State)
    assert TRANSITIONS[State.OVER] == {}


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[State.OVER] = {"invoke": State.SENT}  # type: ignore[index]


def test_the_rules_are_exactly_these() -> None:
    """A changed rule is a visible diff here."""
    rules = {f"{state} --{step}--> {to}" for state, row in TRANSITIONS.items() for step, to in row.items()}

    assert rules == {
        "new --invoke--> sent",
        "sent --result--> answered",
        "sent --no_result--> over",
        "answered --ask--> asked",
        "answered --approved_before--> opened",
        "answered --closed_before--> over",
        "asked --yes--> yes",
        "asked --no--> no",
        "asked --wait--> awaited",
        "asked --renew--> renew",
        "asked --yes_elsewhere--> opened",
        "asked --closed_elsewhere--> over",
        "yes --post_yes--> posting_yes",
        "no --post_no--> posting_no",
        "renew --post_no--> posting_renewal",
        "renew --invoke--> sent",
        "awaited --await--> awaited",
        "awaited --resolved--> opened",
        "awaited --unresolved--> over",
        "posting_yes --counts--> opened",
        "posting_yes --fails--> over",
        "posting_yes --not_sent--> answered",
        "posting_no --counts--> over",
        "posting_no --fails--> over",
        "posting_no --not_sent--> over",
        "posting_renewal --counts--> renew",
        "posting_renewal --fails--> renew",
        "posting_renewal --not_sent--> renew",
        "opened --invoke--> sent",
    }


BLOCKED: Step = (INVOKE, RESULT)
FORBIDDEN: dict[str, tuple[list[Step], Any]] = {
    "asking before anything was sent": ([], ASK),
    "posting before anything was sent": ([], POST_YES),
    "sending again after an ordinary result": ([BLOCKED], INVOKE),
    "sending again after a lost reply (G4)": ([(INVOKE, LOST)], INVOKE),
    "asking after a lost reply": ([(INVOKE, LOST)], ASK),
    "posting a yes that nobody said (G1)": ([BLOCKED], POST_YES),
    "resolving with a yes that nobody said (G1)": ([BLOCKED], RESOLVE_YES),
    "posting a yes after a no (G5)": ([BLOCKED, (ASK, NO)], POST_YES),
    "sending after a no (G5)": ([BLOCKED, (ASK, NO)], INVOKE),
    "sending after a posted no (G5)": ([BLOCKED, (ASK, NO), (POST_NO, POSTED[0])], INVOKE),
    "posting a no twice (G3)": ([BLOCKED, (ASK, NO), (POST_NO, POSTED[0])], POST_NO),
    "asking again after a no": ([BLOCKED, (ASK, NO)], ASK),
    "sending on a yes that was not posted": ([BLOCKED, (ASK, YES)], INVOKE),
    "posting a no after a yes": ([BLOCKED, (ASK, YES)], POST_NO),
    "posting a yes twice (G3)": ([BLOCKED, (ASK, YES), (POST_YES, Posted(PostedAs.LOST))], POST_YES),
    "sending after a conflict": ([BLOCKED, (ASK, YES), (POST_YES, Posted(PostedAs.CONFLICT))], INVOKE),
    "sending on a yes that never left": ([BLOCKED, (ASK, YES), (POST_YES, Posted(PostedAs.NOT_SENT))], INVOKE),
    "posting a yes that never left without asking": (
        [BLOCKED, (ASK, YES), (POST_YES, Posted(PostedAs.NOT_SENT))],
        POST_YES,
    ),
    "posting a yes for an edit": ([BLOCKED, (ASK, Answer.edit({}))], POST_YES),
    "waiting without being told to": ([BLOCKED, (ASK, YES)], AWAIT),
    "sending while waiting": ([BLOCKED, (ASK, Answer.wait())], INVOKE),
    "sending after a rejection": ([BLOCKED, (ASK, Answer.wait()), (AWAIT, Resolution.REJECTED)], INVOKE),
    "sending after waiting was given up": ([BLOCKED, (ASK, Answer.wait()), (AWAIT, Resolution.GIVEN_UP)], INVOKE),
    "posting a yes that was said elsewhere (G3)": ([BLOCKED, (ASK, ELSEWHERE["approved"])], POST_YES),
    "posting a no after a yes elsewhere": ([BLOCKED, (ASK, ELSEWHERE["approved"])], POST_NO),
    "asking again after a yes elsewhere": ([BLOCKED, (ASK, ELSEWHERE["approved"])], ASK),
    "sending after a rejection elsewhere (G5)": ([BLOCKED, (ASK, ELSEWHERE["rejected"])], INVOKE),
    "sending on an approval that was used elsewhere": ([BLOCKED, (ASK, ELSEWHERE["consumed"])], INVOKE),
    "sending after the question was withdrawn elsewhere": ([BLOCKED, (ASK, ELSEWHERE["cancelled"])], INVOKE),
    "posting after a rejection elsewhere (G3)": ([BLOCKED, (ASK, ELSEWHERE["rejected"])], POST_NO),
    **{f"sending after {name} (G5)": ([BLOCKED, (LOOK, found)], INVOKE) for name, found in CLOSED_BEFORE.items()},
    "sending because it is on record that a question is open": ([BLOCKED, (LOOK, on_record("pending"))], INVOKE),
    "asking after an approval on record": ([BLOCKED, (LOOK, APPROVED_BEFORE)], ASK),
    "posting after an approval on record (G3)": ([BLOCKED, (LOOK, APPROVED_BEFORE)], RESOLVE_YES),
    "sending twice on an approval on record (G4)": ([BLOCKED, (LOOK, APPROVED_BEFORE), BLOCKED], INVOKE),
    "sending when nobody can tell": ([BLOCKED, (ASK, Answer.wait()), (AWAIT, Resolution.CANNOT_TELL)], INVOKE),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_step_is_refused_before_it_is_performed(name: str) -> None:
    way, step = FORBIDDEN[name]
    life = walk(*way)
    state = life.state

    with pytest.raises(LocalProtocolError, match="not allowed"):
        life.before(step)

    assert life.state is state


@pytest.mark.parametrize("answer", [a for a in ANSWERS if a is not YES], ids=lambda answer: answer.kind.value)
def test_no_other_answer_is_taken_for_a_yes(answer: Answer) -> None:
    """G1: silence, a closed question and a wish are no approval."""
    for post in (POST_YES, RESOLVE_YES):
        with pytest.raises(LocalProtocolError, match="not allowed"):
            walk(BLOCKED, (ASK, answer)).before(post)


ALLOWED: dict[str, list[Step]] = {
    "an accepted yes": [(ASK, YES), (POST_YES, Posted(PostedAs.ACCEPTED))],
    "a yes that may count": [(ASK, YES), (POST_YES, Posted(PostedAs.LOST))],
    "a yes that came too late": [(ASK, YES), (POST_YES, Posted(PostedAs.GONE))],
    "the named approver's yes": [(ASK, YES), (RESOLVE_YES, Posted(PostedAs.ACCEPTED))],
    "a yes that was said elsewhere": [(ASK, ELSEWHERE["approved"])],
    "an approval that was on record before anybody was asked": [(LOOK, APPROVED_BEFORE)],
    "an awaited approval": [(ASK, Answer.wait()), (AWAIT, Resolution.APPROVED)],
    "a wish for a fresh question": [(ASK, Answer.ask_again())],
    "an edit": [(ASK, Answer.edit({}))],
    "an edit whose old question was closed": [(ASK, Answer.edit({})), (POST_NO, Posted(PostedAs.GONE))],
    "a yes that left at the second attempt": [
        (ASK, YES),
        (POST_YES, Posted(PostedAs.NOT_SENT)),
        (ASK, YES),
        (POST_YES, Posted(PostedAs.ACCEPTED)),
    ],
}


@pytest.mark.parametrize("name", ALLOWED)
def test_the_call_may_be_sent_again_after(name: str) -> None:
    life = walk(BLOCKED, *ALLOWED[name])

    life.before(INVOKE)

    assert life.state is State.SENT


def test_reading_and_writing_down_are_possible_everywhere_and_change_nothing() -> None:
    for way, _ in FORBIDDEN.values():
        life = walk(*way)
        state = life.state

        take(life, (Lookup("confirm", "n"), NoRecord(LookupFailure.UNSUPPORTED)))
        take(life, (Record("finished", CALL), None))

        assert life.state is state


@given(st.lists(st.sampled_from(STEPS), max_size=200))
def test_no_order_of_steps_leads_around_the_rules(steps: list[Step]) -> None:
    """G1, G3, G4, G5, over what the table let through."""
    life = Lifecycle()
    taken: list[Step] = []
    for step in steps:
        try:
            take(life, step)
        except LocalProtocolError:
            continue
        taken.append(step)

    for index, (effect, _) in enumerate(taken):
        before = taken[index - 1] if index else (None, None)
        posts = isinstance(effect, Settle | Resolve)
        if posts and effect.answer is YES:
            assert before == (ASK, YES), "a yes is posted at once after it was said, and only then"
        if isinstance(effect, Ask):
            assert before == BLOCKED or before[1] == Posted(PostedAs.NOT_SENT)
        if isinstance(effect, Invoke) and index:
            assert may_send_again(taken[:index])
        if before[1] == LOST or (before == (ASK, NO) and not posts):
            pytest.fail("nothing follows a lost reply, and nothing but its report follows a no")


def may_send_again(taken: list[Step]) -> bool:
    effect, reply = taken[-1]
    if isinstance(effect, Settle | Resolve):
        if effect.answer is YES:
            return reply.status in {PostedAs.ACCEPTED, PostedAs.GONE, PostedAs.LOST}
        renewals = [step for step in taken if isinstance(step[0], Ask)]
        return bool(renewals[-1][1] in (Answer.edit({}), Answer.ask_again()))
    if isinstance(effect, AwaitResolution):
        return reply is Resolution.APPROVED
    if isinstance(effect, Lookup):
        return reply is APPROVED_BEFORE
    return (effect, reply) in [(ASK, Answer.edit({})), (ASK, Answer.ask_again()), (ASK, ELSEWHERE["approved"])]
