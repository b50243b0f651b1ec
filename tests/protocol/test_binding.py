"""`canonical_json` against the reference implementation, and against values that mean harm (G2)."""

import json
import math
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from allowly_authority.binding import (
    MAX_ARGUMENT_BYTES,
    MAX_DEPTH,
    bound_resource,
    canonical_json,
    digest_of,
    is_bound_resource,
)

SAFE = 2**53 - 1
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def values(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | numbers | STRINGS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
        max_leaves=20,
    )


@given(values(st.integers(-SAFE, SAFE) | FLOATS))
@example({"\ufb33": 1, "\U0001f600": 2, "é": 3, "1": 4, "\r": 5})
@example(['\u2028\x7f\x00\x1f"\\/\b', "€"])
def test_it_writes_what_the_reference_implementation_writes(value: Any) -> None:
    assert canonical_json(value).encode() == rfc8785.dumps(value)


@given(FLOATS)
@example(1e21)
@example(1e20)
@example(1e-6)
@example(1e-7)
@example(9.999999999999999e20)
@example(5e-324)
@example(1.7976931348623157e308)
@example(-0.0)
@example(0.000001234)
@example(123456789012345680000.0)
def test_every_float_is_printed_as_the_reference_implementation_prints_it(value: float) -> None:
    assert canonical_json(value).encode() == rfc8785.dumps(value)


@given(values(st.integers() | FLOATS))
def test_reading_it_back_and_writing_it_again_changes_nothing(value: Any) -> None:
    text = canonical_json(value)

    assert canonical_json(json.loads(text)) == text


@given(values(st.integers() | st.floats(-SAFE, SAFE)))
def test_reading_it_back_gives_the_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.integers(min_value=2**53).flatmap(lambda n: st.sampled_from([n, -n])))
def test_integers_beyond_the_range_of_floats_are_kept_to_the_digit(value: int) -> None:
    assert canonical_json([value]) == f"[{value}]"


def test_the_order_of_names_does_not_matter_and_the_order_of_items_does() -> None:
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1})
    assert canonical_json([1, 2]) != canonical_json([2, 1])


class Colour(str, Enum):  # noqa: UP042 - prints its name, unlike a StrEnum
    RED = "red"


class Shade(StrEnum):
    DARK = "dark"


class Level(IntEnum):
    HIGH = 3


class Loud(float):
    def __repr__(self) -> str:
        return "Loud"


class Liar(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param((1, (2,)), "[1,[2]]", id="tuples"),
        pytest.param(MappingProxyType({"a": MappingProxyType({})}), '{"a":{}}', id="read-only mappings"),
        pytest.param(Colour.RED, '"red"', id="a text enumeration"),
        pytest.param({Colour.RED: Colour.RED}, '{"red":"red"}', id="a text enumeration as a name"),
        pytest.param(Shade.DARK, '"dark"', id="a StrEnum"),
        pytest.param(Level.HIGH, "3", id="an IntEnum"),
        pytest.param(Loud(1.5), "1.5", id="a float with a repr of its own"),
        pytest.param(Liar("the truth"), '"the truth"', id="a text with a str of its own"),
        pytest.param(True, "true", id="true is no number"),
    ],
)
def test_subclasses_are_written_as_the_json_value_they_hold(value: Any, expected: str) -> None:
    assert canonical_json(value) == expected


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(math.nan, id="NaN"),
        pytest.param(math.inf, id="infinity"),
        pytest.param(-math.inf, id="minus infinity"),
        pytest.param("\ud800", id="half a character"),
        pytest.param({"\udfff": 1}, id="half a character as a name"),
        pytest.param({1: 2}, id="a number as a name"),
        pytest.param({"a": 1, None: 2}, id="nothing as a name"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param({1, 2}, id="a set"),
        pytest.param(1j, id="a complex number"),
        pytest.param(object(), id="an object"),
        pytest.param(CIRCLE, id="a circle"),
        pytest.param(10**5000, id="a number of 5001 digits"),
        pytest.param((item for item in [1]), id="a generator"),
    ],
)
def test_a_value_without_a_json_form_is_refused_at_any_place(value: Any) -> None:
    for place in (value, [value], {"a": [0, value]}):
        with pytest.raises(ValueError, match=r"."):
            canonical_json(place)


def nested(depth: int, *, objects: bool = False) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if objects else [value]
    return value


@pytest.mark.parametrize("objects", [False, True], ids=["lists", "objects"])
def test_nesting_is_taken_to_the_limit_and_no_deeper(objects: bool) -> None:
    """G6."""
    canonical_json(nested(MAX_DEPTH, objects=objects))

    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(ValueError, match="nested deeper"):
            canonical_json(nested(depth, objects=objects))


@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_the_size_limit_counts_bytes_not_characters(character: str) -> None:
    """G6."""
    fits = (MAX_ARGUMENT_BYTES - 2) // len(character.encode())

    canonical_json(character * fits)

    with pytest.raises(ValueError, match="limit"):
        canonical_json(character * (fits + 1))


def test_parts_that_are_shared_do_not_blow_up_before_the_limit_is_seen() -> None:
    """G6: 60 small lists, and a million million million characters when written out."""
    value: Any = "x"
    for _ in range(60):
        value = [value, value]

    with pytest.raises(ValueError, match="limit"):
        canonical_json(value)


def test_a_bound_resource_names_tool_and_digest() -> None:
    resource = bound_resource("pay", '{"a":1}')

    assert resource == "mcp:pay#sha256:" + digest_of('{"a":1}')
    assert is_bound_resource(resource)


@given(tools=st.tuples(STRINGS, STRINGS), texts=st.tuples(STRINGS, STRINGS))
def test_no_two_calls_share_a_bound_resource(tools: tuple[str, str], texts: tuple[str, str]) -> None:
    same = tools[0] == tools[1] and texts[0] == texts[1]

    assert (bound_resource(tools[0], texts[0]) == bound_resource(tools[1], texts[1])) is same


@pytest.mark.parametrize(
    "resource",
    [
        None,
        "",
        "mcp:pay",
        "mcp:#sha256:" + "0" * 64,
        "mcp:pay#sha256:" + "0" * 63,
        "mcp:pay#sha256:" + "G" * 64,
        "mcp:pay#sha256:" + "0" * 64 + "\n",
        "x mcp:pay#sha256:" + "0" * 64,
    ],
)
def test_anything_else_is_not_a_bound_resource(resource: str | None) -> None:
    assert not is_bound_resource(resource)
