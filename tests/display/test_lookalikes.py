"""Names and hosts that pose as others are told beside the text, which is never changed (G8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.display.hosts import MAX_HOSTS
from allowly_harness.display.lookalikes import MAX_REMARKS, remark_on_name, remarks_on_value, same_looking
from allowly_harness.display.scripts import CONFUSABLE, is_mixed, poses_as, scripts_of, skeleton

CYRILLIC_A = "\u0430"


@pytest.mark.parametrize(
    ("value", "remark"),
    [
        ("https://good.example@evil.example/x", "the host is evil.example: what stands before the @ is a user name"),
        (f"https://p{CYRILLIC_A}ypal.example/", f'host: mixed scripts (Cyrillic U+0430 in "p{CYRILLIC_A}ypal")'),
        (
            "https://\u0430\u0440\u0440\u04cf\u0435.example",
            'host: "\u0430\u0440\u0440\u04cf\u0435" is not "apple" (Cyrillic U+0430)',
        ),
        ("https://xn--80ak6aa92e.com", 'xn--80ak6aa92e in a host stands for "\u0430\u0440\u0440\u04cf\u0435"'),
        ("see xn--80ak6aa92e.com", 'host: "\u0430\u0440\u0440\u04cf\u0435" is not "apple" (Cyrillic U+0430)'),
        (f"{CYRILLIC_A}da@example.com", f'mailbox: mixed scripts (Cyrillic U+0430 in "{CYRILLIC_A}da")'),
        (f"ada@ex{CYRILLIC_A}mple.com", f'host: mixed scripts (Cyrillic U+0430 in "ex{CYRILLIC_A}mple")'),
        ("https://example.com:8443/", "port 8443"),
        ("http://2130706433/", "the host 2130706433 is 127.0.0.1 in disguise, this computer"),
        ("http://0x7f.1/", "the host 0x7f.1 is 127.0.0.1 in disguise, this computer"),
        ("http://0177.0.0.1/", "the host 0177.0.0.1 is 127.0.0.1 in disguise, this computer"),
        ("http://169.254.169.254/", "the host is an IP address, link-local (cloud metadata is read there)"),
        ("http://10.0.0.1/", "the host is an IP address, a private network"),
        ("http://999.1.1.1/", "a host of numbers only, 999.1.1.1, that is no IP address"),
        ("https://[::ffff:10.0.0.1]/", "the host is an IP address, 10.0.0.1 written as IPv6, a private network"),
        ("https://[zz]/", "no valid IP address in the brackets of [zz]"),
        ("https://good.example\\@evil.example", "a backslash behind good.example: programs disagree"),
        ("https://good.example\uff0fevil.example", "fullwidth solidus U+FF0F in the host good.example\uff0fevil"),
        ("https://good.example%2f.evil.example", "percent signs in the host good.example%2f.evil.example"),
    ],
)
def test_what_is_odd_about_a_host_is_told_wherever_it_stands(value, remark):
    for place in (value, {"a": [{"b": value}]}, [f"before {value} after"]):
        assert any(told.startswith(remark) for told in remarks_on_value(place)), remarks_on_value(place)


@pytest.mark.parametrize(
    "value",
    [
        *("https://example.com/a?b=c@d", "http://localhost/x", "https://example.com:443/", "ada@example.com", "a@b"),
        *(
            "https://b\u00fccher.example",
            "https://\u65e5\u672c\u8a9e.example",
            "https://\u043f\u0440\u0438\u0432\u0435\u0442.example",
        ),
        *(
            "1.2.3",
            "10:30",
            "C:\\dir",
            "the price is 5 @ 3",
            "git@github.com:owner/name.git",
            "@mention",
            "\u05e9\u05dc\u05d5\u05dd",
        ),
        *({"n": 1}, None, 5, ["https://example.com"] * 50),
    ],
)
def test_ordinary_addresses_and_texts_get_no_remark(value):
    assert remarks_on_value(value) == ()


def test_remarks_are_few_and_the_rest_is_counted():
    remarks = remarks_on_value([f"https://example.com:{port}/" for port in range(1000, 1010)])

    assert len(remarks) == MAX_REMARKS + 1
    assert remarks[-1] == "7 more remarks like these"


def test_too_many_addresses_are_not_silently_passed_over():
    text = " ".join(f"https://h{number}.example" for number in range(MAX_HOSTS + 1))

    assert remarks_on_value(text) == ("too many addresses to look all of them over",)


def test_too_much_text_is_not_silently_passed_over():
    assert remarks_on_value(["x" * 600_000] * 2) == ("too much text to look all of it over for odd hosts",)


def test_right_to_left_letters_in_a_host_do_not_reorder_the_remark():
    (remark,) = remarks_on_value("https://a\u05d0.example")

    assert remark == 'host: mixed scripts (Hebrew U+05D0 in "a\\u{5d0}")'


@pytest.mark.parametrize(
    ("name", "remark"),
    [
        ("t\u043e", 'looks like "to" and is not'),
        ("\uff54\uff4f", 'looks like "to" and is not'),  # fullwidth
        ("to\u0436", "mixed scripts"),
        ("\u043f\u0440\u0438\u0432\u0435\u0442", ""),  # a word of one alphabet that no Latin word looks like
        ("to", ""),
    ],
)
def test_a_name_that_poses_as_another_is_told(name, remark):
    assert remark_on_name(name) == remark


def test_names_that_look_alike_are_told_with_the_earlier_one():
    names = ["amount", "to", "arnount", "t\u043e", "T0", "subject"]

    assert same_looking(names) == {"arnount": "amount", "t\u043e": "to", "T0": "to"}


def test_nested_names_that_look_alike_are_told():
    remarks = remarks_on_value({"deep": {"to": 1, "t\u043e": 2}})

    assert 'the name "t\\u{43e}" looks like "to" and is not' in remarks
    assert 'the names "to" and "t\\u{43e}" look alike' in remarks


def test_east_asian_words_mix_their_scripts_without_a_remark():
    assert not is_mixed(scripts_of("\u65e5\u672c\u306e\u30c6\u30b9\u30c8abc"))
    assert is_mixed(scripts_of("abc\u0430"))


def test_every_letter_of_the_table_is_no_ascii_letter_and_stands_for_one():
    for letter, latin in CONFUSABLE.items():
        assert not letter.isascii()
        assert latin.isascii()
        assert latin.isalpha()
        assert poses_as(letter) == latin


@given(st.text(max_size=30))
def test_a_skeleton_is_the_same_for_every_spelling_with_look_alikes(text):
    posing = {latin: letter for letter, latin in CONFUSABLE.items()}

    assert skeleton("".join(posing.get(letter, letter) for letter in text)) == skeleton(text)


@given(st.text(max_size=200))
def test_any_text_gets_remarks_without_an_error(text):
    assert (
        len(remarks_on_value([text, f"https://{text}@{text}:{text}/", f"http://xn--{text}", f"http://[{text}]"])) <= 4
    )
