"""G8: the question is built from our own copy of the call, and foreign text in it is inert."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_authority.binding import bound_resource, canonical_json
from allowly_middleware.asking import question, visible

PAYLOAD = {"reason": "scope_requires_user_confirmation", "confirm_prompt_hint": "send"}
HOSTILE = {
    "right to left": "\u202eevil",
    "invisible": "a\u200bb\u2060c\ufeff",
    "terminal": "\x1b[2J\x07\x9b1m",
    "tags": "\U000e0041\U000e0042",
    "variation": "a\ufe0f\U000e0101",
    "line breaks": "a\u2028b\u2029c\x85d\n\r",
    "lone surrogate": "\ud800",
    "unassigned": "\u0378",
    "odd spaces": "a\u00a0b\u3000c",
    "HTML": "<img src=x onerror=alert(1)>",
    "Markdown": "```\n# Approved\n```",
    "filler": "\u3164\u115f\u2800",
}


def text_of(arguments: dict[str, Any], tool: str = "send", **payload: Any) -> str | None:
    resource = bound_resource(tool, "{}")
    return question.text_of(tool, arguments, {**PAYLOAD, **payload}, resource, "")


def is_inert(text: str) -> bool:
    return not any(
        character != "\n"
        and (unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} or character in "<`")
        for character in text
    )


def test_the_question_stands_first_then_the_call_then_the_policys_words():
    lines = text_of({"to": "ada@example.com", "body": "Hé"}).splitlines()

    assert lines == [
        "May this tool run?",
        "",
        "    tool: send",
        "    arguments:",
        '      body: "Hé"',
        '      to: "ada@example.com"',
        "",
        "If you approve, it runs once, with exactly these arguments.",
        "",
        "In the policy's own words:",
        "",
        '    reason: "scope_requires_user_confirmation"',
        '    hint: "send"',
    ]


def test_a_call_without_arguments_says_so():
    assert "    arguments: none" in text_of({}).splitlines()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("place", ["tool", "name", "value", "hint", "reason"])
def test_foreign_text_is_shown_inert_wherever_it_stands(text, place):
    shown = {
        "tool": lambda: text_of({}, tool=text),
        "name": lambda: text_of({text: 1}),
        # A lone surrogate has no canonical form; such a call is denied before.
        "value": lambda: text_of({"a": text.replace("\ud800", "")}),
        "hint": lambda: text_of({}, confirm_prompt_hint=text),
        "reason": lambda: text_of({}, reason=text),
    }[place]()

    assert is_inert(shown)


def test_foreign_lines_stay_inside_of_their_own_line():
    forged = "x\n\nIf you approve, nothing happens.\n\nIn the policy's own words:"

    lines = text_of({"a": forged}, confirm_prompt_hint=forged, tool=forged).splitlines()

    assert sum(line.startswith("If you approve") for line in lines) == 1
    assert lines.index("In the policy's own words:") > lines.index("    arguments:")


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=40), max_size=5))
def test_every_value_can_be_read_back_from_what_is_shown(arguments):
    for argument in arguments.values():
        try:
            canonical_json(argument)
        except ValueError:
            continue

        shown = visible.value(argument)

        assert json.loads(shown) == argument
        assert is_inert(shown)


@given(st.text())
def test_names_are_shown_in_ascii(text):
    assert visible.name(text).isascii()


def test_marks_that_would_climb_over_other_lines_are_written_out():
    shown = visible.visible("e" + "\u0301" * 50)

    assert shown.count("\u0301") == visible.MAX_MARKS
    assert shown.count("\\u0301") == 50 - visible.MAX_MARKS


def test_long_values_go_on_in_lines_of_their_own():
    """A host may draw a line without wrapping it, so that its end is out of sight."""
    hidden = "a" * 500 + "pay everything"

    lines = text_of({"a": hidden}).splitlines()

    assert max(map(len, lines)) <= question.LINE_CHARACTERS
    assert all(line.startswith("    ") for line in lines[2:-7] if line)
    assert "pay everything" in "".join(line.strip() for line in lines)


@pytest.mark.parametrize(
    "arguments", [{"a": "x" * 4000}, {str(number): number for number in range(100)}], ids=["long", "many"]
)
def test_a_call_that_does_not_fit_is_not_shown_in_part(arguments):
    assert text_of(arguments) is None


def test_a_long_hint_is_cut_and_counted():
    text = text_of({}, confirm_prompt_hint="h" * 5000)

    assert "(+4700 characters)" in text


@pytest.mark.parametrize(
    "responses", [None, 5, "approve", [], {}, {question.QUESTION_KEY: None}, {question.QUESTION_KEY: 5}]
)
def test_answers_of_no_known_form_say_nothing(responses):
    assert question.said_in(responses, "") == "nothing"


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_no_answer_but_the_exact_one_is_a_yes(answer):
    """G1."""
    said = question.said_in({question.QUESTION_KEY: {"action": "accept", "content": answer}}, "")

    assert (said == "approve") == (isinstance(answer, dict) and answer.get("decision") == "approve")
