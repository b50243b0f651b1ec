"""Questions and answers on the wire: nothing is lost, and the far card is the near card (G2, G7, G9)."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.approvers.attached.frames import WireError, decode, encode, seal_of
from allowly_harness.approvers.attached.values import (
    dump_asked,
    dump_closure,
    dump_said,
    dump_status,
    load_asked,
    load_closure,
    load_said,
    load_status,
)
from allowly_harness.approvers.base import Closure, WaitStatus
from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.display.card import build_card, full_view
from allowly_harness.display.layout import lay_out, lay_out_sections
from allowly_harness.protocol.models import (
    Answer,
    AnswerKind,
    ApprovalRequest,
    ServerInfo,
    ToolCall,
    ToolInfo,
    Verification,
)

ANY_TEXT = st.text(st.characters(), max_size=30)  # with lone surrogates, controls, bidi: a server words them
SENDABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)


def json_values(text: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    plain = st.none() | st.booleans() | NUMBERS | text
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
    )


DOCUMENTS = st.dictionaries(ANY_TEXT, json_values(ANY_TEXT), max_size=4)
CALLS = st.builds(
    ToolCall, SENDABLE, SENDABLE, st.dictionaries(SENDABLE, json_values(SENDABLE), max_size=4).map(lambda found: found)
)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=30))])
MOMENTS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1), timezones=ZONES)  # noqa: DTZ001
SERVERS = st.builds(ServerInfo, ANY_TEXT, ANY_TEXT)
REQUESTS = st.builds(
    ApprovalRequest,
    kind=st.sampled_from(["confirm", "escalate"]),
    call=CALLS,
    reason=ANY_TEXT,
    expires_at=MOMENTS,
    server=SERVERS,
    tool=st.builds(ToolInfo, ANY_TEXT, st.none() | ANY_TEXT, st.none() | ANY_TEXT, DOCUMENTS, DOCUMENTS),
    prompt_hint=st.none() | ANY_TEXT,
    escalation_to=st.none() | ANY_TEXT,
    round=st.integers(1, 9),
    verification=st.sampled_from(Verification),
    may_resolve=st.booleans(),
    scope=st.none() | ANY_TEXT,
    note=ANY_TEXT,
    requester=ANY_TEXT,
    authorization_id=st.none() | ANY_TEXT,
    danger=ANY_TEXT,
    edited_from=st.none() | CALLS,
    draft=st.none() | DOCUMENTS,
)
ELICITATIONS = st.builds(
    ElicitationRequest,
    server=SERVERS,
    message=ANY_TEXT,
    mode=st.sampled_from(["form", "url"]),
    schema=DOCUMENTS,
    url=st.none() | ANY_TEXT,
    note=ANY_TEXT,
    draft=st.none() | DOCUMENTS,
)
SHORT = st.none() | st.text(st.characters(), max_size=500)
ANSWERS = st.builds(
    Answer,
    kind=st.sampled_from(AnswerKind),
    ttl_seconds=st.integers(1, 300),
    note=SHORT,
    resolved_by=SHORT,
    reason=SHORT,
    text=SHORT,
    arguments=st.none() | DOCUMENTS,
)
REPLIES = st.builds(ElicitationReply, st.sampled_from(["accept", "decline", "cancel"]), st.none() | DOCUMENTS)


def over_the_wire(value: dict) -> dict:
    return decode(encode(value))


@given(REQUESTS | ELICITATIONS)
def test_a_request_comes_out_as_it_went_in(request):
    assert load_asked(over_the_wire(dump_asked(request))) == request


@given(REQUESTS)
def test_the_card_built_there_is_the_card_built_here_line_by_line(request):
    there = load_asked(over_the_wire(dump_asked(request)))

    assert isinstance(there, ApprovalRequest)
    for revealed in (False, True):
        here_card, there_card = build_card(request, revealed=revealed), build_card(there, revealed=revealed)
        assert there_card == here_card
        assert lay_out(there_card, 80) == lay_out(here_card, 80)
        assert lay_out_sections(full_view(there, revealed=revealed), 80) == lay_out_sections(
            full_view(request, revealed=revealed), 80
        )


@given(REQUESTS | ELICITATIONS)
def test_both_sides_seal_the_same_request_alike(request):
    there = load_asked(over_the_wire(dump_asked(request)))

    assert seal_of(dump_asked(there)) == seal_of(dump_asked(request))


@given(ANSWERS | REPLIES)
def test_an_answer_comes_out_as_it_went_in(said):
    assert load_said(over_the_wire(dump_said(said))) == said


@given(
    st.builds(Closure, st.sampled_from(["answered", "withdrawn"]), st.booleans(), st.none() | ANY_TEXT, ANY_TEXT),
    st.builds(WaitStatus, st.integers(0, 10_000), st.none() | MOMENTS, st.none() | MOMENTS, ANY_TEXT),
)
def test_closures_and_statuses_come_out_as_they_went_in(closure, status):
    read = WaitStatus()
    load_status(over_the_wire(dump_status(status)), read)

    assert load_closure(over_the_wire(dump_closure(closure))) == closure
    assert (read.polls, read.last_checked, read.next_check, read.problem) == (
        status.polls,
        status.last_checked,
        status.next_check,
        status.problem,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": '{"to":"eve"}'},
        {"arguments": '{"to": "ada"}'},
        {"arguments": '{"to":"ada","to":"ada"}'},
        {"arguments": "[]"},
        {"arguments": "{"},
        {"tool": "delete_mailbox"},
        {"server": "other"},
        {"digest": "0" * 64},
    ],
)
def test_a_call_whose_digest_names_other_arguments_is_refused(question, change):
    written = over_the_wire(dump_asked(question("ada")))
    written["approval"]["call"] |= change

    with pytest.raises(WireError, match="not those that its digest names"):
        load_asked(written)


def changed(question, **members):
    written = over_the_wire(dump_asked(question()))
    written["approval"] |= members
    return written


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"kind": "allow"}, "approval.kind is not one of the known words"),
        ({"round": 0}, "round is not an integer"),
        ({"round": True}, "round is not an integer"),
        ({"round": 1.0}, "round is not an integer"),
        ({"expires_at": "2026-11-22T12:00:00"}, "expires_at is not a moment"),
        ({"expires_at": "soon"}, "expires_at is not a moment"),
        ({"may_resolve": 1}, "may_resolve is not true or false"),
        ({"note": None}, "note is not text"),
        ({"tool": []}, "tool is not an object"),
        ({"draft": []}, "draft is not an object"),
        ({"confirm_nonce": "n"}, "members that are not known"),
    ],
)
def test_what_is_no_question_is_refused_with_the_name_of_the_member_and_never_its_value(question, members, words):
    with pytest.raises(WireError, match=words) as refused:
        load_asked(changed(question, **members))
    assert "soon" not in str(refused.value)


@pytest.mark.parametrize("missing", ["kind", "call", "expires_at", "danger", "edited_from"])
def test_a_question_with_a_member_missing_is_refused(question, missing):
    written = over_the_wire(dump_asked(question()))
    del written["approval"][missing]

    with pytest.raises(WireError, match=missing):
        load_asked(written)


@pytest.mark.parametrize("ttl", [0, 301, -1, True, 60.0, "60"])
def test_an_approval_for_longer_than_the_api_grants_is_refused(ttl):
    written = dump_said(Answer.approve())
    written["answer"]["ttl_seconds"] = ttl

    with pytest.raises(WireError, match="ttl_seconds"):
        load_said(written)


def test_a_note_longer_than_is_kept_is_refused():
    written = dump_said(Answer.deny("no"))
    written["answer"]["reason"] = "n" * 501

    with pytest.raises(WireError, match="longer than 500"):
        load_said(written)


def test_a_question_holds_no_nonce_and_no_escalation_id(question):
    """G7: the ids are bearer secrets, and a terminal has no use for them."""
    names = {field.name for field in dataclasses.fields(ApprovalRequest)}
    written = json.dumps(over_the_wire(dump_asked(question())))

    assert not [name for name in names if "nonce" in name or (name.endswith("_id") and name != "authorization_id")]
    assert "nonce" not in written
    assert "escalation_id" not in written


@pytest.mark.parametrize("value", ["\\" * 1_000_000, "x" * (4 * 1024 * 1024 - 200)], ids=["escaped twice", "plain"])
def test_arguments_at_their_limit_fit_into_a_frame_also_after_an_edit(question, value):
    long = ToolCall("mail", "send_email", {"a": value})

    request = question(call=long, edited_from=long)

    assert load_asked(over_the_wire(dump_asked(request))) == request
