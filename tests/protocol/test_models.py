"""The values of the conversation: a call that nobody can change, and answers within their limits."""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_authority.binding import bound_resource, canonical_json
from allowly_harness.protocol.models import (
    MAX_REASON_CHARACTERS,
    MAX_TTL_SECONDS,
    Answer,
    AnswerKind,
    ApprovalOutcome,
    ToolCall,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
ARGUMENTS = st.dictionaries(TEXT, VALUES, max_size=4)


def changed_in_place(value: Any) -> None:
    """Change every dict and list inside `value`."""
    if isinstance(value, dict):
        for item in value.values():
            changed_in_place(item)
        value["changed"] = True
    if isinstance(value, list):
        for item in value:
            changed_in_place(item)
        value.append("changed")


def frozen_to_the_last_list(value: Any) -> bool:
    if isinstance(value, Mapping):
        return not hasattr(value, "__setitem__") and all(map(frozen_to_the_last_list, value.values()))
    if isinstance(value, tuple):
        return all(map(frozen_to_the_last_list, value))
    return value is None or isinstance(value, str | int | float)


@given(ARGUMENTS)
def test_nothing_that_happens_to_the_arguments_reaches_the_call(arguments: dict[str, Any]) -> None:
    """G2."""
    before = canonical_json(arguments)
    call = ToolCall("bank", "pay", arguments)
    digest = call.digest

    changed_in_place(arguments)
    changed_in_place(call.payload())

    assert call.canonical == before
    assert call.digest == digest
    assert canonical_json(call.payload()) == before
    assert canonical_json(call.arguments) == before


@given(ARGUMENTS)
def test_the_view_of_the_arguments_is_frozen_to_the_last_list(arguments: dict[str, Any]) -> None:
    """G2."""
    assert frozen_to_the_last_list(ToolCall("bank", "pay", arguments).arguments)


@given(ARGUMENTS)
def test_a_call_survives_the_way_over_the_wire(arguments: dict[str, Any]) -> None:
    call = ToolCall("bank", "pay", arguments)

    received = json.loads(json.dumps(call.payload()))

    assert ToolCall("bank", "pay", received) == call
    assert canonical_json(received) == call.canonical


@pytest.mark.parametrize("name", ["server", "tool", "arguments", "canonical", "digest", "resource", "other"])
def test_a_call_has_no_attribute_that_can_be_set(name: str) -> None:
    """G2."""
    call = ToolCall("bank", "pay", {})

    with pytest.raises(AttributeError):
        setattr(call, name, "eve")


def test_calls_are_equal_when_server_tool_and_arguments_are() -> None:
    call = ToolCall("bank", "pay", {"a": 1, "b": [2.0]})

    assert call == ToolCall("bank", "pay", {"b": (2,), "a": 1})
    assert hash(call) == hash(ToolCall("bank", "pay", {"b": (2,), "a": 1}))
    assert call != ToolCall("shop", "pay", {"a": 1, "b": [2.0]})
    assert call != ToolCall("bank", "take", {"a": 1, "b": [2.0]})
    assert call != ToolCall("bank", "pay", {"a": 1})
    assert call != "pay"


def test_the_digest_is_the_same_on_every_machine_and_in_every_version() -> None:
    call = ToolCall("bank", "pay", {"to": "ada", "amount": 5})

    assert call.digest == "a1a217af96117f4e4fd6188ee25199bff0b64a4113b45e64240a8790ff6c05c6"
    assert call.resource == bound_resource("pay", '{"amount":5,"to":"ada"}')


def test_a_call_of_any_allowed_size_has_a_digest():
    """Quoted once more, these arguments are longer than the limit for arguments."""
    call = ToolCall("mail", "send_email", {"body": "\\" * 1_500_000})

    assert len(call.digest) == 64


@given(st.lists(st.tuples(TEXT, TEXT, ARGUMENTS), min_size=2, max_size=2))
def test_different_calls_have_different_digests(pair: list[tuple[str, str, dict[str, Any]]]) -> None:
    one, two = (ToolCall(*parts) for parts in pair)

    assert (one.digest == two.digest) is (one == two)


class Colour(str, Enum):  # noqa: UP042 - prints its name, unlike a StrEnum
    RED = "red"


def test_a_text_enumeration_is_sent_as_its_value() -> None:
    assert ToolCall("bank", "paint", {"colour": Colour.RED}).payload() == {"colour": "red"}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([1], id="a list"),
        pytest.param([("a", 1)], id="a list of pairs"),
        pytest.param("{}", id="a text"),
        pytest.param(5, id="a number"),
        pytest.param(None, id="nothing"),
        pytest.param({"a": float("nan")}, id="NaN inside"),
        pytest.param({1: "a"}, id="a number as a name"),
    ],
)
def test_arguments_that_are_no_json_object_are_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        ToolCall("bank", "pay", arguments)


@pytest.mark.parametrize("seconds", [0, -1, MAX_TTL_SECONDS + 1, float("nan"), float("inf")])
def test_an_approval_cannot_be_open_longer_than_the_api_allows(seconds: int) -> None:
    """G6."""
    with pytest.raises(ValueError, match="ttl_seconds"):
        Answer.approve(ttl_seconds=seconds)


def test_what_a_person_types_is_cut_at_the_limit() -> None:
    """G6."""
    long = "x" * (MAX_REASON_CHARACTERS + 1)

    assert Answer.approve(note=long).note == "x" * MAX_REASON_CHARACTERS
    assert Answer.deny(long).reason == "x" * MAX_REASON_CHARACTERS
    assert Answer.respond(long).text == "x" * MAX_REASON_CHARACTERS


def test_only_one_way_of_answering_approves() -> None:
    """G1."""
    answers = [
        Answer.approve(),
        Answer.deny(),
        Answer.edit({}),
        Answer.respond("no"),
        Answer.defer(),
        Answer.wait(),
        Answer.ask_again(),
        Answer.cancel(),
        Answer.expired(),
        Answer.unattended(),
        Answer.unheard(),
    ]

    assert [answer.kind for answer in answers] == list(AnswerKind)
    assert [answer for answer in answers if answer.kind is AnswerKind.APPROVE] == [Answer.approve()]


def test_what_nobody_chose_has_an_outcome_of_its_own() -> None:
    assert {outcome.value for outcome in ApprovalOutcome} == {
        *("allowed", "approved", "approved_edited", "responded", "denied_by_policy", "denied_by_person"),
        *("expired", "cancelled", "unattended", "deferred", "superseded", "spoofed", "unreachable"),
        *("too_many_rounds", "unknown"),
    }
