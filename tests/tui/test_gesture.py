"""The keys of a question (G1): an approval is exactly `a`, then `y` 0.3 to 5 seconds later, on a live card."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.tui.gesture import (
    ARM_SECONDS,
    DISARM_SECONDS,
    HOLD_OFF_SECONDS,
    Meaning,
    QuestionKeys,
    keys_for,
)

KEYS = [
    "a",
    "y",
    "d",
    "v",
    "s",
    "l",
    "w",
    "g",
    "r",
    "enter",
    "escape",
    "space",
    "ctrl+c",
    "ctrl+d",
    "tab",
    "x",
    "Y",
    "A",
]
PRESSES = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from([0.0, 0.1, 0.31, 1.0, 4.9, 6.0])), max_size=12)


def live(*, may_approve=True, folded=False) -> QuestionKeys:
    keys = QuestionKeys(may_approve=may_approve, folded=folded)
    keys.hold_off(0.0)
    keys.seen()
    return keys


@given(PRESSES, st.booleans(), st.booleans())
def test_any_sequence_of_keys_approves_only_by_a_and_then_y_in_time(presses, may_approve, folded):
    keys = live(may_approve=may_approve, folded=folded)
    now, before = HOLD_OFF_SECONDS, (None, 0.0, Meaning.NOTHING)

    for key, pause in presses:
        now += pause
        meaning = keys.press(key, now)

        if meaning is Meaning.APPROVE:
            assert (key, before[0], before[2]) == ("y", "a", Meaning.ARMED)
            assert ARM_SECONDS <= now - before[1] <= DISARM_SECONDS
            assert may_approve
            assert not folded
        before = (key, now, meaning)


@given(PRESSES, st.integers(0, 11))
def test_nothing_approves_after_the_question_ended(presses, end):
    keys = live()
    now = HOLD_OFF_SECONDS
    for index, (key, pause) in enumerate(presses):
        now += pause
        if index == end:
            keys.expire(now)

        meaning = keys.press(key, now)

        assert not (keys.expired and meaning in (Meaning.APPROVE, Meaning.ARMED))


@pytest.mark.parametrize("key", KEYS)
def test_no_key_counts_before_the_first_paint(key):
    keys = QuestionKeys(may_approve=True, folded=False)

    assert keys.press(key, 1e9) is Meaning.TOO_EARLY


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("at", [-10.0, 0.0, 1.19])
def test_no_key_counts_within_the_hold_off(key, at):
    assert live().press(key, at) is Meaning.TOO_EARLY


@pytest.mark.parametrize(
    ("pause", "meaning"),
    [
        *((0.0, Meaning.DISARMED), (0.29, Meaning.DISARMED), (0.31, Meaning.APPROVE)),
        *((4.99, Meaning.APPROVE), (5.01, Meaning.DISARMED), (60.0, Meaning.DISARMED)),
    ],
)
def test_y_counts_in_a_window_after_a(pause, meaning):
    keys = live()
    keys.press("a", 2.0)

    assert keys.press("y", 2.0 + pause) is meaning


@pytest.mark.parametrize("key", [key for key in KEYS if key != "y"])
def test_any_other_key_takes_a_half_given_yes_back_and_does_nothing_else(key):
    keys = live()
    keys.press("a", 2.0)

    assert keys.press(key, 3.0) is Meaning.DISARMED
    assert keys.press("y", 3.5) is Meaning.NOTHING


def test_a_new_hold_off_takes_a_half_given_yes_back():
    keys = live()
    keys.press("a", 2.0)

    keys.hold_off(2.1)

    assert keys.press("y", 2.5) is Meaning.TOO_EARLY
    assert keys.press("y", 4.0) is Meaning.NOTHING


def test_a_half_given_yes_lapses():
    keys = live()
    keys.press("a", 2.0)

    assert not keys.lapse(7.0)
    assert keys.lapse(7.1)
    assert keys.press("y", 7.2) is Meaning.NOTHING


def test_a_folded_call_must_be_read_first():
    keys = live(folded=True)

    assert keys.press("a", 2.0) is Meaning.NEEDS_VIEW
    keys.viewed()
    assert keys.press("a", 3.0) is Meaning.ARMED


def test_a_card_must_have_been_on_the_screen_to_its_end():
    keys = QuestionKeys(may_approve=True, folded=False)
    keys.hold_off(0.0)

    assert keys.press("a", 2.0) is Meaning.NEEDS_SCROLL


@pytest.mark.parametrize("key", ["a", "y", "d"])
def test_who_raised_an_escalation_cannot_approve_it(question, key):
    """G11."""
    keys = keys_for(question(kind="escalate", may_resolve=False), folded=False)
    keys.hold_off(0.0)
    keys.seen()

    assert keys.press(key, 2.0) is Meaning.NOTHING


def test_the_named_approver_of_an_escalation_can_approve_it(question):
    keys = keys_for(question(kind="escalate", may_resolve=True), folded=False)
    keys.hold_off(0.0)
    keys.seen()

    assert keys.press("a", 2.0) is Meaning.ARMED
