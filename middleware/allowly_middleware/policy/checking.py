"""What looks wrong with policies that can be read: contradictions, dead rules, and rules that open too much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.patterns import Pattern, PatternIndex
from allowly_middleware.policy.deciding import ESCALATE, strength_of
from allowly_middleware.policy.diagnostics import Code, Diagnostic
from allowly_middleware.policy.policies import Policy
from allowly_middleware.policy.rules import Rule

_MAX_NAMED: Final = 5
"""Most servers that one message names."""


@dataclass(frozen=True, slots=True)
class ListedTool:
    """A tool that a server lists.

    Attributes:
        server: The name by which policies call the server.
        name: The tool's name there.
    """

    server: str
    name: str


def findings(policies: Sequence[Policy]) -> Iterator[Diagnostic]:
    """Yield what looks wrong. Policies and rules that are only tried are looked at as if they were in force."""
    if not any(policy.rules for policy in policies):
        message = "the policy has no rules, and so it is its default"
        yield Diagnostic("POLICY_EMPTY", "warning", message, 'such as "github.*" = "allow"')
    coverage = _Coverage(policies)
    for policy in policies:
        for rule in policy.rules:
            yield from _broad(rule)
            yield from _untrusted(policy, rule)
            yield from coverage.of(policy, rule)


def findings_for(policies: Sequence[Policy], tools: Iterable[ListedTool]) -> Iterator[Diagnostic]:
    """Yield the patterns that fit none of the tools that there are."""
    listed = list(tools)
    servers = sorted({tool.server for tool in listed})
    for rule in (rule for policy in policies for rule in policy.rules):
        for pattern in (pattern for operation, pattern in rule.targets if operation is Operation.TOOL_CALL):
            if any(pattern.matches(tool.server, tool.name) for tool in listed):
                continue
            if any(map(pattern.server.matches, servers)):
                message = f"{pattern} fits none of the {len(listed)} tools"
                yield _warning("POLICY_MATCHES_NOTHING", rule, message, "look at its spelling, or take it away")
            else:
                named = ", ".join(servers[:_MAX_NAMED]) or "none"
                hint = f"the tools are of: {named}"
                yield _warning("POLICY_SERVER_UNKNOWN", rule, f"{pattern} names a server without tools", hint)


def _broad(rule: Rule) -> Iterator[Diagnostic]:
    every = any(
        operation is Operation.TOOL_CALL and pattern.server.is_any and pattern.name.is_any
        for operation, pattern in rule.targets
    )
    if every and rule.effect == "allow" and rule.is_unconditional:
        message = "allows every tool of every server, also those that come later"
        yield _warning("POLICY_WILDCARD_BROAD", rule, message, "name the tools, or the server")


def _untrusted(policy: Policy, rule: Rule) -> Iterator[Diagnostic]:
    if rule.effect != "allow" or not rule.annotations:
        return
    servers = [pattern.server for _, pattern in rule.targets]
    if any(server.literal is None or policy.trusts(server.literal) for server in servers) and policy.trust_annotations:
        return
    message = "allows for the sake of annotations, which the server writes itself, so it is never met"
    hint = "name the tools, or add the server to trust_annotations"
    yield _warning("POLICY_ANNOTATIONS_NOT_TRUSTED", rule, message, hint)


class _Coverage:
    """Finds rules that never decide, because a stricter one fits all that they fit."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        ruling = [
            (policy, rule)
            for policy in policies
            for rule in policy.rules
            if rule.effect not in {None, "allow"} and rule.is_unconditional and not (policy.shadow or rule.shadow)
        ]
        texts = [
            piece
            for policy in policies
            for rule in policy.rules
            for _, pattern in rule.targets
            for piece in (*pattern.server.pieces, *pattern.name.pieces)
        ]
        taken = set("".join(texts))
        # It stands for the star of a pattern in a look-up: only the star of another one can take it.
        self._star = next(chr(code) for code in range(0x110000) if chr(code) not in taken)
        self._index = {
            operation: PatternIndex(
                (pattern, (policy, rule))
                for policy, rule in ruling
                for theirs, pattern in rule.targets
                if theirs is operation
            )
            for operation in Operation
        }

    def of(self, policy: Policy, rule: Rule) -> Iterator[Diagnostic]:
        """Yield what is found of one rule."""
        if rule.effect is None or policy.shadow or rule.shadow:
            return
        ours = strength_of(rule.effect, rule.approver)
        above = [list(self._covering(policy, rule, *target)) for target in rule.targets]
        stricter = [[one for one in found if strength_of(one.effect, one.approver) > ours] for found in above]
        if all(stricter):
            other = stricter[0][0]
            message = f"never decides: {other.name} = {other.says} on line {other.line} is stricter and fits all of it"
            yield _warning("POLICY_UNREACHABLE", rule, message, "take one of them away, or narrow the other")
            return
        if ours != ESCALATE:
            return
        others = [
            one for found in above for one in found if one.effect == "ask" and one.approver not in {None, rule.approver}
        ]
        if others:
            message = (
                f"names {rule.approver} as approver, and line {others[0].line} names {others[0].approver} for the same"
            )
            hint = "one call is put to one approver, so these calls would be denied; leave one of them"
            yield Diagnostic("POLICY_APPROVERS_CONFLICT", "error", message, hint, rule.line, rule.path)

    def _covering(self, policy: Policy, rule: Rule, operation: Operation, pattern: Pattern) -> Iterator[Rule]:
        """Yield the other rules that apply to everything and everybody that this target of a rule applies to."""
        server, name = (self._star.join(half.pieces) for half in (pattern.server, pattern.name))
        for theirs, other in self._index[operation].find(server, name):
            for_all_of_ours = not theirs.groups or (policy.groups and set(policy.groups) <= set(theirs.groups))
            if other is not rule and for_all_of_ours:
                yield other


def _warning(code: Code, rule: Rule, message: str, hint: str) -> Diagnostic:
    return Diagnostic(code, "warning", message, hint, rule.line, rule.path)
