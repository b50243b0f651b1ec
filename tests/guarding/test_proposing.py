"""The policy that is written from a list of tools: what it allows, whom it asks, and that no server can write in it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.guarding.proposing import policy_text, propose
from allowly_harness.guarding.survey import Offer
from allowly_middleware.pipeline.patterns import Pattern
from allowly_middleware.policy.documents import parse_policy


@pytest.mark.parametrize(
    ("annotations", "effect"),
    [
        ({"readOnlyHint": True}, "allow"),
        ({"readOnlyHint": True, "openWorldHint": True}, "allow"),
        ({"readOnlyHint": True, "destructiveHint": True}, "escalate to compliance"),
        ({"readOnlyHint": False, "destructiveHint": True}, "escalate to compliance"),
        ({"destructiveHint": False}, "confirm"),
        ({"readOnlyHint": "true"}, "confirm"),
        ({"readOnlyHint": 1}, "confirm"),
        ({}, "confirm"),
        (None, "confirm"),
        ("readOnlyHint", "confirm"),
    ],
)
def test_only_a_tool_that_plainly_says_that_it_reads_is_allowed(annotations: Any, effect: str) -> None:
    proposed = propose({"name": "t", "annotations": annotations}, "compliance")

    assert proposed.effect == effect


def test_what_destroys_is_confirmed_where_nobody_is_named() -> None:
    assert propose({"name": "t", "annotations": {"destructiveHint": True}}).effect == "confirm"


def test_tools_of_one_name_get_the_stricter_of_their_lines() -> None:
    tools = [{"name": "t", "annotations": {"readOnlyHint": True}}, {"name": "t"}]

    assert tomllib.loads(policy_text("s", Offer(tools)))["tools"] == {"s.t": "confirm"}


def test_every_line_says_why_and_the_file_says_whose_word_it_is() -> None:
    tools = [
        {"name": "read", "annotations": {"readOnlyHint": True}, "description": "Reads it.\nMore"},
        {"name": "write"},
    ]

    text = policy_text("files", Offer(tools, resources=True, prompts=True))

    assert '"files.read" = "allow"     # says that it only reads: Reads it.\n' in text
    assert '"files.write" = "confirm"  # does not say what it changes\n' in text
    assert "THESE ARE THE SERVER'S OWN CLAIMS" in text
    assert tomllib.loads(text)["resources"] == {"files.*": "allow"}


def test_what_is_not_offered_is_not_allowed() -> None:
    read = tomllib.loads(policy_text("files", Offer([{"name": "t"}])))

    assert set(read) == {"name", "default", "tools"}
    assert read["default"] == "confirm"


annotations = st.none() | st.fixed_dictionaries(
    {}, optional={"readOnlyHint": st.booleans() | st.none(), "destructiveHint": st.booleans() | st.none()}
)
# Lone surrogates come over the wire, too; a name with one cannot stand in a file.
texts = st.text(st.characters(exclude_categories=()), max_size=30)
tools = st.lists(st.fixed_dictionaries({"name": texts, "description": texts, "annotations": annotations}), max_size=5)


@given(tools)
def test_no_name_and_no_description_adds_a_line_or_changes_another(listed: list[dict[str, Any]]) -> None:
    """G8: a description is a comment whatever it holds, and a name is for its own tool alone."""
    text = policy_text("files", Offer(listed))
    read = tomllib.loads(text.encode("utf-8").decode())

    entries: dict[str, str] = read.get("tools", {})
    names = {tool["name"] for tool in listed}
    for key, effect in entries.items():
        pattern = Pattern.parse(key)
        assert pattern.is_exact
        (name,) = [name for name in names if pattern.matches("files", name)]
        assert effect != "allow" or all(propose(tool).effect == "allow" for tool in listed if tool["name"] == name)
    assert parse_policy(text).policies is not None
    assert len(entries) == len([name for name in names if name and not _has_surrogate(name)])


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
