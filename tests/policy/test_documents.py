"""Policy files: what they mean, and what is said of those that mean nothing."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_middleware.pipeline import ANONYMOUS, CallFacts, Operation, Subject
from allowly_middleware.policy import ListedTool, PolicyFileError, PolicySet, parse_policy, validate
from allowly_middleware.policy.documents import MAX_POLICY_BYTES
from allowly_middleware.policy.rules import MAX_RULES

SOURCES = Path(__file__).parents[2] / "middleware" / "allowly_middleware" / "policy"


def policies(text: str) -> PolicySet:
    return parse_policy(text).or_raise("policy.toml")


def effect(text: str, name: str, subject: Subject = ANONYMOUS, **arguments) -> str:
    server, _, target = name.partition(".")
    verdict = policies(text).evaluate(CallFacts(Operation.TOOL_CALL, server, target, arguments, subject=subject))
    return verdict.approver or verdict.effect


SMALL = """
default = "confirm"
[tools]
"mail.search_*" = "allow"
"mail.send" = { effect = "allow", when.to.matches = "*@example.com", limit = "3 per day" }
"mail.delete" = "escalate to compliance officer"
"mail.purge" = "deny"
"""


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("mail.search_all", {}, "allow"),
        ("mail.send", {"to": "ada@example.com"}, "allow"),
        ("mail.send", {"to": "eve@evil.example"}, "ask"),
        ("mail.delete", {}, "compliance officer"),
        ("mail.purge", {}, "deny"),
        ("mail.other", {}, "ask"),
    ],
)
def test_a_small_file_says_what_it_reads_like(name: str, arguments: dict, expected: str) -> None:
    assert effect(SMALL, name, **arguments) == expected


def test_a_file_without_a_default_denies_what_it_does_not_name() -> None:
    assert effect('[tools]\n"mail.read" = "allow"', "mail.send") == "deny"


def test_rules_for_a_group_are_for_its_members_alone() -> None:
    text = '[tools]\n"shop.list" = "allow"\n[groups.support.tools]\n"shop.refund" = "confirm"'
    member = Subject("ada", frozenset({"support"}))

    assert effect(text, "shop.refund", member) == "ask"
    assert effect(text, "shop.list", member) == "allow"
    assert effect(text, "shop.refund") == "deny"
    assert [policy.name for policy in policies(text).policies] == ["policy", "policy, group support"]


@pytest.mark.parametrize(
    "when",
    [
        "when.user.address.city.equals = 'Paris'",
        "when = { user.address.city.equals = 'Paris' }",
        "when.'user.address.city' = { one_of = ['Paris'] }",
        "[rules.when.user.address]\ncity.matches = 'Par*'",
        "[rules.when]\n'user.address.city' = ['Rome', 'Paris']",
    ],
)
def test_a_path_may_be_quoted_or_not(when: str) -> None:
    text = f"[[rules]]\ntools = 'a.b'\neffect = 'allow'\n{when}"

    assert effect(text, "a.b", user={"address": {"city": "Paris"}}) == "allow"
    assert effect(text, "a.b", user={"address": {"city": "Berlin"}}) == "deny"


def test_a_reason_a_name_and_a_line_come_with_the_verdict() -> None:
    text = "name = 'mail'\n[[rules]]\ntools = ['mail.purge']\neffect = 'deny'\nname = 'keep'\nreason = 'Never.'\n"

    verdict = policies(text).evaluate(CallFacts(Operation.TOOL_CALL, "mail", "purge"))

    assert verdict.message == "Never."
    assert str(verdict.rule) == "mail line 2: keep = deny"


def test_a_file_that_is_only_tried_lets_everything_run_and_tells() -> None:
    verdict = policies("shadow = true\n[groups.g.tools]\n'a.b' = 'allow'").evaluate(
        CallFacts(Operation.TOOL_CALL, "a", "b")
    )

    assert verdict.effect == "allow"
    assert verdict.shadowed is not None
    assert verdict.shadowed.effect == "deny"


def test_a_file_says_which_servers_it_trusts() -> None:
    text = "trust_annotations = ['git*']\n[tools]\n'*.*' = { effect = 'allow', annotations.readOnlyHint = true }"
    decided = policies(text)

    def claimed(server: str) -> bool:
        return bool(decided.evaluate(CallFacts(Operation.TOOL_CALL, server, "x", annotations={"readOnlyHint": True})))

    assert claimed("github")
    assert not claimed("mail")


BROKEN = [
    ("x", "POLICY_INVALID_TOML", 1, ""),
    ('[tools]\n"a.b" = "allow', "POLICY_INVALID_TOML", 2, ""),
    ('[tools]\n"a.b" = "allow"\n\n"a.b" = "deny"', "POLICY_INVALID_TOML", 4, ""),
    ("# one\n\udcff", "POLICY_INVALID_TOML", 2, ""),
    ("x = " + "[" * 5000, "POLICY_INVALID_TOML", None, ""),
    ("tool = 1", "POLICY_UNKNOWN_KEY", 1, "did you mean tools?"),
    ("[tools]\n[groups.g]\ndefault = 'deny'", "POLICY_UNKNOWN_KEY", 3, "known are"),
    ("name = ' '", "POLICY_INVALID_SHAPE", 1, ""),
    ("default = 'allow'", "POLICY_INVALID_EFFECT", 1, "*.*"),
    ("default = 3", "POLICY_INVALID_SHAPE", 1, ""),
    ("shadow = 'yes'", "POLICY_INVALID_SHAPE", 1, ""),
    ("trust_annotations = 'a'\nshadow = 1", "POLICY_INVALID_SHAPE", 2, ""),
    ("trust_annotations = []", "POLICY_INVALID_SHAPE", 1, ""),
    ("tools = 1", "POLICY_INVALID_SHAPE", 1, ""),
    ("[[tools]]", "POLICY_INVALID_SHAPE", 1, ""),
    ("[groups]\ng = 1", "POLICY_INVALID_SHAPE", 2, ""),
    ("[groups.'']", "POLICY_INVALID_SHAPE", 1, ""),
    ("[rules]", "POLICY_INVALID_SHAPE", 1, ""),
    ("rules = ['a']", "POLICY_INVALID_SHAPE", 1, ""),
    ("[tools]\n'a.b' = 'ask'", "POLICY_INVALID_EFFECT", 2, "write confirm"),
    ("[tools]\n'a.b' = 'escalate to'", "POLICY_INVALID_EFFECT", 2, "name of the approver"),
    ("[tools]\n'a.b' = 'Allow'", "POLICY_INVALID_EFFECT", 2, '"allow"'),
    ("[tools]\n'a.b' = true", "POLICY_INVALID_SHAPE", 2, ""),
    ("[tools]\n'a.b' = {}", "POLICY_INVALID_EFFECT", 2, "effect ="),
    ("[tools]\n'a' = 'allow'", "POLICY_INVALID_PATTERN", 2, "a.*"),
    ("[tools]\n'a__b' = 'allow'", "POLICY_INVALID_PATTERN", 2, "a.b"),
    ("[tools]\n'a.b' = { effect = 'allow', tools = 'c.d' }", "POLICY_UNKNOWN_KEY", 2, ""),
    ("[[rules]]\neffect = 'deny'", "POLICY_INVALID_SHAPE", 1, "tools ="),
    ("[[rules]]\neffect = 'deny'\ntools = []", "POLICY_INVALID_SHAPE", 3, ""),
    ("[[rules]]\neffect = 'deny'\ntools = [\n'a.b',\n'c']", "POLICY_INVALID_PATTERN", 5, "c.*"),
    ("[[rules]]\neffect = 'deny'\ntools = 'a.b'\nservers = 'a'", "POLICY_INVALID_SHAPE", 4, "github.*"),
    ("[[rules]]\neffect = 'deny'\noperations = 'tool:cal'", "POLICY_INVALID_SHAPE", 3, "tool:call"),
    ("[[rules]]\neffect = 'confirm'\noperations = 'tools:list'", "POLICY_CANNOT_ASK", 2, "allow or deny"),
    ("[tools]\n'a.b' = { effect = 'allow', limit = '3 per fortnight' }", "POLICY_INVALID_LIMIT", 2, "units are"),
    ("[tools]\n'a.b' = { effect = 'deny', limit = '3 per day' }", "POLICY_INVALID_LIMIT", 2, "take one away"),
    ("[tools]\n'a.b' = { effect = 'allow', when = {} }", "POLICY_INVALID_CONDITION", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', when.n = {} }", "POLICY_INVALID_CONDITION", 2, "equals"),
    ("[tools]\n'a.b' = { effect = 'allow', when.n.equal = 1 }", "POLICY_INVALID_CONDITION", 2, "did you mean equals?"),
    (
        "[tools]\n'a.b' = { effect = 'allow', when.n = { equals = 1, lik = 2 } }",
        "POLICY_INVALID_CONDITION",
        2,
        "known are",
    ),
    ("[tools]\n'a.b' = { effect = 'allow', when.n.city = 'Rome' }", "POLICY_INVALID_CONDITION", 2, "city.equals"),
    ("[tools]\n'a.b' = { effect = 'allow', when.n = nan }", "POLICY_INVALID_CONDITION", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', when.n = 1979-05-27 }", "POLICY_INVALID_CONDITION", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', when.n.longer_than = -1 }", "POLICY_INVALID_CONDITION", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', when.n.longer_than = true }", "POLICY_INVALID_CONDITION", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', when.n.less_than = '1' }", "POLICY_INVALID_CONDITION", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', when.n.less_than = inf }", "POLICY_INVALID_CONDITION", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', when.n.present = 1 }", "POLICY_INVALID_SHAPE", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', when.n.one_of = [] }", "POLICY_INVALID_SHAPE", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', when.n.one_of = [[1]] }", "POLICY_INVALID_CONDITION", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', when.'n..m' = 1 }", "POLICY_INVALID_CONDITION", 2, ""),
    ("[tools]\n'a.b' = { effect = 'allow', subject = {} }", "POLICY_INVALID_SHAPE", 2, "groups"),
    ("[tools]\n'a.b' = { effect = 'allow', subject.group = 'x' }", "POLICY_UNKNOWN_KEY", 2, "groups"),
    ("[tools]\n'a.b' = { effect = 'allow', annotations.readOnly = true }", "POLICY_UNKNOWN_KEY", 2, "readOnlyHint"),
    ("[tools]\n'a.b' = { effect = 'allow', annotations.readOnlyHint = 1 }", "POLICY_INVALID_SHAPE", 2, ""),
    (
        "[tools]\n'a.b' = { effect = 'allow', name = 'n' }\n[groups.g.tools]\n'a.c' = { effect = 'deny', name = 'n' }",
        "POLICY_DUPLICATE_RULE",
        4,
        "another name",
    ),
    ("[tools]\n'a.*' = 'escalate to x'\n'a.b' = 'escalate to y'", "POLICY_APPROVERS_CONFLICT", 3, "leave one"),
]


@pytest.mark.parametrize(("text", "code", "line", "hint"), BROKEN)
def test_what_is_not_understood_is_refused_with_its_line(text: str, code: str, line: int | None, hint: str) -> None:
    parsed = parse_policy(text.encode("utf-8", "surrogateescape"))

    found = [(one.code, one.severity, one.line) for one in parsed.diagnostics]
    assert (code, "error", line) in found
    assert parsed.policies is None
    assert hint in next(one.hint for one in parsed.diagnostics if one.code == code)
    with pytest.raises(PolicyFileError, match=re.escape("policy.toml")):
        parsed.or_raise("policy.toml")


SUSPICIOUS = [
    ("", "POLICY_EMPTY", None),
    ("[tools]\n'*.*' = 'allow'", "POLICY_WILDCARD_BROAD", 2),
    ("[groups.g.tools]\n'*.*' = 'allow'", "POLICY_WILDCARD_BROAD", 2),
    ("[tools]\n'a.*' = 'deny'\n'a.b' = 'confirm'", "POLICY_UNREACHABLE", 3),
    ("[tools]\n'*.*_x' = 'confirm'\n'a.b*_x' = 'allow'", "POLICY_UNREACHABLE", 3),
    ("[tools]\n'a.b' = 'escalate to x'\n[groups.g.tools]\n'a.b' = 'confirm'", "POLICY_UNREACHABLE", 4),
    (
        "[tools]\n'*.*' = { effect = 'allow', annotations.readOnlyHint = true }",
        "POLICY_ANNOTATIONS_NOT_TRUSTED",
        2,
    ),
    (
        "trust_annotations = ['b']\n[tools]\n'a.*' = { effect = 'allow', annotations.readOnlyHint = true }",
        "POLICY_ANNOTATIONS_NOT_TRUSTED",
        3,
    ),
]


@pytest.mark.parametrize(("text", "code", "line"), SUSPICIOUS)
def test_what_looks_wrong_is_told_and_stays_in_force(text: str, code: str, line: int | None) -> None:
    parsed = parse_policy(text)

    assert [(one.code, one.severity, one.line) for one in parsed.diagnostics] == [(code, "warning", line)]
    assert parsed.policies is not None


@pytest.mark.parametrize(
    "text",
    [
        SMALL,
        "[tools]\n'a.*' = 'allow'\n'a.b' = 'deny'",
        "[tools]\n'a.*' = { effect = 'deny', when.n = 1 }\n'a.b' = 'allow'",
        "[tools]\n'a.*' = { effect = 'deny', shadow = true }\n'a.b' = 'allow'",
        "[tools]\n'a.b' = 'allow'\n[groups.g.tools]\n'a.*' = 'deny'",
        "[tools]\n'*.*' = { effect = 'allow', subject.groups = 'admin' }",
        "[tools]\n'a.*' = { limit = '3 per day' }\n'a.b' = 'deny'",
        "[resources]\n'a.*' = 'deny'\n[tools]\n'a.b' = 'allow'",
        "trust_annotations = true\n[tools]\n'a.*' = { effect = 'allow', annotations.readOnlyHint = true }",
        "[groups.g.tools]\n'a.b' = 'escalate to x'\n[groups.h.tools]\n'a.b' = 'escalate to y'",
    ],
)
def test_nothing_is_said_of_a_file_that_is_right(text: str) -> None:
    assert parse_policy(text).diagnostics == ()


def test_all_faults_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = "nam = 1\n[tools]\n'a' = 'allow'\n'b.c' = 'ask'\n'd.e' = 'deny'\n[[rules]]\ntools = 'x.y'\n"

    found = [(one.line, one.code) for one in parse_policy(text).diagnostics]

    assert found == [
        (1, "POLICY_UNKNOWN_KEY"),
        (3, "POLICY_INVALID_PATTERN"),
        (4, "POLICY_INVALID_EFFECT"),
        (6, "POLICY_INVALID_EFFECT"),
    ]


def test_patterns_are_compared_with_the_tools_that_there_are() -> None:
    text = "[tools]\n'mail.send' = 'allow'\n'mail.sned' = 'deny'\n'*.list_*' = 'allow'\n'mial.*' = 'deny'"
    tools = [ListedTool("mail", "send"), ListedTool("mail", "read")]

    found = [(one.code, one.line) for one in validate(text, tools=tools)]

    assert found == [
        ("POLICY_MATCHES_NOTHING", 3),
        ("POLICY_MATCHES_NOTHING", 4),
        ("POLICY_SERVER_UNKNOWN", 5),
    ]
    assert validate(text) == ()


def test_every_code_that_can_be_reported_is_reported_by_a_test() -> None:
    declared = set(re.findall(r'"(POLICY_[A-Z_]+)"', (SOURCES / "diagnostics.py").read_text()))
    tested = {code for _, code, *_ in (*BROKEN, *SUSPICIOUS)}

    assert declared - tested == {"POLICY_UNREADABLE", "POLICY_MATCHES_NOTHING", "POLICY_SERVER_UNKNOWN"}


@given(st.text(alphabet="[]{}=\"'.,#\n ab1_*\\", max_size=60))
def test_whatever_a_file_holds_nothing_is_raised(text: str) -> None:
    parsed = parse_policy(text)

    assert (parsed.policies is None) is any(one.severity == "error" for one in parsed.diagnostics)


def test_large_files_are_read_and_larger_ones_are_not() -> None:
    rows = [f"'server{at}.tool_*_{at}' = 'confirm'\n" for at in range(1000)]

    assert effect(f"[tools]\n{''.join(rows)}", "server77.tool_x_77") == "ask"
    assert len(rows[0]) * MAX_RULES < MAX_POLICY_BYTES
    too_many = "[tools]\n" + "".join(f"a{at}.b=1\n" for at in range(MAX_RULES + 1))
    assert parse_policy(too_many).diagnostics[0].message == "has more than 10000 entries"
