"""The table of calls that wait for their next leg: a place is taken once, in time, or not at all."""

from __future__ import annotations

import pytest

from allowly_middleware import continuations
from allowly_middleware.continuations import CONTINUATION_SECONDS, Continuations


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def waiting(clock: list[float]) -> Continuations:
    return Continuations(clock=lambda: clock[0])


def test_a_place_is_taken_once(waiting):
    waiting.put("leg", "key")

    assert [waiting.take("leg"), waiting.take("leg")] == ["key", None]


def test_a_leg_that_nobody_asked_for_finds_no_place(waiting):
    waiting.put("leg", "key")

    assert waiting.take("other leg") is None


def test_two_equal_calls_have_two_places(waiting):
    waiting.put("leg", "first")
    waiting.put("leg", "second")

    assert [waiting.take("leg") for _ in range(3)] == ["first", "second", None]


def test_a_place_is_kept_for_its_time_and_no_longer(waiting, clock):
    waiting.put("in time", "key")
    waiting.put("late", "key")

    clock[0] += CONTINUATION_SECONDS - 0.001
    in_time = waiting.take("in time")
    clock[0] += 0.001
    late = waiting.take("late")

    assert (in_time, late) == ("key", None)


def test_a_younger_place_of_the_same_leg_outlives_an_older_one(waiting, clock):
    waiting.put("leg", "old")
    clock[0] += 1
    waiting.put("leg", "young")

    clock[0] += CONTINUATION_SECONDS - 1

    assert waiting.take("leg") == "young"


def test_beyond_the_limit_the_oldest_place_is_forgotten(waiting, monkeypatch):
    monkeypatch.setattr(continuations, "MAX_CONTINUATIONS", 3)

    for leg in "abcd":
        waiting.put(leg, leg)

    assert [waiting.take(leg) for leg in "abcd"] == [None, "b", "c", "d"]
