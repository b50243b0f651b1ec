"""What a typed line means (G1): one line approves, no other does."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from allowly_harness.approvers.chat.reply import (
    CODE_ALPHABET,
    EXPIRED_CHOICES,
    Reply,
    Verb,
    choices_for,
    draw_code,
    parse_reply,
)

ALL = tuple(Verb)
CODES = st.text(CODE_ALPHABET, min_size=2, max_size=2)
WORDS = st.lists(st.sampled_from(["approve", "deny", "k7", "k8", "y", "yes", "later", "wait", "view", " "]))


@pytest.mark.parametrize("line", ["approve k7", "APPROVE K7", "  approve   k7 ", "approve k7 looks right"])
def test_approve_with_the_code_of_the_question_approves(line):
    assert parse_reply(line, ALL, "k7").verb is Verb.APPROVE


@pytest.mark.parametrize(
    "line",
    [
        *("", " ", "y", "yes", "Y", "ok", "approve", "a", "k7", "approve k8", "approvek7", "approve: k7"),
        *("approve k77", "ja", "true", "1", "\r", "allow k7", "deny approve k7", "view approve k7", "approve k"),
        "appr\u043eve k7",
    ],
)
def test_nothing_else_approves(line):
    assert parse_reply(line, ALL, "k7").verb is not Verb.APPROVE


@given(st.text(max_size=40) | WORDS.map(" ".join), CODES)
def test_a_line_approves_only_if_it_is_the_word_and_the_code(line, code):
    verb = parse_reply(line, ALL, code).verb

    assert (verb is Verb.APPROVE) == (line.lower().split()[:2] == ["approve", code])


@given(CODES, CODES)
def test_the_code_of_another_question_does_not_approve(asked, typed):
    assume(asked != typed)

    assert parse_reply(f"approve {typed}", ALL, asked).verb is Verb.NONE


@given(st.text(max_size=40) | st.just("approve k7"))
def test_pasted_text_never_approves(line):
    assert parse_reply(line, ALL, "k7", pasted=True).verb is not Verb.APPROVE


def test_an_expired_question_cannot_be_approved():
    assert parse_reply("approve k7", EXPIRED_CHOICES, "k7").verb is Verb.NONE


def test_an_escalation_is_approved_by_its_named_approver_alone(question):
    asker = choices_for(question(kind="escalate", may_resolve=False))
    approver = choices_for(question(kind="escalate", may_resolve=True))

    assert Verb.APPROVE not in asker
    assert parse_reply("approve k7", asker, "k7").verb is Verb.NONE
    assert Verb.APPROVE in approver


@pytest.mark.parametrize(
    ("line", "verb", "text"),
    [
        ("deny", Verb.DENY, ""),
        ("deny wrong address", Verb.DENY, "wrong address"),
        ("give  up", Verb.GIVE_UP, ""),
        ("View", Verb.VIEW, ""),
        ("view secrets", Verb.REVEAL, ""),
        ("later", Verb.LATER, ""),
        ("wait", Verb.WAIT, ""),
        ("approve k7 as agreed", Verb.APPROVE, "as agreed"),
    ],
)
def test_the_other_answers_are_words(line, verb, text):
    reply = parse_reply(line, ALL, "k7")

    assert (reply.verb, reply.text) == (verb, text)


def test_codes_are_drawn_from_an_unambiguous_alphabet_and_differ():
    codes = {draw_code() for _ in range(200)}

    assert len(codes) > 50
    assert all(len(code) == 2 and set(code) <= set(CODE_ALPHABET) for code in codes)
    assert not set("ilo01") & set(CODE_ALPHABET)


DANGEROUS = st.lists(st.sampled_from(["approve", "resolve", "k7", "k8", "delete", "deny", "APPROVE", "yes", "", " "]))


@given(DANGEROUS.map(" ".join) | st.text(max_size=40))
def test_only_the_word_the_code_and_the_danger_approve_a_dangerous_call(line):
    """G1."""
    approves = parse_reply(line, ALL, "k7", word="delete").verb is Verb.APPROVE

    words = line.lower().split()
    assert approves == (words[:3] in (["approve", "k7", "delete"], ["resolve", "k7", "delete"]))


@given(WORDS.map(" ".join) | st.text(max_size=40))
def test_only_the_word_and_the_code_approve(line):
    """G1."""
    approves = parse_reply(line, ALL, "k7").verb is Verb.APPROVE

    assert approves == (line.lower().split()[:2] in (["approve", "k7"], ["resolve", "k7"]))


def test_an_edit_an_answer_and_a_deferral_are_read_with_their_text():
    assert parse_reply("edit to='a b'", ALL, "k7") == Reply(Verb.EDIT, "to='a b'")
    assert parse_reply("answer  two  spaces", ALL, "k7") == Reply(Verb.RESPOND, "two  spaces")
    assert parse_reply("defer", ALL, "k7").verb is Verb.DEFER
    assert parse_reply("?", ALL, "k7").verb is Verb.HELP
