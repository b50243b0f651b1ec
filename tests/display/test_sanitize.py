"""The sanitiser, for every code point and for every attack of the collection (G8)."""

import json
import re
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.display.sanitize import (
    MAX_BLOCK_LINES,
    MAX_LINE_CHARACTERS,
    MAX_MARKS,
    block,
    escape,
    identifier,
    is_hidden,
    one_line,
    plain,
)

IGNORABLE = re.compile(  # Default_Ignorable_Code_Point that Python calls printable, and the empty braille cell
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
HOSTILE = json.loads((Path(__file__).parent / "hostile_strings.json").read_text())


def assert_inert(text: str) -> None:
    for character in text:
        assert character == " " or unicodedata.category(character)[0] in "LMNPS", repr(character)
        assert not is_hidden(character), repr(character)


@pytest.mark.parametrize("before", [" ", "a"], ids=["alone", "behind a letter"])
@pytest.mark.parametrize("plane", range(17))
def test_no_code_point_comes_out_acting_or_invisible(plane, before):
    characters = [chr(code) for code in range(plane << 16, (plane + 1) << 16)]
    text = before + before.join(characters)

    shown = one_line(text, limit=len(text))

    assert shown.text.isprintable()  # no Cc, Cf, Cs, Co, Cn, Zl, Zp, and no space but U+0020
    assert not IGNORABLE.search(shown.text)
    assert shown.hidden == sum(map(is_hidden, characters))


@pytest.mark.parametrize("code", [0, 0x1B, 0x7F, 0x9B, 0xA0, 0xAD, 0x202E, 0x2028, 0xFE0F, 0xD800, 0xE000, 0xE0041])
def test_an_acting_character_is_replaced_by_an_escape_in_a_style_of_its_own(code):
    shown = one_line(f"a{chr(code)}b")

    assert shown.text.isascii()
    assert [span.altered for span in shown.spans] == [False, True, False]
    assert shown.hidden == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_string_comes_out_inert_as_a_line(name):
    assert_inert(one_line(HOSTILE[name]).text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_string_comes_out_inert_as_a_block(name):
    for line in block(HOSTILE[name]):
        assert_inert(line.text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_string_comes_out_as_ascii_as_an_identifier(name):
    text = identifier(HOSTILE[name]).text

    assert text.isascii()
    assert text.isprintable()


@given(st.text(max_size=80))
def test_any_text_comes_out_inert_and_none_of_it_is_deleted(text):
    shown = one_line(text)

    assert_inert(shown.text)
    assert shown.cut == 0
    visible = [c for c in text if not is_hidden(c) and not unicodedata.category(c).startswith("M")]
    position = 0
    for character in visible:
        position = shown.text.index(character, position) + 1


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_printable_ascii_stays_as_it_is(text):
    shown = one_line(text)

    assert shown.text == text
    assert shown.hidden == 0


def test_escapes_are_visible_and_marked_as_altered():
    shown = one_line("a\x1bb\u202ec\td\ne")

    assert shown.text == "a\\x1bb\\u{202e}c\\td\\ne"
    assert [span.text for span in shown.spans if span.altered] == ["\\x1b", "\\u{202e}", "\\t", "\\n"]
    assert shown.hidden == 4


def test_the_sanitisers_own_marks_cannot_be_forged_by_the_input():
    shown = one_line("\ue000fake\ue001\ue002x")

    assert shown.text == "\\u{e000}fake\\u{e001}\\u{e002}x"
    assert [span.text for span in shown.spans if not span.altered] == ["fake", "x"]


def test_a_literal_backslash_escape_is_not_marked_as_altered():
    assert one_line("\\x1b").spans == ((("\\x1b"), False),)


def test_a_lone_carriage_return_is_an_escape_and_no_line_break():
    assert [line.text for line in block("a\rb\r\nc\u2028d\x0be")] == ["a\\x0db", "c\\u{2028}d\\x0be"]


def test_tabs_are_four_spaces_in_a_block_and_an_escape_in_a_line():
    assert block("\tx")[0].text == "    x"
    assert one_line("\tx").text == "\\tx"


def test_combining_marks_are_counted_behind_the_fourth():
    shown = one_line("Z" + "\u0301" * 60)

    assert shown.text == "Z" + "\u0301" * MAX_MARKS + "<+56 marks>"
    assert shown.hidden == 56


def test_a_mark_without_a_base_gets_a_dotted_circle():
    assert one_line("\u0301a").text == "\u25cc\u0301a"
    assert one_line("a \u0301").text == "a \u25cc\u0301"


def test_a_million_marks_and_a_megabyte_of_escapes_end_in_bounded_text():
    assert len(one_line("\u0301" * 1_000_000, limit=1_000_000).text) < 40
    assert len(one_line("\x1b" * 1_000_000).text) == 4 * MAX_LINE_CHARACTERS


def test_a_long_line_is_cut_and_the_cut_is_counted():
    shown = one_line("x" * 5000)

    assert len(shown.text) == MAX_LINE_CHARACTERS
    assert shown.cut == 3000
    assert plain("x" * 12, limit=10) == "xxxxxxxxxx... +2 characters"


def test_a_long_block_says_how_many_lines_are_missing():
    lines = block("x\n" * 10_000)

    assert len(lines) == MAX_BLOCK_LINES + 1
    assert lines[-1].text.startswith("... 8,001 more lines")
    assert [line.text for line in block("a\nb\nc", max_lines=2)] == ["a", "b", "... 1 more line"]


def test_a_foreign_alphabet_cannot_pose_as_an_identifier():
    shown = identifier("\u0440eport")

    assert shown.text == "\\u{440}eport"
    assert shown.odd


@pytest.mark.parametrize("name", ["send_email", "a.b-c_9", "x" * 128])
def test_an_ordinary_identifier_stays_as_it_is(name):
    shown = identifier(name)

    assert shown.text == name
    assert not shown.odd


@pytest.mark.parametrize("name", ["", "a b", "x" * 129, "a\nb", "n\u00e4me"])
def test_an_unusual_identifier_is_marked(name):
    assert identifier(name).odd


def test_right_to_left_letters_are_noticed():
    assert one_line("\u05e9\u05dc\u05d5\u05dd").right_to_left
    assert not one_line("abc \u4e2d\u6587").right_to_left


def test_every_escape_names_its_code_point():
    for code in (0, 0x1B, 0x9B, 0x202E, 0xE0041, sys.maxunicode):
        assert f"{code:x}" in escape(chr(code))
