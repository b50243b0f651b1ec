"""Comparisons of arguments: what holds, what does not, and what cannot be told."""

import pytest

from allowly_middleware.pipeline import CallFacts, Operation
from allowly_middleware.policy import Policy, RuleFault, allow, confirm, deny
from allowly_middleware.policy.comparisons import read_conditions
from allowly_middleware.policy.conditions import all_hold, parse_path, written_path

DOCUMENT = {
    "to": "ada@example.com",
    "amount": 100,
    "share": 0.5,
    "force": True,
    "nothing": None,
    "tags": ["a", "b"],
    "none": [],
    "user": {"name": "Ada", "a.b": 1, "*": 2},
    "rows": [{"n": 1}, {"n": 2}, {}],
}


@pytest.mark.parametrize(
    ("path", "comparison", "answer"),
    [
        ("to", {"equals": "ada@example.com"}, True),
        ("to", {"equals": "ADA@example.com"}, False),
        ("to", "ada@example.com", True),
        ("to", ["x", "ada@example.com"], True),
        ("to", {"one_of": ["x", 1]}, False),
        ("to", {"one_of": [1, 2]}, None),
        ("to", {"matches": "*@example.com"}, True),
        ("to", {"matches": "*@example.org"}, False),
        ("to", {"matches": "ada?example.com"}, False),
        ("to", {"longer_than": 14}, True),
        ("to", {"longer_than": 15}, False),
        ("to", {"shorter_than": 16}, True),
        ("to", {"equals": 1}, None),
        ("amount", {"greater_than": 99.5}, True),
        ("amount", {"greater_than": 100}, False),
        ("amount", {"less_than": 100}, False),
        ("amount", {"equals": 100.0}, True),
        ("amount", {"equals": "100"}, None),
        ("amount", {"matches": "1*"}, None),
        ("amount", {"longer_than": 1}, None),
        ("share", {"less_than": 1}, True),
        ("force", True, True),
        ("force", {"equals": 1}, None),
        ("force", {"greater_than": 0}, None),
        ("nothing", {"present": True}, True),
        ("nothing", {"equals": "x"}, None),
        ("missing", {"equals": "x"}, None),
        ("missing", {"present": False}, True),
        ("missing.below", {"present": True}, False),
        ("tags", {"longer_than": 1}, True),
        ("tags", {"equals": "a"}, None),
        ("tags.0", "a", True),
        ("tags.2", {"present": True}, False),
        ("tags.-1", {"present": True}, False),
        ("tags.*", {"matches": "?"}, False),
        ("tags.*", {"matches": "*"}, True),
        ("tags.*", {"equals": "a"}, None),
        ("none.*", {"matches": "*"}, False),
        ("none.*", {"present": True}, False),
        ("user.name", "Ada", True),
        (r"user.a\.b", 1, True),
        (r"user.\*", 2, True),
        ("user.*", {"present": True}, True),
        ("rows.*.n", {"greater_than": 0}, None),
        ("rows.0.n", {"greater_than": 0}, True),
        ("to.name", "Ada", None),
    ],
)
def test_a_comparison_holds_or_not_or_cannot_be_told(path: str, comparison, answer: bool | None) -> None:
    assert all_hold(read_conditions({path: comparison}, ()), DOCUMENT) is answer


def test_of_several_conditions_one_that_fails_is_enough() -> None:
    conditions = read_conditions({"to": "x", "missing": "y", "amount": {"greater_than": 1, "less_than": 200}}, ())

    assert all_hold(conditions, DOCUMENT) is False
    assert all_hold(conditions[1:], DOCUMENT) is None
    assert all_hold(conditions[2:], DOCUMENT) is True


@pytest.mark.parametrize(("number", "answer"), [(float("nan"), None), (float("inf"), True), (10**400, True)])
def test_hostile_numbers_are_compared_or_cannot_be_told(number: float, answer: bool | None) -> None:
    conditions = read_conditions({"n": {"greater_than": 1.5}}, ())

    assert all_hold(conditions, {"n": number}) is answer


@pytest.mark.parametrize("arguments", [{}, {"amount": "1000"}, {"amount": None}, {"amount": [1000]}, {"amount": True}])
def test_what_cannot_be_told_never_helps_a_call(arguments: dict) -> None:
    """A server may have a default, or make a number of a text; so the stricter reading counts."""
    large = {"amount": {"greater_than": 100}}
    small = {"amount": {"less_than": 100}}

    def effect(*rules, default: str = "deny") -> str:
        facts = CallFacts(Operation.TOOL_CALL, "shop", "refund", arguments)
        return Policy("p", rules, default=default).evaluate(facts).effect

    assert effect(allow("*.*"), deny("shop.refund", when=large)) == "deny"
    assert effect(allow("*.*"), confirm("shop.refund", when=large)) == "ask"
    assert effect(allow("shop.refund", when=small)) == "deny"
    assert effect(allow("shop.refund", unless=large)) == "deny"
    assert effect(confirm("shop.refund", when=small)) == "deny"
    assert effect(confirm("shop.refund", when=small), default="confirm") == "ask"
    assert effect(allow("*.*"), deny("shop.refund", unless=small)) == "deny"


def test_an_argument_that_may_be_missing_is_asked_for_first() -> None:
    rule = deny("mail.send", when={"cc": {"present": True, "matches": "*@evil.example"}})
    policy = Policy("p", [allow("*.*"), rule])

    assert policy.evaluate(CallFacts(Operation.TOOL_CALL, "mail", "send", {}))
    assert not policy.evaluate(CallFacts(Operation.TOOL_CALL, "mail", "send", {"cc": "x@evil.example"}))


@pytest.mark.parametrize(
    ("recipients", "effect"),
    [
        (["a@example.com", "b@example.com"], "allow"),
        (["a@example.com", "x@evil.example"], "ask"),
        ([], "ask"),
        (["a@example.com", 7], "ask"),
        ("a@example.com", "ask"),
    ],
)
def test_one_bad_item_of_a_list_is_enough(recipients, effect: str) -> None:
    policy = Policy("p", [allow("mail.send", when={"to.*": {"matches": "*@example.com"}})], default="confirm")

    assert policy.evaluate(CallFacts(Operation.TOOL_CALL, "mail", "send", {"to": recipients})).effect == effect


def test_unless_takes_a_rule_back() -> None:
    policy = Policy("p", [allow("*.*"), deny("mail.*", unless={"to": {"matches": "*@example.com"}})])

    assert policy.evaluate(CallFacts(Operation.TOOL_CALL, "mail", "send", {"to": "a@example.com"}))
    assert not policy.evaluate(CallFacts(Operation.TOOL_CALL, "mail", "send", {"to": "a@example.org"}))


@pytest.mark.parametrize("text", ["a.b", "*.a", r"a\.b.\*", r"a\\.b", "a*b"])
def test_a_path_is_written_as_it_reads(text: str) -> None:
    assert parse_path(written_path(parse_path(text))) == parse_path(text)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a\\", ".".join("a" * 17)])
def test_a_path_that_leads_nowhere_is_refused(text: str) -> None:
    with pytest.raises(RuleFault):
        allow("a.b", when={text: 1})
