"""What policies say: defaults, groups, approvers, annotations, operations, and what callers are told."""

import pytest

from allowly_middleware.pipeline import ANONYMOUS, CallFacts, Operation, Subject
from allowly_middleware.policy import Policy, PolicySet, RuleFault, allow, confirm, deny, escalate, limited
from allowly_middleware.policy.rules import Standing
from allowly_middleware.policy.verdicts import MESSAGES

ADA = Subject("ada", frozenset({"support"}), {"plan": "free"}, tenant="acme")
BOB = Subject("bob", frozenset({"admin"}), {"plan": "pro"})


def call(name: str = "mail.send", subject: Subject = ADA, **facts) -> CallFacts:
    server, _, target = name.partition(".")
    return CallFacts(Operation.TOOL_CALL, server, target, subject=subject, **facts)


@pytest.mark.parametrize("operation", ["tool:call", "resource:read", "prompt:get", "completion:complete"])
def test_what_no_rule_is_for_is_denied(operation: str) -> None:
    verdict = Policy("p").evaluate(CallFacts(Operation(operation), "mail", "send"))

    assert (verdict.effect, verdict.reason, verdict.rule) == ("deny", "denied_by_default", None)
    assert not verdict


@pytest.mark.parametrize("operation", ["tools:list", "resources:list", "prompts:list", "session:start", "other"])
def test_lists_and_what_has_no_target_need_no_permission(operation: str) -> None:
    verdict = Policy("p").evaluate(CallFacts(Operation(operation), "mail"))

    assert (verdict.effect, verdict.reason) == ("allow", "not_governed")


def test_a_set_without_policies_denies() -> None:
    assert PolicySet([]).evaluate(call()).reason == "no_policy_applies"


@pytest.mark.parametrize("target", [None, 7])
def test_a_call_without_a_name_is_denied_even_where_everything_is_allowed(target) -> None:
    verdict = Policy("p", [allow("*.*")]).evaluate(CallFacts(Operation.TOOL_CALL, "mail", target))

    assert (verdict.effect, verdict.reason) == ("deny", "malformed_request")


@pytest.mark.parametrize(
    ("default", "effect", "approver"),
    [("deny", "deny", None), ("confirm", "ask", None), ("escalate to compliance", "ask", "compliance")],
)
def test_the_default_is_stated_once(default: str, effect: str, approver: str | None) -> None:
    verdict = Policy("p", [allow("mail.read")], default=default).evaluate(call())

    assert (verdict.effect, verdict.approver) == (effect, approver)
    assert verdict.reason.endswith("_by_default")
    assert Policy("p", [allow("mail.read")], default=default).evaluate(call("mail.read")).effect == "allow"


@pytest.mark.parametrize("default", ["allow", "ask", "", "escalate", "escalate to", 7])
def test_no_other_default_is_taken(default) -> None:
    with pytest.raises(RuleFault):
        Policy("p", default=default)


def test_a_rule_gives_its_reason_to_the_caller() -> None:
    policy = Policy("p", [deny("mail.purge", reason="Mailboxes are purged by the operators.")])

    assert policy.evaluate(call("mail.purge")).message == "Mailboxes are purged by the operators."
    assert policy.evaluate(call("mail.send")).message == MESSAGES["denied_by_default"]


def test_nothing_of_the_request_stands_in_what_callers_are_told() -> None:
    policy = Policy("p", [deny("mail.s3cret")])

    verdict = policy.evaluate(call("mail.s3cret", arguments={"token": "s3cret"}))

    assert "s3cret" not in verdict.message


def test_an_exact_allow_does_not_beat_a_wildcard_denial() -> None:
    assert not Policy("p", [allow("mail.send"), deny("mail.*")]).evaluate(call())


def test_somebody_else_is_asked_rather_than_the_user() -> None:
    verdict = Policy("p", [confirm("mail.*"), escalate("mail.send", to="compliance"), allow("*.*")]).evaluate(call())

    assert (verdict.effect, verdict.approver, verdict.reason) == ("ask", "compliance", "escalate_by_rule")
    assert [ref.says for ref in verdict.matched] == ["escalate to compliance", "confirm", "allow"]


