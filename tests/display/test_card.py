"""The card and its layout: what stands where, and that foreign text stays behind its gutter (G8, G11, G13)."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.display.card import MAX_SERVER_LINES, SHORT_TTL_SECONDS, build_card, full_view, word_for
from allowly_harness.display.layout import Role, lay_out, lay_out_sections, text_of
from allowly_harness.display.width import cells
from allowly_harness.protocol.models import (
    DEFAULT_TTL_SECONDS,
    ServerInfo,
    ToolCall,
    ToolInfo,
    Verification,
)

HOSTILE = json.loads((Path(__file__).parent / "hostile_strings.json").read_text())
CARRIED = [name for name in HOSTILE if name != "surrogate"]  # JSON cannot carry a lone surrogate


def local(moment: datetime) -> str:
    there = moment.astimezone()
    offset = there.utcoffset()
    hours = there.isoformat()[-6:] if offset else ""
    return f"{there:%Y-%m-%d %H:%M:%S} UTC{hours}"


def drawn(request, width=78, **options) -> str:
    return text_of(lay_out(build_card(request, **options), width))


def test_a_whole_card_reads_in_the_fixed_order(question):
    tool = ToolInfo("send_email", description="Send an email.", annotations={"openWorldHint": True})
    request = question(prompt_hint="send_email", tool=tool, requester="mail-bot", authorization_id="auth_7f3")

    text = drawn(request, width=100, code="k7")

    digest = request.call.digest
    assert text == (
        "  code  k7\n"
        f"  call  sha256 {digest[:4]} {digest[4:8]} {digest[8:12]} {digest[12:16]}  (will be sent once)\n"
        "\n"
        "WILL BE SENT to mail (python mail_server.py)\n"
        "  tool  send_email\n"
        '    subject  "Lunch?"\n'
        '    to       "ada@example.com"\n'
        "\n"
        "WHY IT ASKS\n"
        "  confirm  The policy wants you to confirm every use of this permission.\n"
        "           (scope_requires_user_confirmation, rule requires_confirm_for)\n"
        "  for      mail-bot  (as this session was opened)\n"
        "  under    auth_7f3  (the authority's record)\n"
        f"  until    {local(request.expires_at)}  (the authority's deadline)\n"
        "\n"
        "A YES OPENS\n"
        "  only this call, with these arguments, once  (checked with the authority)\n"
        "\n"
        "SERVER ON THE TOOL  (nobody checked it)\n"
        "  | [reaches the outside world]\n"
        "  | Send an email.\n"
        "\n"
        "SERVER SAYS  (nobody checked this text)\n"
        "  | send_email"
    )


def test_a_dangerous_call_says_so_first_in_the_title_and_asks_for_a_word(question):
    request = question(tool_name="delete_mailbox", danger="the server calls it destructive")

    card = build_card(request)

    lines = lay_out(card, 100)
    assert card.title == "DANGEROUS: APPROVE THIS CALL?"
    assert (card.danger, card.word) == ("the server calls it destructive", "delete")
    assert text_of(lines[:1]) == '  DANGER  the server calls it destructive  <- a yes wants the word "delete"'
    assert {piece.role for piece in lines[0]} >= {Role.DANGER}


def test_an_ordinary_call_wants_no_word(question):
    card = build_card(question())

    assert (card.danger, card.word) == ("", "")
    assert not card.title.startswith("DANGEROUS")


@pytest.mark.parametrize(
    ("tool_name", "word"),
    [
        ("delete_mailbox", "delete"),
        ("deleteMailbox", "delete"),
        ("delete", "delete"),
        ("delete2", "delete"),
        ("rm_all", "approve"),  # shorter than three letters
        ("DeleteMailbox", "approve"),  # no lowercase word
        ("incorporating_all", "approve"),  # longer than ten letters
        ("deny_request", "approve"),  # the name of another answer
        ("\u0434\u0435lete_all", "approve"),  # Cyrillic
    ],
)
def test_the_word_is_the_tools_first_one_where_that_is_plain(question, tool_name, word):
    assert word_for(question(tool_name=tool_name, danger="x")) == word


def test_an_edited_call_shows_what_the_agent_had_asked_for(question):
    request = question(edited_from=ToolCall("mail", "send_email", {"to": "eve@example.com", "subject": "Lunch?"}))

    for text in (drawn(request), text_of(lay_out_sections(full_view(request), 78))):
        assert "A PERSON CHANGED THE ARGUMENTS  (1 changed)" in text
        assert '- to       "eve@example.com"' in text
        assert '+ to       "ada@example.com"' in text


def test_the_deadline_of_an_unchecked_question_is_the_servers_word(question):
    request = question(verification=Verification.UNVERIFIABLE)

    assert f"until    {local(request.expires_at)}  (the server's word)" in drawn(request, 110)


def test_a_secret_on_the_servers_command_line_is_masked(question):
    request = question(server=ServerInfo("mail", "mail-server --api-key=sk-live-0123456789abcdef"))

    assert "(mail-server --api-key=<24 characters masked>)" in drawn(request)


def test_badges_that_contradict_each_other_are_told(question):
    tool = ToolInfo("x", annotations={"readOnlyHint": True, "destructiveHint": True})

    assert "| [destructive] [read-only] it says both read-only and destructive" in drawn(question(tool=tool), 100)


def test_a_name_too_long_for_the_card_needs_the_full_view_which_shows_it(question):
    request = question(tool_name="x" * 128 + "needle", arguments={})

    assert build_card(request).folded
    text = text_of(lay_out_sections(full_view(request), 78))
    assert "needle" in text.replace("\n  ", "")


def test_the_host_that_a_value_really_names_is_told_beside_it(question):
    text = drawn(question(arguments={"url": "https://bank.example@evil.example/"}), 110)

    assert '    url  "https://bank.example@evil.example/"\n' in text
    assert "<- the host is evil.example: what stands before the @ is a user name" in text


def test_arguments_that_look_alike_are_told(question):
    text = drawn(question(arguments={"amount": 1, "arnount": 1_000}), 110)

    assert '    arnount  1000  <- looks like "amount" above' in text.splitlines()


def test_a_million_characters_of_any_kind_are_bounded_on_the_card(question):
    for value in ("x" * 1_000_000, "\x1b" * 500_000, ["https://a@b.c"] * 60_000, {f"k{i}": i for i in range(60_000)}):
        lines = lay_out(build_card(question(arguments={"value": value})), 80)

        assert len(lines) < 60


def test_a_question_without_a_bound_digest_says_what_a_yes_really_opens_and_asks_for_a_short_window(question):
    card = build_card(question(verification=Verification.UNBOUND, scope="mail.send"))

    text = text_of(lay_out(card, 100))

    assert 'NOT ONLY THIS CALL: every use of "mail.send" with any arguments, for 15 s' in text
    assert card.ttl_seconds == SHORT_TTL_SECONDS


def test_a_question_that_cannot_be_checked_says_so(question):
    card = build_card(question(verification=Verification.UNVERIFIABLE))

    assert "the authority cannot say; this rests on the server's word" in text_of(lay_out(card, 110))
    assert card.ttl_seconds == SHORT_TTL_SECONDS


def test_a_bound_question_asks_for_the_usual_window(question):
    assert build_card(question()).ttl_seconds == DEFAULT_TTL_SECONDS


@pytest.mark.parametrize(
    ("may_resolve", "verification", "said"),
    [
        (True, Verification.MATCHED, "you: this session was opened as this approver"),
        (False, Verification.MATCHED, "checked with the authority"),
        (False, Verification.UNVERIFIABLE, "the name is the server's word"),
    ],
)
def test_an_escalation_says_who_must_approve(question, may_resolve, verification, said):
    request = question(kind="escalate", escalation_to="compliance", may_resolve=may_resolve, verification=verification)

    lines = drawn(request).splitlines()

    assert f'  "compliance"  ({said})' in lines


def test_an_escalation_to_nobody_says_so(question):
    assert "nobody is named" in drawn(question(kind="escalate"))


def test_a_question_that_comes_again_says_why(question):
    assert "question 2 of this call: the last one ran out" in drawn(question(round=2, note="the last one ran out"))


def test_an_unknown_reason_is_quoted_as_it_came(question):
    assert '  confirm  "moon_phase"  (the server\'s word)' in drawn(question(reason="moon_phase")).splitlines()


@pytest.mark.parametrize("width", [40, 60, 110])
@pytest.mark.parametrize("name", CARRIED)
def test_hostile_text_in_every_field_is_inert_and_stays_inside_the_width(question, name, width):
    text = HOSTILE[name]
    request = question(
        danger=text,
        requester=text,
        authorization_id=text,
        server=ServerInfo(text, text),
        edited_from=ToolCall("mail", "x", {text: [text], "list": text}),
        tool_name=text or "x",
        arguments={text: text, "list": [text]},
        prompt_hint=text,
        reason=text,
        scope=text,
        escalation_to=text,
        kind="escalate",
        verification=Verification.UNBOUND,
        note=text,
        round=2,
        tool=ToolInfo("x", title=text, description=text, annotations={"destructiveHint": text}),
    )

    lines = [*lay_out(build_card(request), width), *lay_out_sections(full_view(request), width)]

    for line in lines:
        whole = "".join(piece.text for piece in line)
        assert whole.isprintable()
        assert cells(whole) <= width


@given(hint=st.text(max_size=3000), description=st.text(max_size=300), width=st.integers(40, 110))
def test_the_servers_words_come_last_behind_a_gutter_and_take_five_lines_at_most(question, hint, description, width):
    request = question(prompt_hint=hint, tool=ToolInfo("send_email", description=description))

    lines = lay_out(build_card(request), width)

    texts = ["".join(piece.text for piece in line) for line in lines]
    headings = [index for index, text in enumerate(texts) if text.startswith("SERVER ")]
    ends = [*headings[1:], len(texts)]
    for heading, end in zip(headings, ends, strict=False):
        said = [text for text in texts[heading + 1 : end] if text]
        assert len(said) <= MAX_SERVER_LINES
        assert all(text.startswith(("  | ", "  ... ")) for text in said)
    assert not any(text.startswith("  | ") for text in texts[: headings[0] if headings else None])


def test_our_own_lines_never_begin_with_the_gutter(question):
    for line in lay_out(build_card(question(prompt_hint="x", round=3, note="again")), 78):
        if any(piece.role is Role.GUTTER for piece in line):
            assert line[-1].role in (Role.FOREIGN, Role.ALTERED)


def test_twenty_arguments_are_folded_and_need_the_full_view(question):
    card = build_card(question(arguments={f"a{index:02}": index for index in range(20)}))

    assert card.folded
    assert "... 8 more arguments" in text_of(lay_out(card, 78))


def test_a_folded_value_needs_the_full_view_and_a_short_one_does_not(question):
    assert build_card(question(arguments={"body": "x" * 301})).folded
    assert not build_card(question(arguments={"body": "x" * 200})).folded


def test_right_to_left_text_stands_on_a_line_of_its_own(question):
    lines = drawn(question(arguments={"name": "\u05e9\u05dc\u05d5\u05dd"})).splitlines()

    assert "    name  <- right-to-left text" in lines or "    name  (right-to-left text)" in lines
    assert '    | "\u05e9\u05dc\u05d5\u05dd"' in lines


def test_the_full_view_shows_all_that_the_card_folds(question):
    request = question(arguments={"body": "needle".rjust(5000, ".")}, prompt_hint="said\n" * 50)

    text = text_of(lay_out_sections(full_view(request), 78))

    assert "needle" in text.replace("\n  ", "")
    assert text.count("| said") == 50


def test_a_call_with_another_alphabet_is_shown_in_ascii_too(question):
    text = text_of(lay_out_sections(full_view(question(arguments={"to": "\u0430da"})), 78))

    assert "THE SAME IN ASCII" in text
    assert '"to": "\\u0430da"' in text
