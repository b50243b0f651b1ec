"""Which keys may be moved where: never so that a yes becomes easier (G1)."""

import pytest
from textual.keys import _character_to_key

from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.tui.keymap import ACTIONS, DEFAULT_KEYMAP, key_label, read_keymap


def test_without_overrides_every_action_has_its_default_key():
    assert {action.name: action.default for action in ACTIONS} == DEFAULT_KEYMAP.bindings()


def test_an_action_moves_to_another_key():
    keymap = read_keymap({"deny": "x", "call": "ctrl+g", "search": "!"})

    assert keymap.action("question", "x") == "deny"
    assert keymap.action("question", "d") is None
    assert keymap.key("search") == _character_to_key("!")
    assert (keymap.label("call"), keymap.label("search")) == ("^g", "!")


def test_two_actions_swap_their_keys():
    keymap = read_keymap({"deny": "l", "later": "d"})

    assert (keymap.key("deny"), keymap.key("later")) == ("l", "d")


@pytest.mark.parametrize("key", ["enter", "space", "escape", "y", "tab", "1", " ", "ctrl+m", "ctrl+c", "down", "j"])
def test_no_yes_begins_with_a_key_that_is_pressed_by_habit(key):
    """G1."""
    with pytest.raises(ConfigurationError):
        read_keymap({"approve": key, "approve-confirm": "z"})


@pytest.mark.parametrize("key", ["enter", "space", "escape", "tab", "1", "backspace", "ctrl+j"])
def test_no_yes_ends_with_a_key_that_is_pressed_by_habit(key):
    """G1."""
    with pytest.raises(ConfigurationError):
        read_keymap({"approve-confirm": key})


@pytest.mark.parametrize("key", ["a", "A"])
def test_the_two_keys_of_a_yes_are_two(key):
    """G1."""
    with pytest.raises(ConfigurationError):
        read_keymap({"approve-confirm": key})


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"aprove": "x"}, "'approve'"),
        ({"deny": "later"}, "'later' is no key"),
        ({"deny": "\u0430"}, "is no key"),
        ({"deny": "ctrl+A"}, "is no key"),
        ({"deny": ""}, "is no key"),
        ({"deny": "\x1b[A"}, "is no key"),
        ({"deny": "v"}, "deny and view have the same key: v"),
        ({"deny": "f2"}, "open-waiting and deny have the same key: f2"),
        ({"deny": "ctrl+c"}, "fixed meaning"),
        ({"quit": "space"}, "fixed meaning"),
    ],
)
def test_what_cannot_be_bound_is_said(overrides, words):
    with pytest.raises(ConfigurationError, match=words.replace("(", r"\(")):
        read_keymap(overrides)


def test_no_default_takes_a_key_that_another_one_has():
    seen = [(action.context, action.default) for action in ACTIONS]

    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(("key", "label"), [("question_mark", "?"), ("ctrl+s", "^s"), ("D", "D"), ("alt+f5", "alt+f5")])
def test_keys_are_written_short(key, label):
    assert key_label(key) == label


def test_the_names_of_characters_are_textuals():
    for code in range(33, 127):
        name = _character_to_key(chr(code))

        assert key_label(name) == chr(code), name
