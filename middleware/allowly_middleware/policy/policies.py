"""Policies, and the one function that decides with them: for lists, for calls and for whoever asks beforehand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any, Final, NamedTuple, cast

from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.patterns import PatternIndex
from allowly_middleware.pipeline.segments import Segment
from allowly_middleware.pipeline.subjects import Subject
from allowly_middleware.policy.deciding import NOBODYS, NOT_GOVERNED, Default, Judged, decide
from allowly_middleware.policy.diagnostics import RuleFault
from allowly_middleware.policy.reading import read_effect
from allowly_middleware.policy.rules import ASKABLE, MAX_RULES, Rule, RuleRef
from allowly_middleware.policy.verdicts import CANNOT_ASK, MALFORMED_REQUEST, ONLY_TRIED, Reason, Verdict

_SUBSCRIBE: Final = "resources/subscribe"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True)
class Policy:
    """Rules under a name.

    Attributes:
        name: For records and messages; never blank.
        rules: The rules. Their order means nothing for what is decided.
        default: What is done with a tool, a resource or a prompt that no rule is met for: `deny`, `confirm` or
            `escalate to NAME`. `None` leaves that to the other policies, and where none of them says it, the answer
            is a denial. What is to be allowed is named by a rule.
        groups: The policy is for subjects in one of these groups; empty for everybody.
        shadow: Whether the policy is only tried.
        trust_annotations: The servers, with `*` for any characters, whose word is taken for the annotations of
            their tools, so that rules may allow calls for their sake.

    Raises:
        ValueError: The name is blank, there are more than `MAX_RULES`, or the default is none.
    """

    name: str
    rules: Sequence[Rule] = ()
    _: KW_ONLY
    default: str | None = "deny"
    groups: Collection[str] = frozenset()
    shadow: bool = False
    trust_annotations: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the fields, and take copies of those that somebody else could change."""
        if isinstance(self.groups, str) or isinstance(self.trust_annotations, str):
            raise TypeError("groups and trust_annotations hold names, and one text is not several")
        object.__setattr__(self, "rules", tuple(self.rules))
        object.__setattr__(self, "groups", frozenset(self.groups))
        object.__setattr__(self, "trust_annotations", tuple(self.trust_annotations))
        if not self.name.strip():
            raise ValueError("a policy has a name")
        if len(self.rules) > MAX_RULES:
            raise ValueError(f"a policy has at most {MAX_RULES} rules, not {len(self.rules)}")
        _ = self.fallback

    @cached_property
    def fallback(self) -> Default | None:
        """The default, as the decision sees it."""
        if self.default is None:
            return None
        effect, approver = read_effect(self.default, ("default",))
        if effect == "allow":
            hint = 'allow everything by a rule for "*.*"'
            raise RuleFault("POLICY_INVALID_EFFECT", ("default",), "must not be allow", hint)
        reason: Reason = "denied_by_default"
        if effect == "ask":
            reason = "confirm_by_default" if approver is None else "escalate_by_default"
        return Default(effect, approver, reason)

    def trusts(self, server: str) -> bool:
        """Tell whether the policy takes a server's word for the annotations of its tools."""
        return any(segment.matches(server) for segment in self._trusted)

    @cached_property
    def _trusted(self) -> tuple[Segment, ...]:
        return tuple(map(Segment.plain, self.trust_annotations))

    def applies_to(self, subject: Subject) -> bool:
        """Tell whether the policy is for a subject."""
        return not self.groups or not subject.groups.isdisjoint(self.groups)

    def evaluate(self, facts: CallFacts, *, arguments_known: bool = True) -> Verdict:
        """Decide a request by this policy alone, as `PolicySet.evaluate` does."""
        return self._alone.evaluate(facts, arguments_known=arguments_known)

    def can(
        self, server: str, target: str | None, operation: Operation = Operation.TOOL_CALL, *, subject: Subject
    ) -> Verdict:
        """Say what this policy alone would decide, as `PolicySet.can` does."""
        return self._alone.can(server, target, operation, subject=subject)

    @property
    def reads_annotations(self) -> bool:
        """Whether a rule looks at the annotations of tools."""
        return self._alone.reads_annotations

    @cached_property
    def _alone(self) -> PolicySet:
        return PolicySet([self])


class Entry(NamedTuple):
    """A rule in a set of policies."""

    at: int
    policy: Policy
    rule: Rule
    ref: RuleRef


