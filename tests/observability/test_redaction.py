"""Nothing that looks secret comes out, whatever is put in; and the rest does."""

import copy
import json
import re
from collections import OrderedDict, UserDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.display.secrets import secret_ranges as masked_ranges
from allowly_middleware.observability import Redactor
from allowly_middleware.observability.redaction import (
    CIRCULAR,
    DEEPER,
    LEFT_OUT,
    MAX_KEY_CHARACTERS,
    MORE,
    REDACTED,
    UNREADABLE,
)

REDACTOR = Redactor()
SMALL = Redactor(max_depth=3, max_items=3, max_characters=40, max_nodes=12, max_total=150)
WITH = ["", "see ", "line\n", '{"a": "', "x=", "é"]


@pytest.mark.parametrize("before", WITH, ids=repr)
def test_a_secret_in_a_text_does_not_come_out(secret, before: str) -> None:
    text, canary = secret

    shown = REDACTOR.text(f"{before}{text} <and so on>")

    assert canary not in shown
    assert REDACTED in shown
    assert shown.startswith(before)
    assert shown.endswith("<and so on>")


def test_what_the_screen_masks_is_redacted_too(secret) -> None:
    text, _ = secret

    shown = REDACTOR.text(text)

    assert all(text[start:end] not in shown for start, end in masked_ranges(text))


def test_what_stands_under_a_secret_name_does_not_come_out(secret_name: str) -> None:
    value = {secret_name: "plain", "nested": [{secret_name: {"deep": 1234}}], "set": {secret_name: None, "ok": 1}}

    shown = REDACTOR.redact(value)

    assert shown == {
        secret_name: REDACTED,
        "nested": [{secret_name: REDACTED}],
        "set": {secret_name: None, "ok": 1},
    }


def test_what_stands_under_another_name_does(harmless_name: str) -> None:
    assert REDACTOR.redact({harmless_name: "plain"}) == {harmless_name: "plain"}


@pytest.mark.parametrize(
    "text",
    [
        "send the mail to ada@example.com",
        "https://example.com/path?q=tokens&page=2",
        "0123456789abcdef" * 4,
        "3f2a9c1e-8f57-4a7e-9a2e-1c5f0e9d7b11",
        "the key to success, and a secret",
        "rule_denied",
        "2026-11-22T10:05:00.000+00:00",
        "mail.send_email",
        "desk-top and task-list and risk_free",
    ],
)
def test_a_harmless_text_comes_out_as_it_is(text: str) -> None:
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Authorization", "value": "plain"},
        {"value": "plain", "key": "api_key"},
        {"header": "Cookie", "value": ["plain"]},
        ["password", "plain"],
        [["X-Api-Key", "plain"]],
        {"headers": [("Authorization", "plain")]},
    ],
    ids=repr,
)
def test_a_value_whose_name_stands_beside_it_does_not_come_out(value: Any) -> None:
    assert "plain" not in json.dumps(REDACTOR.redact(value))


def test_a_secret_that_is_a_name_does_not_come_out(secret) -> None:
    text, canary = secret

    shown = REDACTOR.redact({text: 1, text + " ": 2, "other": 3})

    assert canary not in json.dumps(shown)
    assert len(shown) == 3
    assert shown["other"] == 3