def test_two_approvers_for_one_call_are_a_denial_that_names_neither() -> None:
    policy = Policy("p", [escalate("mail.*", to="ops", reason="x"), escalate("mail.send", to="legal")])

    verdict = policy.evaluate(call())

    assert (verdict.effect, verdict.reason) == ("deny", "approvers_conflict")
    assert verdict.message == MESSAGES["approvers_conflict"]
    assert len(verdict.matched) == 2


def test_the_default_takes_part_in_a_conflict_where_a_rule_cannot_be_told() -> None:
    policy = Policy("p", [escalate("mail.*", to="ops", when={"n": {"greater_than": 1}})], default="escalate to legal")

    assert policy.evaluate(call(arguments={"n": "5"})).reason == "approvers_conflict"
    assert policy.evaluate(call(arguments={"n": 5})).approver == "ops"
    assert policy.evaluate(call(arguments={"n": 0})).approver == "legal"


def test_a_policy_for_a_group_is_for_nobody_else() -> None:
    policies = PolicySet([Policy("admins", [allow("mail.*")], groups={"admin"})])

    assert policies.evaluate(call(subject=BOB))
    assert policies.evaluate(call(subject=ADA)).reason == "no_policy_applies"
    assert policies.evaluate(call(subject=ANONYMOUS)).reason == "no_policy_applies"


def test_a_denial_in_one_group_is_not_overridden_by_another_group() -> None:
    both = Subject("cy", frozenset({"support", "admin"}))
    policies = PolicySet(
        [
            Policy("base", default="deny"),
            Policy("admins", [allow("mail.*")], groups={"admin"}, default=None),
            Policy("support", [deny("mail.purge")], groups={"support"}, default=None),
        ]
    )

    assert policies.evaluate(call("mail.purge", subject=BOB))
    assert not policies.evaluate(call("mail.purge", subject=both))
    assert policies.evaluate(call("mail.send", subject=both))


def test_policies_without_a_default_deny() -> None:
    assert Policy("p", default=None).evaluate(call()).reason == "denied_by_default"


def test_the_strictest_default_counts() -> None:
    policies = PolicySet([Policy("a", default="confirm"), Policy("b", default="deny"), Policy("c", default=None)])

    assert policies.evaluate(call()).effect == "deny"


def test_two_policies_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two policies are called 'p'"):
        PolicySet([Policy("p"), Policy("p")])


@pytest.mark.parametrize("field", ["groups", "trust_annotations"])
def test_one_text_is_not_taken_for_the_names_of_its_letters(field: str) -> None:
    with pytest.raises(TypeError, match="one text is not several"):
        Policy("p", **{field: "admin"})


def test_without_a_group_nobody_in_particular_is_refused() -> None:
    """The guard that compares with `false` lets an unknown subject through; a rule cannot be written so."""
    policy = Policy("p", [allow("github.*"), deny("github.*", unless_subject={"groups": ["support"]})])

    assert policy.evaluate(call("github.read", subject=ADA))
    assert not policy.evaluate(call("github.read", subject=BOB))
    assert not policy.evaluate(call("github.read", subject=ANONYMOUS))


@pytest.mark.parametrize(
    ("subject", "effect"),
    [(BOB, "allow"), (ADA, "deny"), (ANONYMOUS, "deny"), (Subject("eve", metadata={"plan": ["pro"]}), "deny")],
)
def test_a_plan_opens_a_tool_for_those_who_are_known_to_have_it(subject: Subject, effect: str) -> None:
    policy = Policy("p", [allow("analytics.export", subject={"metadata": {"plan": ["pro", "team"]}})])

    assert policy.evaluate(call("analytics.export", subject=subject)).effect == effect


