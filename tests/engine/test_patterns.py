"""The language of resource patterns."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allowly_authority.binding import bound_resource
from allowly_authority.engine.patterns import ResourcePattern

SEND = bound_resource("send_email", '{"to":"ada"}')


@pytest.mark.parametrize(
    ("pattern", "resource", "fits"),
    [
        ("*", "", True),
        ("*", "anything at all", True),
        ("*", None, False),
        ("gmail:*", "gmail:thread:7", True),
        ("gmail:*", "xgmail:thread:7", False),
        ("gmail:thread:7", "gmail:thread:70", False),
        ("Gmail:*", "gmail:x", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*c", "a-c-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a?c", "abc", False),
        ("[ab]", "a", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        (r"a\\", "a\\", True),
        ("mcp:send_email", SEND, True),
        ("mcp:send_*", SEND, True),
        ("mcp:*", SEND, True),
        ("mcp:send", SEND, False),
        ("mcp:send_email#sha256:*", SEND, True),
        (SEND, SEND, True),
        (SEND, bound_resource("send_email", '{"to":"bob"}'), False),
        ("mcp:send_email", "mcp:send_email#sha256:short", False),
        ("mcp:send_email", bound_resource(SEND.removeprefix("mcp:"), "{}"), False),
    ],
)
def test_a_pattern_fits_what_its_page_says(pattern, resource, fits) -> None:
    assert ResourcePattern.parse(pattern).matches(resource) is fits


@settings(max_examples=300, deadline=None)
@given(pattern=st.text("ab*\\:", min_size=1, max_size=8), resource=st.text("ab*\\:", max_size=10))
def test_a_pattern_fits_as_a_regular_expression_would(pattern, resource) -> None:
    if re.search(r"(^|[^\\])(\\\\)*\\$", pattern):
        return
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wanted = "".join(".*" if part == "*" else re.escape(part[-1]) for part in parts)

    assert ResourcePattern.parse(pattern).matches(resource) is bool(re.fullmatch(wanted, resource, re.DOTALL))


def test_a_hostile_pattern_comes_to_an_end() -> None:
    """The same pair keeps a backtracking matcher busy for longer than anybody waits: this test would not end."""
    hostile = ResourcePattern.parse("a*" * 120 + "b")

    assert not hostile.matches("a" * 1024)
