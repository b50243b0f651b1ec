"""Whole conversations, generated: a hostile server, a hostile or failing authority, a person who says anything.

The flow is run without the life-cycle table, so that each guarantee is shown to hold by the flow alone;
a test of its own shows that the table never stands in the way of the flow.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allowly_harness.protocol.effects import (
    AnsweredElsewhere,
    Ask,
    AwaitResolution,
    Effect,
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
from allowly_harness.protocol.flow import UNBOUND_TTL_SECONDS, Ended, approval_flow
from allowly_harness.protocol.lifecycle import Lifecycle
from allowly_harness.protocol.models import (
    Answer,
    AnswerKind,
    ApprovalOutcome,
    PromptRecord,
    ServerInfo,
    ToolCall,
    Verification,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALL = ToolCall("bank", "pay", {"to": "ada", "amount": 5})
OTHER = ToolCall("bank", "pay", {"to": "eve", "amount": 999})
ME = "compliance"
RAN = {ApprovalOutcome.ALLOWED, ApprovalOutcome.APPROVED, ApprovalOutcome.APPROVED_EDITED}
OPENS = {PostedAs.ACCEPTED, PostedAs.GONE, PostedAs.LOST}
RENEWS = {AnswerKind.EDIT, AnswerKind.ASK_AGAIN}
UNDECIDED = {AnswerKind.DEFER, AnswerKind.EXPIRED, AnswerKind.UNHEARD}
GO_ON = None
"""The answer that brings the call forward: a yes where it counts, else waiting for who may say it."""
REFUSED = {AnswerKind.DENY, AnswerKind.RESPOND, AnswerKind.CANCEL, AnswerKind.UNATTENDED}
NOBODY = {LookupFailure.UNKNOWN_PROMPT, LookupFailure.UNREACHABLE, LookupFailure.NO_AUTHORITY}


@dataclass(frozen=True)
class Move:
    """What the server answers: a decision with an id of some kind, or something else."""

    kind: str
    prompt: str = "fresh"
    to: str | None = ME
    echo: bool = False

    @property
    def asks(self) -> bool:
        return self.kind in {"confirm", "escalate"} and self.prompt != "malformed"


@dataclass(frozen=True)
class Script:
    """One conversation to be: what everybody does, in order. Where `moves` end, `end` follows; answers end with no."""

    moves: list[Move]
    end: Move
    records: list[str]
    answers: list[Answer | AnsweredElsewhere | None]
    posts: list[PostedAs]
    resolutions: list[Resolution]
    acting_as: str | None
    max_rounds: int


@dataclass
class World:
    """Performs a script and keeps the trace.

    Attributes:
        trace: Every effect with its reply, but for what is only written down.
        blocked: The id that each blocked result named, and by which move, in the order they were sent.
        matches: Whether the record of an id, as last read, permits a question about the call last sent.
    """

    script: Script
    trace: list[tuple[Effect[Any], Any]] = field(default_factory=list)
    written: list[Record] = field(default_factory=list)
    blocked: list[tuple[str, Move] | None] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    sent: ToolCall = CALL

    def perform(self, effect: Effect[Any]) -> Any:
        match effect:
            case Invoke(call=call):
                self.sent = call
                move = taken(self.script.moves, self.count(Invoke), self.script.end)
                return self.reply(move)
            case Lookup():
                return self.record(taken(self.script.records, self.count(Lookup), "match"), effect.kind)
            case Ask():
                said = taken(self.script.answers, self.count(Ask), Answer.deny())
                usable = effect.request.kind == "confirm" or effect.request.may_resolve
                return (Answer.approve() if usable else Answer.wait()) if said is GO_ON else said
            case Settle() | Resolve():
                posted = taken(self.script.posts, self.count(Settle) + self.count(Resolve), PostedAs.ACCEPTED)
                return Posted(posted, "words")
            case AwaitResolution():
                return taken(self.script.resolutions, self.count(AwaitResolution), Resolution.REJECTED)
        raise AssertionError(effect)

    def count(self, kind: type) -> int:
        return sum(isinstance(effect, kind) for effect, _ in self.trace)

    def reply(self, move: Move) -> ToolReply | NoReply:
        self.blocked.append(None)
        if move.kind == "lost":
            return NoReply("words")
        if move.kind == "done":
            return ToolReply("result", False, ("done",), None, NOW)
        if move.kind == "failed":
            return ToolReply("result", True, ("no such account",), None, NOW)
        prompt_id = self.prompt_id(move.prompt) if move.kind in {"confirm", "escalate"} else "never-a-question"
        if move.asks:
            self.blocked[-1] = prompt_id, move
        payload = {"decision": move.kind, "reason": f"why {' '.join(self.ids)}" if move.echo else "some_reason"}
        payload |= {"confirm_nonce": prompt_id, "escalation_id": prompt_id, "escalation_to": move.to}
        if move.kind == "printed":
            payload["decision"] = "confirm"
        return ToolReply("result", move.kind != "printed", (json.dumps(payload),), payload, NOW)

    def prompt_id(self, kind: str) -> str:
        if kind == "malformed":
            return "../escalations/x"
        if kind == "repeated" and self.ids:
            return self.ids[0]
        self.ids.append(f"id-secret-{len(self.ids)}")
        return self.ids[-1]

    def record(self, kind: str, asked: str) -> PromptRecord | NoRecord:
        if kind in {failure.value for failure in LookupFailure}:
            return NoRecord(LookupFailure(kind), "words")
        expires_at = NOW + timedelta(minutes=3)
        found = {"kind": asked, "scope": "pay", "resource": self.sent.resource, "status": "pending"}
        changes: dict[str, dict[str, Any]] = {
            "match": {},
            "unbound": {"resource": None},
            "other arguments": {"resource": OTHER.resource},
            "other scope": {"scope": "take", "resource": None},
            "other kind": {"kind": "escalate" if asked == "confirm" else "confirm"},
            "used": {"status": "consumed"},
            "approved": {"status": "approved", "resolved_by": "ada"},
            "approved for anything": {"status": "approved", "resource": None},
            "approved for other arguments": {"status": "approved", "resource": OTHER.resource},
            "rejected": {"status": "rejected", "resolved_by": "ada"},
            "over": {"status": "expired"},
            "for the boss": {"escalation_to": "boss"},
        }
        known = {"authorization_id": "auth", "expires_at": expires_at, "escalation_to": ME, **found}
        return PromptRecord(**{**known, **changes[kind]})


def taken(script: list[Any], index: int, default: Any) -> Any:
    return script[index] if index < len(script) else default


def run(script: Script, life: Lifecycle | None = None) -> tuple[World, Ended]:
    world = World(script)
    flow = approval_flow(CALL, server=ServerInfo("bank"), acting_as=script.acting_as, max_rounds=script.max_rounds)
    try:
        effect = next(flow)
        while True:
            assert len(world.trace) < 100, "the conversation does not end"
            if isinstance(effect, Record):
                world.written.append(effect)
                effect = flow.send(None)
                continue
            if life is not None:
                life.before(effect)
            reply = world.perform(effect)
            world.trace.append((effect, reply))
            if life is not None:
                life.after(effect, reply)
            effect = flow.send(reply)
    except StopIteration as stop:
        return world, stop.value


# Flat weighted lists: nested strategies are slower by far. Mishaps are rare, or conversations end too soon.
QUESTIONS = [
    Move(kind, prompt, to, echo)
    for kind in ("confirm", "confirm", "confirm", "escalate", "escalate")
    for prompt in ("fresh", "fresh", "fresh", "repeated")
    for to in (ME, "boss", None)
    for echo in (False, True)
]
KINDS = ("done", "failed", "lost", "lost", "lost", "printed", "deny")
RESULTS = [Move(kind, echo=echo) for kind in KINDS for echo in (False, True)]
MALFORMED = [Move("confirm", "malformed"), Move("escalate", "malformed")]
GOOD_RECORDS = ["match", "match", "unbound", "unsupported", "for the boss"]
BAD_RECORDS = ["other arguments", "other scope", "other kind", *(failure.value for failure in LookupFailure)]
BEFORE = ["approved", "approved for anything", "approved for other arguments", "rejected", "used", "over"]
ENDING = [Answer.deny("no"), Answer.respond("x"), Answer.defer(), Answer.cancel(), Answer.expired()]
ENDING += [Answer.unattended(), Answer.unheard(), Answer.edit({"to": float("nan")})]
ENDING += [AnsweredElsewhere("rejected", "ada"), AnsweredElsewhere("consumed"), AnsweredElsewhere("cancelled")]
ONWARD = [*([GO_ON] * 7), Answer.approve(resolved_by="eve"), Answer.approve(300), Answer.wait(), Answer.ask_again()]
ONWARD += [Answer.edit({"to": "bob"}), Answer.edit({"to": "eve", "amount": 999}), AnsweredElsewhere("approved")]
POSTS = [*([PostedAs.ACCEPTED] * 4), *PostedAs]

SCRIPTS = st.builds(
    Script,
    moves=st.lists(st.sampled_from([*QUESTIONS, *RESULTS, *MALFORMED]), min_size=1, max_size=7),
    end=st.sampled_from(RESULTS),
    records=st.lists(st.sampled_from([*(GOOD_RECORDS * 5), *BAD_RECORDS, *BEFORE, "approved"]), min_size=1, max_size=6),
    answers=st.lists(st.sampled_from([*(ONWARD * 5), *ENDING]), min_size=3, max_size=8),
    posts=st.lists(st.sampled_from(POSTS), max_size=8),
    resolutions=st.lists(st.sampled_from([*([Resolution.APPROVED] * 8), *Resolution]), min_size=1, max_size=4),
    acting_as=st.sampled_from([None, ME, ME, "eve"]),
    max_rounds=st.sampled_from([1, 2, 3, 3, 4]),
)
THOROUGH = settings(max_examples=max(1500, settings().max_examples))


@THOROUGH
@given(SCRIPTS)
def test_no_conversation_breaks_a_guarantee(script: Script) -> None:
    """G1, G2, G3, G4, G5, G6, G7, G9, G11, G13."""
    world, ended = run(script)

    for index in range(len(world.trace)):
        check_step(world, index)
    check_whole(world, ended)
    check_end(world, ended)


@THOROUGH
@given(SCRIPTS)
def test_the_table_never_stands_in_the_way_of_the_flow(script: Script) -> None:
    """A `LocalProtocolError` here means that flow and table disagree."""
    run(script, Lifecycle())


def check_step(world: World, index: int) -> None:
    effect, _ = world.trace[index]
    before = world.trace[:index]
    sends = [number for number, (earlier, _) in enumerate(before) if isinstance(earlier, Invoke)]
    since = before[sends[-1] :] if sends else []
    blocked = world.blocked[len(sends) - 1] if sends else None
    if not isinstance(effect, Invoke):
        assert blocked is not None, "nothing is looked up, asked or posted but after a blocked result (G4, G9)"
    match effect:
        case Invoke():
            check_invoke(effect, before, since, blocked)
        case Lookup(kind=kind, prompt_id=prompt_id):
            assert re.fullmatch(r"[A-Za-z0-9_.~:-]{1,256}", prompt_id), "ids are fit for a URL (G9)"
            assert len(since) == 1, "the record is read before anything else"
            assert blocked is not None
            assert (prompt_id, kind) == (blocked[0], blocked[1].kind), "the record of that very question"
        case Ask():
            check_ask(world, effect, before[: sends[-1]], since, blocked)
        case Settle() | Resolve():
            check_post(world, effect, since, blocked)
        case AwaitResolution():
            assert since[-1][1] == Answer.wait(), "nobody waits unasked"
            assert (effect.escalation_id, "escalate") == (blocked[0], blocked[1].kind)
            assert effect.until <= NOW + timedelta(hours=24), "waiting is bounded (G6)"


def kind_of(said: Answer | AnsweredElsewhere) -> AnswerKind | None:
    return said.kind if isinstance(said, Answer) else None


def check_invoke(effect: Invoke, before: list[Any], since: list[Any], blocked: Any) -> None:
    edits = [said.arguments for asked, said in before if isinstance(asked, Ask) and kind_of(said) is AnswerKind.EDIT]
    expected = ToolCall("bank", "pay", edits[-1]) if edits else CALL
    assert effect.call == expected, "what was shown is what is sent (G2)"
    assert effect.call.canonical == expected.canonical
    assert effect.retry is bool(before)
    if not before:
        return
    assert blocked is not None, "only a blocked call is sent again (G4)"
    last, reply = since[-1]
    opened = isinstance(last, Settle | Resolve) and last.answer.kind is AnswerKind.APPROVE and reply.status in OPENS
    awaited = isinstance(last, AwaitResolution) and reply is Resolution.APPROVED
    answers = [said for asked, said in since if isinstance(asked, Ask)]
    renewed = (
        bool(answers)
        and kind_of(answers[-1]) in RENEWS
        and (isinstance(last, Ask) or last.answer.kind is AnswerKind.DENY)
    )
    elsewhere = isinstance(last, Ask) and reply == AnsweredElsewhere("approved")
    before_asked = isinstance(last, Lookup) and is_approval_of(effect.call, reply)
    assert opened or awaited or renewed or elsewhere or before_asked, "nothing is sent again without a reason (G4)"


def is_approval_of(call: ToolCall, found: PromptRecord | NoRecord) -> bool:
    """Tell whether an authority's record is the approval of an escalation of this very call."""
    if isinstance(found, NoRecord):
        return False
    return (found.kind, found.status, found.resource) == ("escalate", "approved", call.resource)


