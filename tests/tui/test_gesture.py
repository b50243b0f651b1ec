"""The keys of a question (G1): an approval is exactly `a`, then `y` 0.3 to 5 seconds later, on a live card."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.tui.asking.gesture import (
    ARM_SECONDS,
    DISARM_SECONDS,
    HOLD_OFF_SECONDS,
    Meaning,
    QuestionKeys,
    habit,
    keys_for,
)
from allowly_harness.tui.asking.typedword import SHORTEST_GAP_SECONDS
from allowly_harness.tui.keymap import read_keymap

KEYS = [
    "e",
    "t",
    "o",
    "n",
    "p",
    "question_mark",
    "slash",
    "1",
    "backspace",
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


def live(*, may_approve=True, folded=False, **options) -> QuestionKeys:
    keys = QuestionKeys(may_approve=may_approve, folded=folded, **options)
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


LETTERS = st.sampled_from([*"delt", "enter", "backspace", "a", "y", "escape", "space"])
TYPING = st.lists(st.tuples(LETTERS, st.sampled_from([0.0, 0.01, 0.021, 0.1, 0.31, 4.9, 5.1])), max_size=14)
THE_WORD = st.just([("a", 0.5), *[(letter, 0.31) for letter in "delete"], ("enter", 0.1)])
NOISY = st.tuples(TYPING, THE_WORD, st.integers(0, 8), TYPING).map(lambda t: [*t[0], *t[1][: t[2]], *t[3]])


def typed(keys: QuestionKeys, presses, now: float = HOLD_OFF_SECONDS) -> list[tuple[str, float, Meaning]]:
    done = []
    for key, pause in presses:
        now += pause
        done.append((key, now, keys.press(key, now, key if len(key) == 1 else None)))
    return done


@given(st.one_of(TYPING, NOISY, THE_WORD), st.booleans(), st.booleans())
def test_a_dangerous_call_is_approved_only_by_its_word_typed_key_by_key(presses, may_approve, folded):
    """G1: an independent reading of the presses finds the arming key, the word and enter, all in time."""
    keys = QuestionKeys(may_approve=may_approve, folded=folded, word="delete")
    keys.hold_off(0.0)
    keys.seen()

    done = typed(keys, presses)

    for index, (_, _, meaning) in enumerate(done):
        if meaning is not Meaning.APPROVE:
            continue
        start = max(at for at in range(index) if done[at][2] is Meaning.ARMED)
        attempt = done[start : index + 1]
        written = ""
        for key, _, _ in attempt[1:-1]:
            written = written[:-1] if key == "backspace" else written + key
        times = [at for _, at, _ in attempt]
        gaps = [after - before for before, after in pairwise(times)]
        assert (attempt[0][0], written, attempt[-1][0]) == ("a", "delete", "enter")
        assert gaps[0] >= ARM_SECONDS
        assert min(gaps) >= SHORTEST_GAP_SECONDS
        assert max(gaps) <= DISARM_SECONDS
        assert may_approve
        assert not folded


def test_the_word_of_a_dangerous_call_approves_it():
    keys = live(word="delete")

    done = typed(keys, [("a", 1.0), ("d", 0.4), *[(letter, 0.1) for letter in "elete"], ("enter", 0.2)])

    assert [meaning for _, _, meaning in done] == [Meaning.ARMED, *[Meaning.TYPED] * 6, Meaning.APPROVE]


@pytest.mark.parametrize(
    "presses",
    [
        [("a", 1.0), ("y", 0.5)],
        [("a", 1.0), ("y", 0.5), ("enter", 0.5)],
        [("a", 1.0), ("enter", 0.5)],
        [("a", 1.0), *[(letter, 0.4) for letter in "delet"], ("enter", 0.4)],
        [("a", 1.0), *[(letter, 0.4) for letter in "deletes"], ("enter", 0.4)],
        [("a", 1.0), *[(letter, 0.4) for letter in "DELETE"], ("enter", 0.4)],
        [("a", 1.0), ("d", 0.4), *[(letter, 0.0) for letter in "elete"], ("enter", 0.4)],
        [("a", 1.0), *[(letter, 0.1) for letter in "delete"], ("enter", 0.4)],
        [("a", 1.0), *[(letter, 0.4) for letter in "delete"], ("enter", 5.1)],
        [("a", 1.0), *[(letter, 4.9) for letter in "delete"], ("enter", 4.9)],
        [*[(letter, 0.4) for letter in "delete"], ("enter", 0.4)],
    ],
    ids=["y", "y enter", "enter", "short", "long", "capitals", "burst", "too soon", "late", "slow", "not armed"],
)
def test_nothing_but_the_word_approves_a_dangerous_call(presses):
    """G1."""
    assert Meaning.APPROVE not in [meaning for _, _, meaning in typed(live(word="delete"), presses)]


def test_a_mistyped_letter_can_be_taken_back():
    presses = [("a", 1.0), *[(key, 0.4) for key in ("d", "x", "backspace", *"elete", "enter")]]

    assert typed(live(word="delete"), presses)[-1][2] is Meaning.APPROVE


@given(PRESSES)
def test_a_question_closed_elsewhere_is_only_closed(presses):
    keys = live()
    keys.press("a", 2.0)
    keys.close(2.1)

    meanings = {meaning for _, _, meaning in typed(keys, presses, 2.2)}

    assert meanings <= {Meaning.TOO_EARLY, Meaning.CLOSE}


def test_moved_keys_approve_and_the_old_ones_do_not():
    keymap = read_keymap({"approve": "x", "approve-confirm": "z"})
    keys = live(keymap=keymap)

    assert typed(keys, [("a", 1.0), ("y", 0.5)])[-1][2] is Meaning.NOTHING
    assert typed(keys, [("x", 5.0), ("z", 0.5)])[-1][2] is Meaning.APPROVE


@pytest.mark.parametrize("key", ["y", "enter", "1", "Y", "A", "q", "tab"])
def test_a_key_pressed_by_habit_says_what_to_press(key):
    assert "a approves" in habit(key) or "a first" in habit(key) or key in ("q", "tab")
    assert habit(key)


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


@pytest.mark.parametrize("key", ["a", "y", "d", "o"])
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
