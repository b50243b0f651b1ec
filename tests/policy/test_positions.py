"""The lines of a TOML document against documents whose lines are known, because they are written here."""

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from allowly_middleware.policy.positions import lines_of

Place = tuple[str | int, ...]

keys = st.sampled_from(["a", "b-1", '"a.b"', "'x # y'", '"q\\"\\u0041"', "'[z]'"])
scalars = st.sampled_from(
    [
        "1",
        "-2.5e3",
        "true",
        "1979-05-27 07:32:00",
        '"a # b"',
        "'c ] }'",
        '""',
        "''",
        '"\\\\"',
        '"""\nx\n\\""" ""y\n"""',
        '"""a""""',
        "'''\n[t]\nk = 1\n'''''",
        "[]",
        "{}",
        "[ # one\n 1,\n [2], # two\n]",
        '{ p = 1, "q.r".s = [ { t = "}" } ] }',
    ]
)
gaps = st.sampled_from(["", "\n", '# a comment with [[brackets]] and = "\n', "\n\t\n", "\r\n"])
dotted = st.dictionaries(st.sampled_from(["sub", "'o.o'"]), scalars, min_size=1)
pairs = st.dictionaries(keys, scalars | dotted, max_size=3)
tables = st.lists(st.tuples(st.sampled_from(["table", "array"]), keys, pairs, gaps), max_size=5)


def paths(value: Any, path: Place = ()) -> Iterator[Place]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in members:
        yield (*path, name)
        yield from paths(below, (*path, name))


def written(pairs: dict[str, Any]) -> Iterator[str]:
    for key, value in pairs.items():
        if isinstance(value, str):
            yield f"{key} ={value}\n"
        else:
            yield from (f"  {key} . {name}= {below} # end\n" for name, below in value.items())


def document(pairs: dict[str, Any], tables: list[Any]) -> str:
    text = "".join(written(pairs))
    for number, (kind, key, its, gap) in enumerate(tables):
        # One kind for a name: a table cannot be an array as well, and no table is defined twice.
        name = f"{'list' if kind == 'array' else f't{number}'}.{key}"
        text += gap + (f"[[ {name} ]] # c\n" if kind == "array" else f"[{name}]\n") + "".join(written(its))
    return text


@given(pairs, tables)
def test_every_key_and_item_has_a_line_and_nothing_else_has(pairs: dict, tables: list) -> None:
    text = document(pairs, tables)

    lines = lines_of(text.replace("\r\n", "\n"))

    assert set(lines) == set(paths(tomllib.loads(text)))


@given(pairs, tables)
def test_the_last_name_of_a_place_stands_on_its_line(pairs: dict, tables: list) -> None:
    text = document(pairs, tables)
    shown = text.replace("\r\n", "\n").split("\n")

    for place, line in lines_of(text.replace("\r\n", "\n")).items():
        if isinstance(place[-1], str):
            plain = shown[line - 1].replace('q\\"\\u0041', 'q"A')
            assert place[-1] in plain, (place, line)


def test_the_lines_are_those_that_a_person_counts() -> None:
    text = """# one
name = "x"

[tools]
"a.b" = "allow"
'c.d' = {effect = "deny", when.n.greater_than = 1}

[[rules]]
tools = [
  "e.f",
  "g.h",
]
[[rules]]
[rules.when]
n = 1
"""

    lines = lines_of(text)

    assert lines["name",] == 2
    assert lines["tools",] == 4
    assert lines["tools", "a.b"] == 5
    assert lines["tools", "c.d", "when", "n", "greater_than"] == 6
    assert lines["rules", 0] == 8
    assert lines["rules", 0, "tools", 1] == 11
    assert lines["rules", 1] == 13
    assert lines["rules", 1, "when"] == 14
