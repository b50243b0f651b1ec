"""What a person changed of a call is shown argument by argument, and no change is hidden."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_authority.binding import canonical_json
from allowly_harness.display.diff import MAX_DIFF_LINES, MAX_ROWS, diff_sections
from allowly_harness.display.layout import Role, lay_out_sections, text_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=120),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=15,
)
ARGUMENTS = st.dictionaries(st.sampled_from(["to", "body", "password", "n"]), JSON)


def drawn(old, new, width=100, **options):
    return text_of(lay_out_sections(diff_sections(old, new, **options), width))


def test_every_argument_is_told_as_unchanged_removed_added_or_changed():
    text = drawn({"a": 1, "b": "x", "c": [1]}, {"a": 1, "b": "y", "d": True})

    assert text == (
        "A PERSON CHANGED THE ARGUMENTS  (1 changed, 1 removed, 1 added)\n"
        '  - b  "x"\n'
        '  + b  "y"\n'
        "  - c  [1]\n"
        "  + d  true\n"
        "  = a  unchanged"
    )


def test_a_long_text_is_compared_line_by_line_with_a_little_around_each_change():
    old = "\n".join(f"line {number}" for number in range(12))

    text = drawn({"body": old}, {"body": old.replace("line 6", "line six")})

    assert text == (
        "A PERSON CHANGED THE ARGUMENTS  (1 changed)\n"
        "  ~ body  changed\n"
        "    ... 4 equal lines\n"
        "        line 4\\n\n"
        "        line 5\\n\n"
        "    -   line 6\\n\n"
        "    +   line six\\n\n"
        "        line 7\\n\n"
        "        line 8\\n\n"
        "    ... 3 equal lines"
    )


def test_nested_values_are_compared_by_their_lines():
    old = {"customer": {"name": "Ada Lovelace", "address": {"street": "Main St 1", "zip": "10115", "city": "Berlin"}}}
    new = json.loads(json.dumps(old).replace("10115", "10117"))

    lines = drawn(old, new).splitlines()

    assert '    -     "zip": "10115"' in lines
    assert '    +     "zip": "10117"' in lines


def test_removed_and_added_lines_have_roles_of_their_own():
    lines = lay_out_sections(diff_sections({"a": 1}, {"a": 2}), 80)

    assert [line[1].role for line in lines[1:]] == [Role.REMOVED, Role.ADDED]


def test_one_and_true_are_told_apart():
    assert "(1 changed)" in drawn({"a": 1}, {"a": True})
    assert "(no change)" in drawn({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\n" * MAX_DIFF_LINES + "x\n", "b\n" * (MAX_DIFF_LINES + 5)),
        ("x" * 250_000, "x" * 249_999 + "y"),
    ],
)
def test_what_is_too_large_to_compare_is_shown_folded_with_both_digests(old, new):
    text = drawn({"body": old}, {"body": new})

    assert "~ body  changed; too large to compare line by line" in text
    assert text.count("sha256") == 2


def test_very_many_changes_are_counted():
    text = drawn({f"a{number}": 1 for number in range(1000)}, {f"a{number}": 2 for number in range(1000)})

    assert f"... {2000 - MAX_ROWS:,} more lines of changes" in text
    assert len(text.splitlines()) == MAX_ROWS + 2


@pytest.mark.parametrize("key", ["password", "note"])
def test_secrets_stay_masked_in_a_change_and_the_change_is_told(key):
    old, new = "ghp_" + "a1B2" * 9, "ghp_" + "c3D4" * 9

    masked = drawn({key: old, "deep": {key: old, "pad": "." * 90}}, {key: new, "deep": {key: new, "pad": "." * 90}})

    assert "(2 changed)" in masked
    assert "ghp_" not in masked
    assert masked.count(f"- {key}") == 1
    assert f'-   "{key}": ' in masked
    revealed = drawn({key: old}, {key: new}, revealed=True)
    assert old in revealed
    assert new in revealed


def test_lines_of_a_text_with_a_secret_are_shown_folded_and_masked():
    old = "one\ntwo\nghp_" + "a1B2" * 9

    text = drawn({"body": old}, {"body": old + "\nthree"})

    assert "ghp_" not in text
    assert "changed" in text


@given(ARGUMENTS, ARGUMENTS, st.integers(40, 110), st.booleans())
def test_exactly_the_arguments_that_differ_are_told_as_changes(old, new, width, revealed):
    sections = diff_sections(old, new, revealed=revealed)

    labels = {row.label.text for section in sections for row in section.rows if row.label.text}
    for name in {*old, *new}:
        same = name in old and name in new and canonical_json(old[name]) == canonical_json(new[name])
        assert (f"= {name}" in labels) == same
        assert bool({f"~ {name}", f"- {name}", f"+ {name}"} & labels) == (not same)
    assert all(line == "" or line.isprintable() for line in text_of(lay_out_sections(sections, width)).split("\n"))


@given(st.text("ab\n ", max_size=60), st.text("ab\n ", max_size=60))
def test_old_and_new_lines_read_back_as_old_and_new_text(old, new):
    old, new = f"{old}\nend {'x' * 90}", f"start\n{new}"

    (section,) = diff_sections({"body": old}, {"body": new})

    lines = [row.value.text for row in section.rows]
    if "changed; too large to compare line by line" not in lines and not any("equal line" in line for line in lines):
        for marks, text in (("- ", old), ("+ ", new)):
            kept = [line[2:] for line in lines[1:] if line[0] in marks]
            whole = "".join(line[2:] if number else line for number, line in enumerate(kept))
            assert json.loads(whole) == text
