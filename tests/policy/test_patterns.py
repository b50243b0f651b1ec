"""The pattern language against a reading of it by regular expressions, and its errors."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from allowly_middleware.pipeline import Pattern, PatternError, PatternIndex

NAMES = st.text(alphabet='ab_.*"\\ \n', max_size=6)
HALVES = st.lists(st.sampled_from(["a", "b", "ab", "*", "_", "\n"]), min_size=1, max_size=5).map("".join)


def half(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in text.split("*")), re.DOTALL)


def plain_halves() -> st.SearchStrategy[str]:
    return HALVES.filter(lambda text: text == text.strip() and "__" not in text)


@pytest.mark.parametrize(
    ("text", "server", "name"),
    [
        ("github.create_issue", "github", "create_issue"),
        ("github.*", "github", "create_issue"),
        ("github.*", "github", ""),
        ("*.search_*", "docs", "search_"),
        ("*.search_*", "docs", "search_pages"),
        ("*.*", "", "\n"),
        ("*.*", "a.b", "c"),
        ("files.fs.read", "files", "fs.read"),
        ("files.*", "files", "two\nlines"),
        ("docs.https://example.com/*", "docs", "https://example.com/a.b"),
        ("a.fs*read", "a", "fs__read"),
        ('"my.server".read', "my.server", "read"),
        ('"my.*".read', "my.server", "read"),
        ('a."fs__read"', "a", "fs__read"),
        (r'a."\*\"\\"', "a", '*"\\'),
        ('a.say "hi"', "a", 'say "hi"'),
        ("a.x?[y](z)+^$|\\", "a", "x?[y](z)+^$|\\"),
    ],
)
def test_a_pattern_fits_the_names_it_is_written_for(text: str, server: str, name: str) -> None:
    assert Pattern.parse(text).matches(server, name)


@pytest.mark.parametrize(
    ("text", "server", "name"),
    [
        ("github.create_issue", "github", "create_issues"),
        ("github.create_issue", "github", "create_issue\n"),
        ("github.create_issue", "github2", "create_issue"),
        ("github.create_issue", "Github", "create_issue"),
        ("github.Create_issue", "github", "create_issue"),
        ("*.search_*", "docs", "research_pages"),
        ("*.search_*", "docs", "search"),
        ("a.x?", "a", "xy"),
        ("a.[xy]", "a", "x"),
        ("a.b*b", "a", "b"),
        ("a.*b*b*", "a", "b"),
        (r'a."\*"', "a", "x"),
        ("files.read", "files.read", ""),
    ],
)
def test_a_pattern_fits_nothing_else(text: str, server: str, name: str) -> None:
    assert not Pattern.parse(text).matches(server, name)


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("", "is blank", "github.create_issue"),
        (" \n", "is blank", "*.*"),
        ("github", "names no tool", "'github.*'"),
        ('"my.server"', "names no tool", "'\"my.server\".*'"),
        (".read", "empty half", "*"),
        ("files.", "empty half", "*"),
        ('"".read', "empty half", "*"),
        ("github__create_issue", "two underscores", "'github.create_issue'"),
        ("github.a__b", "two underscores", "double quotes"),
        ("__.a", "two underscores", "double quotes"),
        (" github.read", "white space", "double quotes"),
        ("github.read ", "white space", "double quotes"),
        ('"my.server.read', "not closed", "close it"),
        ('"my"x.read', "closing quote", "a dot or nothing"),
        ('a."b".c', "closing quote", "nothing may follow"),
        (r'a."\n"', "escapes nothing", r"\*"),
        ('a."b\\', "escapes nothing", r"\*"),
        ("a." + "b" * 1023, "longer than 1024 characters", "*"),
        (7, "is not text", "github.create_issue"),
        (None, "is not text", "github.create_issue"),
    ],
)
def test_what_is_no_pattern_is_refused_with_its_problem_and_a_fix(text: str, problem: str, fix: str) -> None:
    with pytest.raises(PatternError) as refused:
        Pattern.parse(text)

    assert problem in refused.value.problem
    assert fix in refused.value.fix
    assert len(str(refused.value)) < 300
    assert str(refused.value) == f"{refused.value.text!r} {refused.value.problem}; {refused.value.fix}"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("create_issue", "github.create_issue"),
        ("*", "github.*"),
        ("github.create_issue", "github.create_issue"),
        ("github.fs.read", "github.fs.read"),
        ("*.create_*", "github.create_*"),
        ('"fs.read"', "github.fs.read"),
        ('"a__b"', 'github."a__b"'),
    ],
)
def test_in_the_scope_of_a_server_its_name_may_be_left_out(text: str, whole: str) -> None:
    assert Pattern.parse(text, server="github") == Pattern.parse(whole)


def test_a_scope_takes_its_server_literally() -> None:
    pattern = Pattern.parse("read", server="a.b*")

    assert pattern.matches("a.b*", "read")
    assert not pattern.matches("a.bc", "read")
    assert Pattern.parse(str(pattern)) == pattern


def test_a_scope_refuses_another_server_and_shows_how_a_dotted_name_is_written() -> None:
    with pytest.raises(PatternError) as refused:
        Pattern.parse("fs.read", server="github")

    assert "another server than the scope's, 'github'" in refused.value.problem
    assert "'github.fs.read'" in refused.value.fix


@given(plain_halves(), plain_halves(), NAMES, NAMES)
@example("*a*", "a*a*a", "ba", "aaa")
def test_a_pattern_means_what_the_regular_expression_means(
    server_half: str, name_half: str, server: str, name: str
) -> None:
    expected = bool(half(server_half).fullmatch(server) and half(name_half).fullmatch(name))

    assert Pattern.parse(f"{server_half}.{name_half}").matches(server, name) is expected


@given(NAMES.filter(bool), NAMES.filter(bool))
def test_every_name_can_be_written_exactly_and_reads_back(server: str, name: str) -> None:
    exact = Pattern.exact(server, name)

    assert Pattern.parse(str(exact)) == exact
    assert exact.matches(server, name)
    assert exact.is_exact


@given(plain_halves(), plain_halves())
def test_a_pattern_is_written_as_it_reads(server_half: str, name_half: str) -> None:
    pattern = Pattern.parse(f"{server_half}.{name_half}")

    assert Pattern.parse(str(pattern)) == pattern
    if pattern.server.literal is not None:
        assert Pattern.parse(str(pattern), server=server_half) == pattern


@given(st.lists(st.tuples(plain_halves(), plain_halves()), max_size=40), NAMES, NAMES)
@example([("*", "*ab*"), ("*", "*ba*"), ("*", "a*ab*b"), ("*", "*")], "a", "abab")
def test_the_index_finds_what_trying_each_finds_and_in_order(
    halves: list[tuple[str, str]], server: str, name: str
) -> None:
    patterns = [Pattern.parse(f"{first}.{second}") for first, second in halves]

    found = PatternIndex((pattern, at) for at, pattern in enumerate(patterns)).find(server, name)

    assert found == [at for at, pattern in enumerate(patterns) if pattern.matches(server, name)]


@given(plain_halves(), plain_halves(), NAMES)
def test_a_half_that_covers_another_fits_all_that_fits_the_other(wide: str, narrow: str, name: str) -> None:
    first, second = Pattern.parse(f"a.{wide}"), Pattern.parse(f"a.{narrow}")

    if first.covers(second) and second.matches("a", name):
        assert first.matches("a", name)


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ("*.*", "github.read", True),
        ("github.*", "github.read_*", True),
        ("*.*_*", "a.read_*", True),
        ("github.read", "github.read", True),
        ("github.read_*", "github.*", False),
        ("github.*a", "github.*", False),
        ("github.*", "*.read", False),
        (r'a."\*"', "a.*", False),
        ("a.x*x", "a.x", False),
    ],
)
def test_one_pattern_covers_another(wide: str, narrow: str, covers: bool) -> None:
    assert Pattern.parse(wide).covers(Pattern.parse(narrow)) is covers


def test_hostile_patterns_and_names_take_no_long_search() -> None:
    """Backtracking would not end in anybody's lifetime."""
    pattern = Pattern.parse("a." + "a*" * 500 + "c")
    index = PatternIndex((Pattern.parse(f"*.*a{'b' * at}*"), at) for at in range(1, 200))
    name = "a" * 100_000

    assert not pattern.matches("a", name + "b")
    assert index.find("a", name) == []