def check_ask(world: World, effect: Ask, earlier: list[Any], since: list[Any], blocked: Any) -> None:
    request, (prompt_id, move) = effect.request, blocked
    lookup, found = since[1]
    assert (request.kind, request.call) == (move.kind, world_call(since)), "the question is about our own call (G2)"
    assert lookup.prompt_id == prompt_id
    if isinstance(found, NoRecord):
        assert found.failure not in NOBODY, "nobody is asked about a question that cannot be reported (G10, G13)"
        assert request.verification is Verification.UNVERIFIABLE
        target = move.to
    else:
        assert (found.kind, found.status, found.scope) == (move.kind, "pending", "pay"), "spoofed (G13)"
        assert found.resource in {None, request.call.resource}, "spoofed (G13)"
        bound = Verification.MATCHED if found.resource else Verification.UNBOUND
        assert request.verification is bound
        target = found.escalation_to
    may = move.kind == "escalate" and world.script.acting_as is not None and world.script.acting_as == target
    assert request.may_resolve is may, "only the approver on record may resolve (G11)"
    if len(since) > 2:
        assert since[-1][1].status is PostedAs.NOT_SENT, "a question is put twice only if its yes never left"
    original = earlier[0][0].call if earlier else request.call
    assert request.edited_from == (original if request.call != original else None)
    answered = [e for e, r in earlier if isinstance(e, Settle | Resolve) and r.status is not PostedAs.NOT_SENT]
    assert prompt_id not in {id_of(post) for post in answered}, "an answered question is not put again (G3)"