@pytest.mark.parametrize(
    ("audience", "fits"),
    [
        ({"ids": ["a*"]}, True),
        ({"ids": "bob"}, False),
        ({"tenants": "acme"}, True),
        ({"tenants": ["other"]}, False),
        ({"authenticated": True}, True),
        ({"authenticated": False}, False),
        ({"ids": "ada", "groups": "admin"}, False),
    ],
)
def test_a_rule_is_for_the_subjects_that_all_of_its_description_fits(audience: dict, fits: bool) -> None:
    assert bool(Policy("p", [allow("*.*", subject=audience)]).evaluate(call(subject=ADA))) is fits


def test_a_rule_for_those_who_are_not_authenticated_is_for_nobody_in_particular() -> None:
    policy = Policy("p", [allow("*.*"), deny(operations="session:start", subject={"authenticated": False})])
    start = CallFacts(Operation.SESSION_START, "mail")

    assert not policy.evaluate(start)
    assert policy.evaluate(CallFacts(Operation.SESSION_START, "mail", subject=ADA))


def test_annotations_make_a_call_stricter_on_the_server_word_alone() -> None:
    policy = Policy("p", [allow("mail.*"), confirm("mail.*", annotations={"destructiveHint": True})])

    assert policy.evaluate(call(annotations={"readOnlyHint": True})).effect == "allow"
    assert policy.evaluate(call(annotations={"destructiveHint": False})).effect == "allow"
    assert policy.evaluate(call(annotations={})).effect == "ask"
    assert policy.evaluate(call(annotations={"destructiveHint": "no"})).effect == "ask"
    assert policy.evaluate(call(annotations={"readOnlyHint": True, "destructiveHint": True})).effect == "ask"


def test_annotations_never_make_a_rule_weaker_that_names_the_tool() -> None:
    rules = [confirm("mail.send"), allow("mail.*", annotations={"readOnlyHint": True})]
    claimed = call(annotations={"readOnlyHint": True})

    assert Policy("p", rules).evaluate(claimed).effect == "ask"
    assert Policy("p", rules, trust_annotations=["*"]).evaluate(claimed).effect == "ask"


def test_annotations_open_what_is_denied_by_default_only_where_the_server_is_trusted() -> None:
    rules = [allow("*.*", annotations={"readOnlyHint": True})]
    claimed = call("mail.read", annotations={"readOnlyHint": True})

    assert not Policy("p", rules).evaluate(claimed)
    assert not Policy("p", rules, trust_annotations=["git*"]).evaluate(claimed)
    assert Policy("p", rules, trust_annotations=["mai*"]).evaluate(claimed)
    assert not Policy("p", rules, trust_annotations=["mail"]).evaluate(call("mail.read"))


def test_a_resource_and_a_prompt_are_named_as_tools_are() -> None:
    policy = Policy("p", [allow(resources="docs.file:///public/*"), confirm(prompts=["docs.review", "docs.plan"])])

    def effect(operation: Operation, target: str) -> str:
        return policy.evaluate(CallFacts(operation, "docs", target)).effect

    assert effect(Operation.RESOURCE_READ, "file:///public/a.txt") == "allow"
    assert effect(Operation.RESOURCE_READ, "file:///private/a.txt") == "deny"
    assert effect(Operation.PROMPT_GET, "plan") == "ask"
    assert effect(Operation.TOOL_CALL, "review") == "deny"


@pytest.mark.parametrize(
    ("target", "arguments", "effect"),
    [
        ("review", {}, "allow"),
        ("plan", {}, "deny"),
        ("file:///public/{name}", {}, "allow"),
        ("file:///private/{name}", {}, "deny"),
        ("review", {"ref": {"type": "ref/resource", "uri": "review"}}, "deny"),
        ("file:///public/x", {"ref": {"type": "ref/prompt"}}, "deny"),
        ("review", {"ref": {"type": ["ref/prompt"]}}, "allow"),
        ("asked", {}, "deny"),
    ],
)
def test_a_completion_follows_what_it_completes_and_never_asks(target: str, arguments: dict, effect: str) -> None:
    policy = Policy("p", [allow(prompts="docs.review", resources="docs.file:///public/*"), confirm(prompts="*.asked")])

    assert policy.evaluate(CallFacts(Operation.COMPLETE, "docs", target, arguments)).effect == effect


