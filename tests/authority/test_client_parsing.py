"""Whatever bytes come back, the client returns what they say or an error; never more than they say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_authority.calls import Call, lookup_call, settle_call
from allowly_authority.errors import AuthorityError, InvalidRequest, MalformedReply
from allowly_authority.identifiers import is_usable_id
from allowly_authority.outcomes import Answer, understood
from allowly_authority.strict_json import StrictJSONError, parse_json
from allowly_authority.wire.replies import CheckReply, PromptDescription, PromptStatus

STRENGTH = {"allow": 2, "confirm": 1, "escalate": 1, "deny": 0}
MODELS = [CheckReply, PromptStatus, PromptDescription]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def valid_reply(decision: str) -> dict[str, Any]:
    result: dict[str, Any] = {"decision": decision, "reason": "some_reason", "budget": None, "escalation": None}
    if decision == "confirm":
        result |= {"confirm_nonce": "n-1", "confirm_expires_at": "2026-11-22T10:05:00.000Z", "confirm_prompt_hint": "x"}
    if decision == "escalate":
        result |= {"escalation_id": "esc_1", "escalation_to": None, "escalation_expires_at": "2026-11-22T10:05:00Z"}
    return {"authorization_id": "auth_1", "policy_version": "1", "results": {"send": result}}


def read(content: bytes, model: Any = CheckReply) -> Any:
    return understood(Answer(200, content, is_json=True, retry_after=None), 200, model, lookup=False)


def strength(outcome: Any) -> int:
    if isinstance(outcome, AuthorityError):
        return 0
    return max((STRENGTH[result.decision] for result in outcome.results.values()), default=0)


@given(content=st.binary(max_size=300), model=st.sampled_from(MODELS))
def test_any_bytes_are_read_or_refused(content, model):
    """I10: the parser is total."""
    assert isinstance(read(content, model), (model, MalformedReply))


@given(value=JSON, decision=st.sampled_from(sorted(STRENGTH)), path=st.integers(0, 30))
def test_any_value_in_any_place_is_read_or_refused(value, decision, path):
    body = valid_reply(decision)
    places = [(body, name) for name in body]
    places += [(body["results"], "send")] + [(body["results"]["send"], name) for name in body["results"]["send"]]
    container, name = places[path % len(places)]
    container[name] = value

    outcome = read(json.dumps(body).encode("utf-8", "surrogatepass"))

    assert isinstance(outcome, (CheckReply, MalformedReply))
    if name != "decision":
        assert strength(outcome) <= STRENGTH[decision]


@st.composite
def mutated(draw, original: bytes) -> bytes:
    """Flip, drop, double or swap bytes; never write a decision that was not there."""
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(["flip", "drop", "double", "cut", "swap"]))
        if not content:
            break
        if kind == "flip":
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "drop":
            del content[at : at + draw(st.integers(1, 20))]
        elif kind == "double":
            content[at:at] = content[at : at + draw(st.integers(1, 60))]
        elif kind == "cut":
            del content[at:]
        else:
            other = draw(st.integers(0, len(content) - 1))
            content[at], content[other] = content[other], content[at]
    return bytes(content)


@given(data=st.data(), decision=st.sampled_from(sorted(STRENGTH)))
def test_a_damaged_reply_never_permits_more_than_the_whole_one(data, decision):
    """A23."""
    content = data.draw(mutated(json.dumps(valid_reply(decision)).encode()))

    assert strength(read(content)) <= STRENGTH[decision]


@given(first=st.sampled_from(sorted(STRENGTH)), second=st.sampled_from(sorted(STRENGTH)), nested=st.booleans())
def test_two_decisions_under_one_name_decide_nothing(first, second, nested):
    one, two = (json.dumps(valid_reply(word)["results"]["send"]) for word in (first, second))
    results = f'{{"send":{one},"send":{two}}}' if nested else f'{{"send":{one[:-1]},"decision":"{second}"}}}}'

    outcome = read(f'{{"authorization_id":"auth_1","results":{results}}}'.encode())

    assert isinstance(outcome, MalformedReply)


@given(text=st.text(max_size=40))
def test_no_identifier_leaves_its_place_in_the_path(text):
    """A13: dot segments, slashes and line ends are refused before anything is sent."""
    if not is_usable_id(text):
        with pytest.raises(InvalidRequest):
            settle_call(text, approved=True, ttl_seconds=60, idempotency_key=None)
        return

    call = settle_call(text, approved=True, ttl_seconds=60, idempotency_key=None)

    assert call.path.startswith("/v1/confirmations/")
    assert call.path.count("/") == 3
    assert not set(call.path) & set("?#\\ \r\n")


@pytest.mark.parametrize(
    "identifier", ["", ".", "..", "a/b", "%2e%2e", "a\r\nX: y", "é", "a b", "a?b", "a#b", "x" * 257]
)
def test_identifiers_that_mean_another_address_are_refused_unsent(identifier):
    for prepare in (
        lambda: settle_call(identifier, approved=False, ttl_seconds=60, idempotency_key=None),
        lambda: lookup_call(identifier, None),
        lambda: lookup_call(None, identifier),
        lambda: Call.get("/v1/escalations", identifier),
    ):
        with pytest.raises(ValueError, match="form"):
            prepare()


@pytest.mark.parametrize("key", ["", "a\r\nX: y", "é", "x" * 256])
def test_idempotency_keys_that_would_break_the_header_are_refused(key):
    with pytest.raises(InvalidRequest):
        Call.post("/v1/check", {}, idempotency_key=key)


@pytest.mark.parametrize("body", [{"x": float("nan")}, {"x": "\ud800"}, {"x": object()}, {"x": {1, 2}}])
def test_requests_without_a_json_form_are_refused(body):
    with pytest.raises(InvalidRequest):
        Call.post("/v1/check", body)


@given(value=JSON)
def test_strict_json_reads_what_python_writes_unless_it_has_two_meanings(value):
    text = json.dumps(value)

    try:
        read_back = parse_json(text.encode())
    except StrictJSONError:
        assert "NaN" in text or "Infinity" in text or "\\ud" in text
    else:
        assert json.dumps(read_back) == text


@pytest.mark.parametrize(("depth", "accepted"), [(32, True), (33, False), (100_000, False)])
def test_nesting_has_a_limit(depth, accepted):
    body = b"[" * depth + b"]" * depth

    if accepted:
        parse_json(body)
    else:
        with pytest.raises(StrictJSONError):
            parse_json(body)