def world_call(since: list[Any]) -> ToolCall:
    call: ToolCall = since[0][0].call
    return call


def id_of(post: Settle | Resolve) -> str:
    return post.nonce if isinstance(post, Settle) else post.escalation_id


def check_post(world: World, effect: Settle | Resolve, since: list[Any], blocked: Any) -> None:
    prompt_id, move = blocked
    last, said = since[-1]
    assert isinstance(last, Ask), "an answer is posted at once, and once (G3)"
    assert isinstance(said, Answer), "what was answered elsewhere is not answered again (G3)"
    assert id_of(effect) == prompt_id, "the answer goes to that very question (G1)"
    assert isinstance(effect, Settle) is (move.kind == "confirm")
    if effect.answer.kind is AnswerKind.APPROVE:
        assert said.kind is AnswerKind.APPROVE, "only a person approves (G1)"
        limit = 300 if last.request.verification is Verification.MATCHED else UNBOUND_TTL_SECONDS
        assert isinstance(effect, Resolve) or effect.answer.ttl_seconds <= min(limit, said.ttl_seconds)
    else:
        assert said.kind not in UNDECIDED | {AnswerKind.APPROVE, AnswerKind.WAIT}, "an undecided question stays open"
    if isinstance(effect, Resolve):
        assert last.request.may_resolve, "no self-approval (G11)"
        assert effect.answer.resolved_by == world.script.acting_as, "under the session's own name (G11)"


