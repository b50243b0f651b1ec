"""What policies decide, against an evaluator that knows nothing of the package: it tries every possible world.

A rule that cannot be told is met in one world and not in another. The answer is the strictest of all worlds; where
the arguments are not known, it is the mildest that any arguments can get.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from allowly_middleware.pipeline import ANONYMOUS, CallFacts, Operation, Subject
from allowly_middleware.policy import Policy, PolicySet, Verdict, deny
from allowly_middleware.policy.reading import read_rule

Plain = dict[str, Any]
STRENGTH = {"allow": 0, "confirm": 1, "escalate": 2, "deny": 3}

patterns = st.sampled_from(["a.x", "a.*", "*.x", "*.*", "b.y*", "a.y"])
conditions = st.sampled_from(
    [{"n": {"greater_than": 1}}, {"s": {"equals": "q"}}, {"n": {"less_than": 1}}, {"n": {"present": True}}]
)
audiences = st.sampled_from(
    [{"groups": ["g"]}, {"groups": ["h"]}, {"authenticated": True}, {"metadata": {"plan": {"equals": "pro"}}}]
)
rules = st.fixed_dictionaries(
    {
        "tools": patterns,
        "effect": st.sampled_from(["allow", "confirm", "escalate to p", "escalate to q", "deny", "allow"]),
    },
    optional={
        "when": conditions,
        "unless": conditions,
        "subject": audiences,
        "unless_subject": audiences,
        "annotations": st.sampled_from([{"readOnlyHint": True}, {"destructiveHint": True}]),
    },
)
rule_lists = st.lists(rules, max_size=5)
defaults = st.sampled_from(["deny", "confirm", "escalate to p"])
subjects = st.sampled_from(
    [
        ANONYMOUS,
        Subject("ada", frozenset({"g"}), {"plan": "pro"}),
        Subject("bob", frozenset({"g", "h"}), {"plan": "free"}),
        Subject("eve", metadata={"plan": 1}),
    ]
)
arguments = st.fixed_dictionaries(
    {}, optional={"n": st.sampled_from([0, 1, 2, 1.5, "2", None, True]), "s": st.sampled_from(["q", "r", 1])}
)
calls = st.builds(
    CallFacts,
    operation=st.just(Operation.TOOL_CALL),
    server=st.sampled_from("abc"),
    target=st.sampled_from(["x", "y", "yy", "z"]),
    arguments=arguments,
    annotations=st.sampled_from([{}, {"readOnlyHint": True}, {"readOnlyHint": False, "destructiveHint": False}]),
    subject=subjects,
)


def both(first: bool | None, second: bool | None) -> bool | None:
    if first is False or second is False:
        return False
    return None if first is None or second is None else True


def opposite(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def holds(table: Plain, document: Mapping[str, Any]) -> bool | None:
    """Answer the conditions that are drawn above: one name, one comparison."""
    ((name, comparison),) = table.items()
    ((operator, expected),) = comparison.items()
    if operator == "present":
        return name in document
    value = document.get(name)
    if operator == "equals":
        return value == expected if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value > expected if operator == "greater_than" else value < expected


def fits(table: Plain, subject: Subject) -> bool | None:
    if "groups" in table:
        return bool(set(table["groups"]) & subject.groups)
    if "authenticated" in table:
        return subject.authenticated == table["authenticated"]
    return holds(table["metadata"], subject.metadata)


def annotated(rule: Plain, annotations: Mapping[str, Any]) -> bool:
    wanted = rule.get("annotations", {})
    if wanted and rule["effect"] == "allow":
        return False
    read_only = annotations.get("readOnlyHint", False)
    destructive = annotations.get("destructiveHint", not read_only)
    said = {"readOnlyHint": read_only, "destructiveHint": destructive}
    return all(said[name] == value for name, value in wanted.items())


def met(rule: Plain, call: CallFacts, document: Mapping[str, Any] | None) -> bool | str | None:
    """Tell whether a rule is met; "open" where that is up to arguments that are not known."""
    server, _, name = rule["tools"].partition(".")
    if not re.fullmatch(server.replace("*", ".*"), call.server) or not re.fullmatch(
        name.replace("*", ".*"), call.target or ""
    ):
        return False
    answer = both(True, annotated(rule, call.annotations))
    if "subject" in rule:
        answer = both(answer, fits(rule["subject"], call.subject))
    if "unless_subject" in rule:
        answer = both(answer, opposite(fits(rule["unless_subject"], call.subject)))
    if "when" not in rule and "unless" not in rule:
        return answer
    if document is None:
        return "open" if answer is not False else False
    if "when" in rule:
        answer = both(answer, holds(rule["when"], document))
    return both(answer, opposite(holds(rule["unless"], document))) if "unless" in rule else answer


def strictest(effects: list[str]) -> str:
    top = max(effects, key=lambda effect: STRENGTH[effect.split()[0]])
    if top.startswith("escalate") and len({effect for effect in effects if effect.startswith("escalate")}) > 1:
        return "deny"
    return top


def worlds(answers: list[Any], unknown: Any) -> Iterator[list[Any]]:
    at = [index for index, answer in enumerate(answers) if answer is unknown]
    for choice in product([True, False], repeat=len(at)):
        world = list(answers)
        for index, chosen in zip(at, choice, strict=True):
            world[index] = chosen
        yield world


def expected(rules: list[Plain], default: str, call: CallFacts, *, known: bool = True) -> str:
    document = call.arguments or {} if known else None
    answers = [met(rule, call, document) for rule in rules]
    possible = []
    for settled in worlds(answers, "open"):
        outcomes = []
        for world in worlds(settled, None):
            effects = [rule["effect"] for rule, answer in zip(rules, world, strict=True) if answer]
            outcomes.append(strictest(effects or [default]))
        possible.append(strictest(outcomes))
    return min(possible, key=lambda effect: STRENGTH[effect.split()[0]])


def said(verdict: Verdict) -> str:
    if verdict.effect != "ask":
        return verdict.effect
    return "confirm" if verdict.approver is None else f"escalate to {verdict.approver}"


def policy_of(rules: list[Plain], default: str = "deny") -> Policy:
    return Policy("p", [read_rule(rule) for rule in rules], default=default)


def strength(verdict: Verdict) -> int:
    return STRENGTH[said(verdict).split()[0]]


@settings(max_examples=200)
@given(rule_lists, defaults, calls)
def test_a_policy_decides_as_the_strictest_of_all_worlds(rules: list[Plain], default: str, call: CallFacts) -> None:
    verdict = policy_of(rules, default).evaluate(call)

    assert said(verdict) == expected(rules, default, call)
    assert bool(verdict) is (verdict.effect != "deny")
    assert verdict.would_ask is (verdict.effect == "ask")


@settings(max_examples=200)
@given(rule_lists, defaults, calls)
@example(
    [
        {"tools": "a.x", "effect": "escalate to p", "when": {"n": {"present": True}}},
        {"tools": "a.x", "effect": "escalate to q", "when": {"n": {"present": True}}},
    ],
    "deny",
    CallFacts(Operation.TOOL_CALL, "a", "x"),
)
def test_without_arguments_the_answer_is_the_best_that_any_can_get(
    rules: list[Plain], default: str, call: CallFacts
) -> None:
    verdict = policy_of(rules, default).evaluate(call, arguments_known=False)

    assert STRENGTH[said(verdict).split()[0]] == STRENGTH[expected(rules, default, call, known=False).split()[0]]


@given(rule_lists, defaults, calls)
def test_a_denial_without_arguments_holds_for_all_of_them(rules: list[Plain], default: str, call: CallFacts) -> None:
    policy = policy_of(rules, default)

    assert strength(policy.evaluate(call)) >= strength(policy.evaluate(call, arguments_known=False))


@given(rule_lists.flatmap(lambda rules: st.tuples(st.just(rules), st.permutations(rules))), defaults, calls)
def test_the_order_of_rules_decides_nothing(
    orders: tuple[list[Plain], list[Plain]], default: str, call: CallFacts
) -> None:
    first, second = (policy_of(rules, default).evaluate(call) for rules in orders)

    assert (said(first), first.reason) == (said(second), second.reason)


@given(rule_lists, rules, defaults, calls)
def test_one_more_denial_never_makes_the_answer_milder(
    rules: list[Plain], more: Plain, default: str, call: CallFacts
) -> None:
    denial = {**more, "effect": "deny"}

    assert strength(policy_of([*rules, denial], default).evaluate(call)) >= strength(
        policy_of(rules, default).evaluate(call)
    )


@given(rule_lists, defaults, calls)
def test_can_says_what_evaluate_decides_where_no_rule_has_conditions(
    rules: list[Plain], default: str, call: CallFacts
) -> None:
    plain = [{name: rule[name] for name in ("tools", "effect")} for rule in rules]
    policy = policy_of(plain, default)

    probe = policy.can(call.server, call.target, subject=call.subject)

    assert probe == policy.evaluate(call)
    assert probe == policy.can(call.server, call.target, subject=call.subject)


@given(st.lists(rule_lists, min_size=1, max_size=3), calls)
def test_policies_together_decide_as_one_with_all_rules(lists: list[list[Plain]], call: CallFacts) -> None:
    together = PolicySet(Policy(f"p{at}", [read_rule(rule) for rule in rules]) for at, rules in enumerate(lists))

    assert said(together.evaluate(call)) == said(policy_of([rule for rules in lists for rule in rules]).evaluate(call))


@given(rule_lists, calls)
def test_what_is_only_tried_changes_nothing_and_is_told(rules: list[Plain], call: CallFacts) -> None:
    tried = {"tools": "*.*", "effect": "deny", "shadow": True}

    verdict = policy_of([*rules, tried]).evaluate(call)

    without = policy_of(rules).evaluate(call)
    assert said(verdict) == said(without)
    assert (verdict.shadowed is not None) is (without.effect != "deny")
    if verdict.shadowed is not None:
        assert verdict.shadowed.effect == "deny"


@given(rule_lists, calls)
def test_a_policy_that_is_only_tried_lets_everything_run(rules: list[Plain], call: CallFacts) -> None:
    verdict = Policy("p", [read_rule(rule) for rule in rules], shadow=True).evaluate(call)

    assert (verdict.effect, verdict.reason) == ("allow", "only_tried")
    assert said(verdict if verdict.shadowed is None else verdict.shadowed) == expected(rules, "deny", call)


def test_of_several_rules_that_say_the_same_the_first_is_named() -> None:
    policy = Policy("p", [deny("a.*", name="first"), deny("a.x", name="second"), deny("b.*")])

    verdict = policy.evaluate(CallFacts(Operation.TOOL_CALL, "a", "x"))

    assert verdict.rule is not None
    assert verdict.rule.name == "first"
    assert [ref.name for ref in verdict.matched] == ["first", "second"]
