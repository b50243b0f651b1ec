"""The card and its layout: what stands where, and that foreign text stays behind its gutter (G8, G11, G13)."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.display.card import MAX_SERVER_LINES, SHORT_TTL_SECONDS, build_card, full_view
from allowly_harness.display.layout import Role, lay_out, lay_out_sections, text_of
from allowly_harness.display.width import cells
from allowly_harness.protocol.models import (
    DEFAULT_TTL_SECONDS,
    ApprovalRequest,
    ServerInfo,
    ToolCall,
    ToolInfo,
    Verification,
)

HOSTILE = json.loads((Path(__file__).parent / "hostile_strings.json").read_text())
CARRIED = [name for name in HOSTILE if name != "surrogate"]  # JSON cannot carry a lone surrogate


def drawn(request, width=78, **options) -> str:
    return text_of(lay_out(build_card(request, **options), width))


def test_a_whole_card_reads_in_the_fixed_order(question):
    request = question(prompt_hint="send_email", tool=ToolInfo("send_email", description="Send an email."))

    text = drawn(request, code="k7")

    digest = request.call.digest
    assert text == (
        "  code  k7\n"
        f"  call  sha256 {digest[:4]} {digest[4:8]} {digest[8:12]} {digest[12:16]}  (will be sent once)\n"
        "\n"
        "WILL BE SENT to mail (python mail_server.py)\n"
        "  tool     send_email\n"
        '  subject  "Lunch?"\n'
        '  to       "ada@example.com"\n'
        "\n"
        "WHY IT ASKS\n"
        "  The policy wants you to confirm every use of this permission.\n"
        "  (scope_requires_user_confirmation)\n"
        "\n"
        "A YES OPENS\n"
        "  this call, with exactly these arguments, once  (checked with the authority)\n"
        "\n"
        "SERVER SAYS  (nobody checked this text)\n"
        "  | send_email\n"
        "  | Send an email."
    )


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
    assert "question 2: the last one ran out" in drawn(question(round=2, note="the last one ran out"))


def test_an_unknown_reason_is_quoted_as_it_came(question):
    assert "  | moon_phase" in drawn(question(reason="moon_phase")).splitlines()


@pytest.mark.parametrize("width", [40, 60, 110])
@pytest.mark.parametrize("name", CARRIED)
def test_hostile_text_in_every_field_is_inert_and_stays_inside_the_width(question, name, width):
    text = HOSTILE[name]
    request = question(
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
def test_the_servers_words_come_last_behind_a_gutter_and_take_five_lines_at_most(hint, description, width):
    request = _bare_question(prompt_hint=hint, tool=ToolInfo("send_email", description=description))

    lines = lay_out(build_card(request), width)

    texts = ["".join(piece.text for piece in line) for line in lines]
    headings = [index for index, text in enumerate(texts) if text.startswith("SERVER SAYS")]
    if headings:
        said = [text for text in texts[headings[0] :] if text.startswith("  ")]
        assert len(said) <= MAX_SERVER_LINES
        assert all(text.startswith(("  | ", "  ... ")) for text in said)


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

    assert "  name  (right-to-left text)" in lines
    assert '  | "\u05e9\u05dc\u05d5\u05dd"' in lines


def test_the_full_view_shows_all_that_the_card_folds(question):
    request = question(arguments={"body": "needle".rjust(5000, ".")}, prompt_hint="said\n" * 50)

    text = text_of(lay_out_sections(full_view(request), 78))

    assert "needle" in text.replace("\n  ", "")
    assert text.count("| said") == 50


def test_a_call_with_another_alphabet_is_shown_in_ascii_too(question):
    text = text_of(lay_out_sections(full_view(question(arguments={"to": "\u0430da"})), 78))

    assert "THE SAME IN ASCII" in text
    assert '"to": "\\u0430da"' in text


def _bare_question(**fields):
    call = ToolCall("mail", "send_email", {"to": "ada"})
    moment = datetime(2026, 11, 22, 12, tzinfo=UTC)
    return ApprovalRequest("confirm", call, "r", moment, ServerInfo("mail"), **fields)