def test_a_secret_that_ends_behind_the_limit_does_not_come_out_in_part(secret) -> None:
    text, canary = secret

    for kept in {1, 5, len(text) // 2, len(text) - 4, len(text) - 1}:
        shown = REDACTOR.text("." * (2048 - kept) + text + "." * 99)
        assert canary[:6] not in shown
        assert len(shown) <= 2048


def test_names_and_patterns_of_ones_own_are_redacted_too() -> None:
    redactor = Redactor(
        names=[re.compile("(?i)iban")], patterns=[re.compile(r"order (\d+)"), re.compile("acme-[a-z]+")]
    )

    shown = redactor.redact({"customerIban": "DE02", "note": "order 4711 for acme-corp, paid"})

    assert shown == {"customerIban": REDACTED, "note": f"order {REDACTED} for {REDACTED}, paid"}


def test_what_is_cut_is_counted() -> None:
    shown = REDACTOR.text("x" * 5000)

    assert len(shown) == 2048
    assert shown.endswith("...[+2952 characters]")


class Endless(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            yield str(number)
            number += 1

    def __len__(self) -> int:
        raise RuntimeError("endless")


class Hostile(UserDict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("canary")


@dataclass
class Chatty:
    password: str = "canary"

    def __str__(self) -> str:
        raise AssertionError("str was called")

    __repr__ = __str__


class Word(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "canary"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": (1, 2)}), {"a": [1, 2]}),
        (deque([1]), [1]),
        ({1}, [1]),
        (b"canary", "[6 bytes]"),
        (range(9), "[range]"),
        (Chatty(), "[Chatty]"),
        (RuntimeError("canary"), "[RuntimeError]"),
        (Hostile(a=1), UNREADABLE),
        (Word("word"), "word"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (float("nan"), "[nan]"),
        (10**5000, "[integer of 16610 bits]"),
        ("\ud800x", "\ufffdx"),
        ({1: 1, None: 2, 2.5: 3, (1,): 4, Chatty: 5}, {"1": 1, "None": 2, "2.5": 3, "[tuple]": 4, "[type]": 5}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_value_becomes_json(value: Any, shown: Any) -> None:
    assert REDACTOR.redact(value) == shown
    json.dumps(shown, allow_nan=False)


def test_an_endless_mapping_ends() -> None:
    shown = REDACTOR.redact(Endless())

    assert len(shown) == 64
    assert shown[MORE] == LEFT_OUT


def test_a_loop_ends_and_what_merely_stands_there_twice_is_shown_twice() -> None:
    loop: dict[str, Any] = {"list": [1]}
    loop["self"] = loop
    shared = {"a": 1}

    assert REDACTOR.redact(loop) == {"list": [1], "self": CIRCULAR}
    assert REDACTOR.redact([shared, shared]) == [{"a": 1}, {"a": 1}]


def test_depth_and_number_are_bounded() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    wide = [[[[list(range(64))] * 64] * 64] * 64] * 64

    assert json.dumps(REDACTOR.redact(deep)).count("[") - 1 == 8
    assert DEEPER in json.dumps(REDACTOR.redact(deep))
    assert len(json.dumps(REDACTOR.redact(wide))) < 20_000


def test_the_characters_of_all_texts_together_are_bounded() -> None:
    shown = REDACTOR.redact([{"text": "x = " * 1000} for _ in range(60)])

    assert 10 < len(shown) < 20
    assert shown[-1] == LEFT_OUT


@pytest.mark.parametrize("limit", ["max_depth", "max_items", "max_characters", "max_nodes", "max_total"])
def test_limits_that_leave_no_room_are_refused(limit: str) -> None:
    with pytest.raises(ValueError, match=limit):
        Redactor(**{limit: 0})


PIECES = st.sampled_from(
    [
        *("password", "token", "api", "_key", "=", ": ", '"', "'", "[redacted]", "[more]", "...[+5 characters]", "sk-"),
        *(
            "name",
            "a1B2" * 12,
            "Bearer ",
            "eyJhbGciOi.",
            "-----BEGIN PRIVATE KEY-----",
            "value",
            " ",
            "\\",
            "://u:",
            "@",
        ),
        *("x" * 30, "cnf_", "\ud800"),
    ]
)
TEXTS = st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=50)
SINGLE = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary(max_size=3)
VALUES = st.recursive(
    SINGLE,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(TEXTS, inner)
        | st.dictionaries(TEXTS | st.integers() | st.sampled_from(["name", "key", "value"]), inner, max_size=5)
    ),
    max_leaves=15,
)


@given(VALUES)
def test_redacting_twice_gives_the_same_as_once_and_changes_nothing_that_is_given(value: Any) -> None:
    before = copy.deepcopy(value)

    once = REDACTOR.redact(value)
    assert REDACTOR.redact(once) == once
    for redacted in (once, SMALL.redact(value)):
        json.dumps(redacted, allow_nan=False).encode()

    assert repr(value) == repr(before)


@given(VALUES)
def test_nothing_is_longer_deeper_or_more_than_the_limits_say(value: Any) -> None:
    def measure(value: Any, depth: int) -> tuple[int, int]:
        if isinstance(value, dict):
            assert len(value) <= 3
            assert all(len(name) <= MAX_KEY_CHARACTERS for name in value)
            inside = [measure(held, depth + 1) for held in value.values()]
        elif isinstance(value, list):
            assert len(value) <= 3
            inside = [measure(held, depth + 1) for held in value]
        else:
            assert not isinstance(value, str) or len(value) <= 40
            return depth, 1
        return max([depth, *(d for d, _ in inside)]), 1 + sum(nodes for _, nodes in inside)

    depth, nodes = measure(SMALL.redact(value), 0)

    assert depth <= 3
    assert nodes <= 12 + 3 * 3
