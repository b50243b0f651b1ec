"""What reaches the terminal when a person is awaited, to the byte (G7, G8)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.tui.asking.notify import Notifier, sequence

KITTY = {"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}
FOOT = {"TERM": "foot"}
TMUX = {"TERM": "tmux-256color", "TMUX": "default,1,0", "KITTY_WINDOW_ID": "1"}
PLAIN = {"TERM": "xterm-256color"}
OSC_9 = "\x1b]9;allowly-harness: approval needed: mail\x1b\\"
OSC_777 = "\x1b]777;notify;allowly-harness;approval needed: mail\x1b\\"


@pytest.mark.parametrize(
    ("setting", "focused", "environ", "written"),
    [
        ("auto", True, KITTY, "\x07"),
        ("auto", False, KITTY, "\x07" + OSC_9),
        ("auto", False, {"TERM_PROGRAM": "iTerm.app"}, "\x07" + OSC_9),
        ("auto", False, {"TERM_PROGRAM": "WezTerm"}, "\x07" + OSC_9),
        ("auto", False, {"TERM_PROGRAM": "ghostty"}, "\x07" + OSC_9),
        ("auto", False, FOOT, "\x07" + OSC_777),
        ("auto", False, {"VTE_VERSION": "7600"}, "\x07" + OSC_777),
        ("auto", False, PLAIN, "\x07"),
        ("auto", False, TMUX, "\x07"),
        ("auto", False, {}, "\x07"),
        ("desktop", False, PLAIN, "\x07" + OSC_9),
        ("desktop", False, TMUX, "\x07\x1bPtmux;" + OSC_9.replace("\x1b", "\x1b\x1b") + "\x1b\\"),
        ("desktop", True, KITTY, "\x07"),
        ("bell", False, KITTY, "\x07"),
        ("off", False, KITTY, ""),
    ],
)
def test_the_bytes_are_these(setting, focused, environ, written):
    assert sequence("mail", setting, focused=focused, environ=environ) == written


@given(st.text(), st.sampled_from([KITTY, FOOT, TMUX]))
def test_no_name_of_a_server_changes_the_sequence(name, environ):
    """G8: neither a terminator nor a control character nor a separator of fields gets through."""
    drawn = sequence(name, "desktop", focused=False, environ=environ)

    assert re.fullmatch(r"[\x07\x1b\\\]; A-Za-z0-9_.:?-]*", drawn.replace("\x1bP", ""))
    assert drawn.count("\x07") == 1
    assert drawn.count(";") == {"foot": 3}.get(environ["TERM"], 2 if "TMUX" in environ else 1)
    assert len(drawn) < 130


def test_twenty_questions_ring_once_and_the_next_burst_rings_again():
    written, now = [], [0.0]
    notifier = Notifier(written.append, focused=lambda: True, monotonic=lambda: now[0], environ={})

    for _ in range(20):
        notifier.person_awaited("mail")
        now[0] += 0.05
    now[0] += 2.0
    notifier.person_awaited("mail")

    assert written == ["\x07", "\x07"]


def test_what_is_switched_off_writes_nothing():
    written = []
    Notifier(written.append, focused=lambda: False, monotonic=lambda: 0.0, setting="off").person_awaited("mail")

    assert written == []
