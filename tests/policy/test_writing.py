"""Policy files that a program writes: they read as they were meant, whatever tools are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_middleware.pipeline import ANONYMOUS
from allowly_middleware.policy import PolicyLine, parse_policy, write_policy

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def test_a_written_file_looks_as_a_person_would_write_it() -> None:
    text = write_policy(
        [
            PolicyLine("mail", "search", "allow", "Only reads."),
            PolicyLine("mail", "send_email", "confirm"),
            PolicyLine("mail", "delete__all", "escalate to compliance", "Destroys\x1b[31m, \u202ehidden\nsecond line"),
        ],
        name="mail",
        heading=["Written from the tools of mail."],
    )

    assert text == (
        "# Written from the tools of mail.\n"
        "\n"
        'name = "mail"\n'
        'default = "confirm"  # for every tool that is not named\n'
        "\n"
        "[tools]\n"
        '"mail.search" = "allow"                          # Only reads.\n'
        '"mail.send_email" = "confirm"\n'
        '\'mail."delete__all"\' = "escalate to compliance"  # Destroys [31m, hidden second line\n'
    )


@given(st.lists(st.tuples(names, names, st.sampled_from(["allow", "confirm", "deny"]), names), max_size=4))
def test_what_is_written_reads_as_it_was_meant(tools: list[tuple[str, str, str, str]]) -> None:
    tools = list({(server, tool): (server, tool, effect, comment) for server, tool, effect, comment in tools}.values())

    text = write_policy((PolicyLine(*tool) for tool in tools), name="p", default="deny")

    policies = parse_policy(text).or_raise("p")
    effects = [policies.can(server, tool, subject=ANONYMOUS).effect for server, tool, _, _ in tools]
    assert effects == [{"confirm": "ask"}.get(effect, effect) for _, _, effect, _ in tools]
    assert len(policies.policies[0].rules) == len(tools)


@pytest.mark.parametrize(
    "lines",
    [
        [PolicyLine("a", "b", "ask")],
        [PolicyLine("a", "b", "deny"), PolicyLine("a", "b", "allow")],
        [PolicyLine("a", "\ud800", "deny")],
    ],
)
def test_what_cannot_be_written_is_refused(lines: list[PolicyLine]) -> None:
    with pytest.raises(ValueError, match=r"effect|TOML|surrogate"):
        write_policy(lines, name="p")


def test_a_long_comment_is_cut() -> None:
    text = write_policy([PolicyLine("a", "b", "deny", "x" * 500)], name="p")

    assert max(map(len, text.splitlines())) < 130
