"""One rule of a policy: what it is for, under which conditions it applies, and what it says then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal

from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.patterns import Pattern
from allowly_middleware.pipeline.segments import Segment
from allowly_middleware.pipeline.subjects import Subject
from allowly_middleware.policy.conditions import Condition, all_hold

if TYPE_CHECKING:
    from allowly_middleware.limits.limits import RateLimit

Effect = Literal["allow", "ask", "deny"]
"""What is to be done with a request; `ask`: the user, or the approver that the rule names."""

ASKABLE: Final = frozenset({Operation.TOOL_CALL, Operation.RESOURCE_READ, Operation.PROMPT_GET})
"""The operations that somebody can be asked about, and that are refused where no rule is for them."""

ASSUMED: Final[Mapping[str, bool]] = {
    "readOnlyHint": False,
    "destructiveHint": True,
    "idempotentHint": False,
    "openWorldHint": True,
}
"""The annotations of tools, with what the MCP specification has clients assume where one is missing."""

MAX_RULES: Final = 10_000
"""Most rules of a policy."""


class Standing(Enum):
    """How a rule stands to a request."""

    MET = "met"
    NOT_MET = "not met"
    DOUBTFUL = "cannot be told"
    """The rule counts where that makes the answer stricter."""
    OPEN = "depends on the arguments"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """A description of subjects. All that is given must fit.

    Attributes:
        ids: The id fits one of these. Nobody in particular has no id.
        groups: The subject is in one of these.
        tenants: It belongs to one of these.
        authenticated: Whether it is authenticated; `None` for either.
        metadata: Conditions on its metadata.
    """

    ids: tuple[Segment, ...] = ()
    groups: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    authenticated: bool | None = None
    metadata: tuple[Condition, ...] = ()

    def includes(self, subject: Subject) -> bool | None:
        """Tell whether a subject fits; `None` where it cannot be told."""
        ours = subject.id
        if self.ids and (ours is None or not any(segment.matches(ours) for segment in self.ids)):
            return False
        if self.groups and self.groups.isdisjoint(subject.groups):
            return False
        if self.tenants and subject.tenant not in self.tenants:
            return False
        if self.authenticated not in {None, subject.authenticated}:
            return False
        return all_hold(self.metadata, subject.metadata)


@dataclass(frozen=True, slots=True)
class RuleRef:
    """Names a rule to people: in records, explanations and messages of the checker.

    Attributes:
        policy: The name of its policy.
        name: Its own name, or what it is for.
        line: Where it stands in its file, from 1; `None` for one that was built in code.
        says: What it says: `allow`, `confirm`, `escalate to NAME`, `deny`, or a limit.
    """

    policy: str
    name: str
    line: int | None
    says: str

    def __str__(self) -> str:
        """Return all of it, in one line."""
        place = f"{self.policy} line {self.line}" if self.line is not None else self.policy
        return f"{place}: {self.name} = {self.says}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a policy says of some requests.

    Attributes:
        targets: The operations with the names that the rule is for.
        effect: What it says; `None` for a rule that only limits.
        approver: Who must say yes, of a rule that asks; `None` for the user.
        when: Conditions on the arguments, all of which must hold.
        unless: Conditions on the arguments; where all of them hold, the rule does not apply.
        subject: Whom it is for; `None` for everybody.
        unless_subject: Whom it is not for; `None` for nobody.
        annotations: What the tool's annotations must say.
        limit: How often the calls may be made that the rule is met by.
        reason: Why, for the model and for people. It is sent to the caller.
        shadow: Whether the rule is only tried: it changes nothing, and what it would change is recorded.
        name: For records and messages.
        line: Where it stands in its file, from 1.
        path: The same by the names that lead there.
    """

    targets: tuple[tuple[Operation, Pattern], ...]
    effect: Effect | None
    approver: str | None = None
    when: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    subject: Audience | None = None
    unless_subject: Audience | None = None
    annotations: tuple[tuple[str, bool], ...] = ()
    limit: RateLimit | None = None
    reason: str | None = None
    shadow: bool = False
    name: str = ""
    line: int | None = None
    path: tuple[str | int, ...] = ()

    @property
    def looks_at_arguments(self) -> bool:
        """Whether it can depend on the arguments that the rule applies."""
        return bool(self.when or self.unless)

    @property
    def is_unconditional(self) -> bool:
        """Whether it applies to every request with a fitting name, whoever makes it."""
        return not (self.looks_at_arguments or self.subject or self.unless_subject or self.annotations)

    @property
    def says(self) -> str:
        """What it says, in the words of policy files."""
        if self.effect is not None:
            return written_effect(self.effect, self.approver)
        return f"at most {self.limit.name}" if self.limit is not None else "nothing"

    def standing(self, facts: CallFacts, *, trusted: bool, arguments_known: bool = True) -> Standing:
        """Tell whether the rule is met by a request whose operation and name it is for.

        Args:
            facts: The request.
            trusted: Whether the policy takes the server's word for its annotations.
            arguments_known: Whether the arguments are final.
        """
        answers: list[bool | None] = [self._annotated(facts.annotations, trusted=trusted)]
        if self.subject is not None:
            answers.append(self.subject.includes(facts.subject))
        if self.unless_subject is not None:
            answers.append(_negated(self.unless_subject.includes(facts.subject)))
        if False in answers:
            return Standing.NOT_MET
        if self.looks_at_arguments:
            if not arguments_known:
                return Standing.OPEN
            arguments: Mapping[str, Any] = facts.arguments or {}
            answers.append(all_hold(self.when, arguments))
            answers.append(_negated(all_hold(self.unless, arguments)) if self.unless else True)
        if False in answers:
            return Standing.NOT_MET
        return Standing.DOUBTFUL if None in answers else Standing.MET

    def _annotated(self, annotations: Mapping[str, Any], *, trusted: bool) -> bool:
        """Tell whether the annotations are as the rule wants them.

        The server wrote them, and it may lie. So a rule that allows for their sake is not met unless the policy
        trusts that server, and without it the rules that name the tool decide.
        """
        if self.annotations and self.effect == "allow" and not trusted:
            return False
        return all(_annotation(annotations, name) is value for name, value in self.annotations)


def written_effect(effect: Effect, approver: str | None) -> str:
    """Return an effect in the words of policy files."""
    if effect != "ask":
        return effect
    return "confirm" if approver is None else f"escalate to {approver}"


def _annotation(annotations: Mapping[str, Any], name: str) -> bool:
    value = annotations.get(name)
    known = value if isinstance(value, bool) else ASSUMED[name]
    # The specification: whether a tool destroys means something only for one that is not read-only.
    if name == "destructiveHint" and annotations.get("readOnlyHint") is True and value is not True:
        return False
    return known


def _negated(answer: bool | None) -> bool | None:  # noqa: FBT001 - the answer itself
    return None if answer is None else not answer