def check_whole(world: World, ended: Ended) -> None:
    rounds = [effect.request.round for effect, _ in world.trace if isinstance(effect, Ask)]
    assert rounds == sorted(rounds)
    assert max(rounds, default=0) <= ended.rounds <= world.script.max_rounds, "rounds are bounded (G6)"
    assert len(rounds) < 2 * world.script.max_rounds, "questions are bounded (G6)"
    left = [id_of(e) for e, r in world.trace if isinstance(e, Settle | Resolve) and r.status is not PostedAs.NOT_SENT]
    assert len(left) == len(set(left)), "one answer a question (G3)"
    for (asked, said), (after, _) in pairwise([*world.trace, (None, None)]):
        if isinstance(asked, Ask) and asked.request.kind == "confirm" and kind_of(said) in REFUSED:
            assert isinstance(after, Settle), "a refused question is closed"
    ours = [ended.message, *(json.dumps([entry.step, dict(entry.facts)]) for entry in world.written)]
    assert not [secret for secret in world.ids for text in ours if secret in text], "ids stay inside (G7)"


def check_end(world: World, ended: Ended) -> None:
    last, reply = world.trace[-1]
    assert (ended.outcome in RAN) is (ended.result is not None)
    assert (ended.outcome in RAN) is (not ended.message), "a result or a sentence, never both, never neither"
    if isinstance(reply, NoReply):
        assert ended.outcome is ApprovalOutcome.UNKNOWN, "what is not known is called unknown (G4)"
    else:
        assert ended.outcome is not ApprovalOutcome.UNKNOWN
    if ended.outcome in RAN:
        assert isinstance(last, Invoke), "a result is handed on at once"
        assert world.blocked[-1] is None
    if ended.outcome is ApprovalOutcome.DENIED_BY_PERSON:
        said = [r for e, r in world.trace[-2:] if isinstance(e, Ask | AwaitResolution)]
        said += [AnsweredElsewhere(r.status, "ada") for e, r in world.trace[-1:] if isinstance(e, Lookup)]
        noes = (Answer.deny("no"), Answer.deny(), Resolution.REJECTED, AnsweredElsewhere("rejected", "ada"))
        assert said[-1] in noes, "a no that somebody said"
    if ended.outcome is ApprovalOutcome.APPROVED:
        yes = [r for e, r in world.trace if isinstance(e, Settle | Resolve) and e.answer.kind is AnswerKind.APPROVE]
        others = [r for _, r in world.trace if r is Resolution.APPROVED or r == AnsweredElsewhere("approved")]
        others += [r for e, r in world.trace if isinstance(e, Lookup) and is_approval_of(world.sent, r)]
        assert others or {p.status for p in yes} & OPENS
    if world.written:
        assert world.written[-1].step == "finished", "how it ended is written down (G12)"
        assert world.written[-1].facts["outcome"] == ended.outcome


@pytest.mark.parametrize("outcome", ApprovalOutcome)
def test_the_generated_conversations_reach_every_outcome(outcome: ApprovalOutcome) -> None:
    """The property above is worth as much as what it sees."""
    from hypothesis import HealthCheck, Phase, find

    quiet = settings(
        max_examples=20_000, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    find(SCRIPTS, lambda script: run(script)[1].outcome is outcome, settings=quiet)