def test_a_completion_can_be_denied_by_its_own_operation() -> None:
    policy = Policy("p", [allow(prompts="docs.*"), deny(operations="completion:complete", servers="docs")])

    assert not policy.evaluate(CallFacts(Operation.COMPLETE, "docs", "review"))
    assert policy.evaluate(CallFacts(Operation.PROMPT_GET, "docs", "review"))


def test_nobody_hears_of_a_resource_that_they_cannot_read() -> None:
    policy = Policy("p", [allow(resources="docs.open"), confirm(resources="docs.asked")])

    def subscribed(target: str) -> str:
        return policy.evaluate(CallFacts(Operation.OTHER, "docs", target, method="resources/subscribe")).reason

    assert subscribed("open") == "allowed_by_rule"
    assert subscribed("asked") == "cannot_ask"
    assert subscribed("hidden") == "denied_by_default"
    assert policy.evaluate(CallFacts(Operation.OTHER, "docs", method="ping")).effect == "allow"


def test_what_is_hidden_from_a_list_is_denied_when_called() -> None:
    """One function answers both: the list asks it without arguments, the call with them."""
    policy = Policy("p", [allow("mail.read"), deny("mail.send", when={"to": {"matches": "*@evil.example"}})])

    listed = [name for name in ("read", "send", "purge") if policy.can("mail", name, subject=ADA)]

    assert listed == ["read"]
    assert not policy.evaluate(call("mail.send", arguments={"to": "ada@example.com"}))


def test_a_tool_that_some_arguments_open_is_listed() -> None:
    policy = Policy("p", [allow("mail.send", when={"to": {"matches": "*@example.com"}})])

    probe = policy.can("mail", "send", subject=ADA)

    assert probe
    assert [ref.says for ref in probe.depends] == ["allow"]
    assert not policy.evaluate(call(arguments={"to": "eve@evil.example"}))


def test_asking_beforehand_counts_nothing_and_says_the_same_again() -> None:
    policy = Policy("p", [confirm("mail.*", limit="1 per hour")])

    first, second = (policy.can("mail", "send", subject=ADA) for _ in range(2))

    assert first == second
    assert first.would_ask


def test_limits_of_all_rules_that_count_come_with_the_verdict() -> None:
    policy = Policy(
        "p",
        [
            limited("*.*", limit="100 per hour for everyone"),
            allow("mail.*", limit="30 per minute"),
            confirm("mail.send", when={"urgent": True}, limit="3 per day"),
            allow("docs.*", limit="1 per second"),
        ],
    )

    names = [limit.name for limit in policy.evaluate(call(arguments={"urgent": False})).limits]

    assert names == ["100 per hour for everyone of tools *.*", "30 per minute of tools mail.*"]
    assert len(policy.evaluate(call(arguments={"urgent": True})).limits) == 3


def test_a_limit_alone_allows_nothing() -> None:
    verdict = Policy("p", [limited("*.*", limit="100 per hour")]).evaluate(call())

    assert (verdict.effect, verdict.reason, verdict.limits) == ("deny", "denied_by_default", ())


def test_what_a_policy_was_made_of_can_change_without_changing_it() -> None:
    rules, groups = [allow("*.*")], {"support"}
    policy = Policy("p", rules, groups=groups)

    rules.clear()
    groups.add("admin")

    assert policy.evaluate(call())
    assert not policy.evaluate(call(subject=BOB))


def test_all_rules_for_a_name_can_be_looked_at() -> None:
    policies = PolicySet([Policy("p", [allow("mail.*", when={"n": 1}), deny("docs.*"), deny("mail.*", shadow=True)])])

    found = policies.fitting(call(arguments={"n": 2}))

    assert [(entry.rule.says, judged.standing) for entry, judged in found] == [
        ("allow", Standing.NOT_MET),
        ("deny", Standing.MET),
    ]