class PolicySet:
    """Policies that decide together.

    All rules of all policies that are for the subject count alike, and the strictest wins. A set without policies
    denies everything that needs permission.

    Args:
        policies: The policies.

    Attributes:
        policies: The policies.
        reads_annotations: Whether a rule looks at the annotations of tools.

    Raises:
        ValueError: Two policies have one name.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.policies = tuple(policies)
        names = [policy.name for policy in self.policies]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two policies are called {twice!r}")
        self.reads_annotations = any(rule.annotations for policy in self.policies for rule in policy.rules)
        self._in_force = tuple(policy for policy in self.policies if not policy.shadow)
        self._only_tried = bool(self.policies) and not self._in_force
        self._tries = self._in_force != self.policies or any(
            rule.shadow for policy in self.policies for rule in policy.rules
        )
        entries = [
            Entry(at, policy, rule, RuleRef(policy.name, rule.name, rule.line, rule.says))
            for at, (policy, rule) in enumerate((policy, rule) for policy in self.policies for rule in policy.rules)
        ]
        self._index = {
            operation: PatternIndex(
                (pattern, entry) for entry in entries for its, pattern in entry.rule.targets if its is operation
            )
            for operation in {its for entry in entries for its, _ in entry.rule.targets}
        }

    def evaluate(self, facts: CallFacts, *, arguments_known: bool = True) -> Verdict:
        """Decide a request. There are no side effects, and the same request gets the same answer.

        Lists are allowed unless a rule for the list itself denies them; what they hold is decided item by item,
        with the operation that uses the item and `arguments_known=False`.

        Args:
            facts: The request.
            arguments_known: Whether the arguments are final. Where they are not, the answer is the best that any
                arguments can get, so a denial holds for all of them.
        """
        operations, arguments_known, askable = _governing(facts, arguments_known=arguments_known)
        needs_permission = operations[0] in ASKABLE
        # The annotation of a target is not enforced by anybody: a request comes from outside.
        if needs_permission and not isinstance(facts.target, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            return MALFORMED_REQUEST
        found = self._fitting(facts, operations)
        verdict = self._decide(facts, found, arguments_known=arguments_known, trying=False, governed=needs_permission)
        verdict = verdict if askable or verdict.effect != "ask" else replace(CANNOT_ASK, rule=verdict.rule)
        if not self._tries:
            return verdict
        tried = self._decide(facts, found, arguments_known=arguments_known, trying=True, governed=needs_permission)
        tried = tried if askable or tried.effect != "ask" else replace(CANNOT_ASK, rule=tried.rule)
        same = (tried.effect, tried.approver) == (verdict.effect, verdict.approver)
        return verdict if same else replace(verdict, shadowed=tried)

    def can(
        self, server: str, target: str | None, operation: Operation = Operation.TOOL_CALL, *, subject: Subject
    ) -> Verdict:
        """Say what would be decided about a request of a subject whose arguments are not known.

        Nothing is counted, nobody is asked. Annotations are not known either, and rules for their sake see what
        the MCP specification has clients assume; `evaluate` takes them.

        Args:
            server: The server's name.
            target: The tool's name, the resource's URI or the prompt's name; `None` for lists.
            operation: What would be asked for.
            subject: Who would ask.
        """
        return self.evaluate(CallFacts(operation, server, target, subject=subject), arguments_known=False)

    def fitting(self, facts: CallFacts) -> Sequence[tuple[Entry, Judged]]:
        """Return the rules for the request's operation and name, of all policies, with how they stand to it."""
        operations, arguments_known, _ = _governing(facts, arguments_known=facts.arguments is not None)
        found = self._fitting(facts, operations)
        return [(entry, _judge(entry, facts, arguments_known=arguments_known)) for entry in found]

    def _fitting(self, facts: CallFacts, operations: Iterable[Operation]) -> Collection[Entry]:
        found: dict[int, Entry] = {}
        for operation in operations:
            index = self._index.get(operation)
            if index is not None:
                found |= {entry.at: entry for entry in index.find(facts.server, facts.target or "")}
        return [found[at] for at in sorted(found)]

    def _decide(
        self, facts: CallFacts, found: Iterable[Entry], *, arguments_known: bool, trying: bool, governed: bool
    ) -> Verdict:
        if self._only_tried and not trying:
            return ONLY_TRIED
        judged = [
            _judge(entry, facts, arguments_known=arguments_known)
            for entry in found
            if (trying or not (entry.policy.shadow or entry.rule.shadow)) and entry.policy.applies_to(facts.subject)
        ]
        return decide(judged, self._defaults(facts.subject, trying=trying) if governed else (NOT_GOVERNED,))

    def _defaults(self, subject: Subject, *, trying: bool) -> Sequence[Default]:
        policies = self.policies if trying else self._in_force
        ours = [policy for policy in policies if policy.applies_to(subject)]
        if not ours:
            return (NOBODYS,)
        return [policy.fallback for policy in ours if policy.fallback is not None] or [Default()]


def _judge(entry: Entry, facts: CallFacts, *, arguments_known: bool) -> Judged:
    trusted = bool(entry.rule.annotations) and entry.policy.trusts(facts.server)
    standing = entry.rule.standing(facts, trusted=trusted, arguments_known=arguments_known)
    return Judged(entry.at, entry.rule, entry.ref, standing)


def _governing(facts: CallFacts, *, arguments_known: bool) -> tuple[tuple[Operation, ...], bool, bool]:
    """Return the operations whose rules are for a request, whether its arguments count, and whether to ask is possible.

    A completion is decided by the rules of the prompt or the resource that it completes, and a subscription by those
    of the resource: what is hidden must not be told of in another way.
    """
    if facts.operation is Operation.COMPLETE:
        used = Operation.RESOURCE_READ if _completes_resource(facts) else Operation.PROMPT_GET
        return (used, Operation.COMPLETE), False, False
    if facts.operation is Operation.OTHER and facts.method == _SUBSCRIBE:
        return (Operation.RESOURCE_READ, Operation.OTHER), arguments_known, False
    return (facts.operation,), arguments_known, facts.operation in ASKABLE


def _completes_resource(facts: CallFacts) -> bool:
    reference = (facts.arguments or {}).get("ref")
    kind: object = cast("Mapping[str, Any]", reference).get("type") if isinstance(reference, Mapping) else None
    if isinstance(kind, str) and kind in {"ref/resource", "ref/prompt"}:
        return kind == "ref/resource"
    return facts.target is not None and _SCHEME.match(facts.target) is not None
