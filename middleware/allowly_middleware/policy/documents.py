"""Policies from TOML: all that is wrong is told at once, each with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from allowly_middleware.policy.checking import ListedTool, findings, findings_for
from allowly_middleware.policy.diagnostics import Diagnostic, Place, PolicyFileError, RuleFault, in_order
from allowly_middleware.policy.policies import Policy, PolicySet
from allowly_middleware.policy.positions import lines_of
from allowly_middleware.policy.reading import KINDS, read_entry, read_rule
from allowly_middleware.policy.rules import MAX_RULES, Rule
from allowly_middleware.policy.values import flag_at, items_at, table_at, text_at, texts_at

MAX_POLICY_BYTES: Final = 1024 * 1024
"""Largest policy file, in bytes: ten thousand rules of a hundred characters."""

_SECTION: Final = ("shadow", *KINDS, "rules")
_DOCUMENT: Final = ("name", "default", "trust_annotations", *_SECTION, "groups")
_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class ParsedPolicy:
    """What was read.

    Attributes:
        policies: The policies: one for everybody, and one for each group that the document names. `None` where there
            is an error.
        diagnostics: All that was found, in the order of the lines.
    """

    policies: PolicySet | None
    diagnostics: tuple[Diagnostic, ...]

    def or_raise(self, name: str) -> PolicySet:
        """Return the policies.

        Raises:
            PolicyFileError: There is an error.
        """
        if self.policies is None:
            raise PolicyFileError(name, self.diagnostics)
        return self.policies


def parse_policy(content: bytes | str, *, name: str = "policy") -> ParsedPolicy:
    """Read a policy document. Nothing is raised, whatever it holds.

    Args:
        content: The document, in UTF-8.
        name: What the policy is called where it does not say it itself.
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        return _broken("is not text in UTF-8", error.object.count(b"\n", 0, error.start) + 1)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _broken(*_toml_fault(str(error), text))
    except RecursionError:
        return _broken("is nested too deep", None)
    reader = _Reader(lines_of(text.replace("\r\n", "\n")))
    policies = reader.policies(document, name)
    found = in_order([*reader.faults, *(() if reader.faults else findings(policies))])
    usable = not any(one.severity == "error" for one in found)
    return ParsedPolicy(PolicySet(policies) if usable else None, found)


def validate(
    content: bytes | str, *, name: str = "policy", tools: Iterable[ListedTool] | None = None
) -> tuple[Diagnostic, ...]:
    """Return all that is or looks wrong with a policy document, in the order of its lines.

    Args:
        content: The document, in UTF-8.
        name: What the policy is called where it does not say it itself.
        tools: The tools that there are; `None` where that is not known.
    """
    parsed = parse_policy(content, name=name)
    if parsed.policies is None or tools is None:
        return parsed.diagnostics
    return in_order([*parsed.diagnostics, *findings_for(parsed.policies.policies, tools)])


def _broken(problem: str, line: int | None) -> ParsedPolicy:
    return ParsedPolicy(None, (Diagnostic("POLICY_INVALID_TOML", "error", problem, line=line),))


def _toml_fault(message: str, text: str) -> tuple[str, int]:
    found = _TOML_PLACE.search(message)
    problem = f"is not TOML: {_TOML_PLACE.sub('', message)}"
    return problem, int(found[1]) if found and found[1] else text.count("\n") + 1


class _Reader:
    """Reads a document, and goes on after a fault, so that one run tells of all of them."""

    def __init__(self, lines: Mapping[Place, int]) -> None:
        self._lines = lines
        self.faults: list[Diagnostic] = []

    def policies(self, document: Mapping[str, Any], name: str) -> Sequence[Policy]:
        """Return the policies of a document, without what has a fault."""
        self._refuse_others(document, (), _DOCUMENT)
        default, trusted = "deny", tuple[str, ...]()
        with self._noting():
            name = text_at(document.get("name", name), ("name",))
        with self._noting():
            default = _default(document.get("default", default))
        with self._noting():
            trusted = _trusted(document.get("trust_annotations", False))
        shadow = self._shadow(document, ())
        rules = tuple(self._rules(document, ()))
        everybody = Policy(name, rules, default=default, shadow=shadow, trust_annotations=trusted)
        groups = self._table(document, "groups", ())
        found = [everybody, *(self._group(everybody, group, groups) for group in groups)]
        self._refuse_twins(found)
        return found

    def _group(self, everybody: Policy, group: str, groups: Mapping[str, Any]) -> Policy:
        path = ("groups", group)
        with self._noting():
            text_at(group, path)
        table = self._table(groups, group, ("groups",))
        self._refuse_others(table, path, _SECTION)
        return Policy(
            f"{everybody.name}, group {group}",
            tuple(self._rules(table, path)),
            default=None,
            groups={group},
            # What is only tried for everybody is only tried for each group of them.
            shadow=self._shadow(table, path) or everybody.shadow,
            trust_annotations=everybody.trust_annotations,
        )

    def _rules(self, table: Mapping[str, Any], path: Place) -> Iterator[Rule]:
        for kind in KINDS:
            for pattern, value in self._table(table, kind, path).items():
                place = (*path, kind, pattern)
                with self._noting():
                    yield read_entry(kind, pattern, value, place, line=self._line(place))
        listed: Sequence[Any] = ()
        with self._noting():
            listed = items_at(table["rules"], (*path, "rules"), most=MAX_RULES) if "rules" in table else ()
        for at, value in enumerate(listed):
            place = (*path, "rules", at)
            with self._noting():
                yield read_rule(value, place, line=self._line(place))

    def _table(self, table: Mapping[str, Any], name: str, path: Place) -> Mapping[str, Any]:
        with self._noting():
            found = table_at(table.get(name, {}), (*path, name), None)
            if len(found) <= MAX_RULES:
                return found
            raise RuleFault("POLICY_INVALID_SHAPE", (*path, name), f"has more than {MAX_RULES} entries")
        return {}

    def _shadow(self, table: Mapping[str, Any], path: Place) -> bool:
        with self._noting():
            return flag_at(table.get("shadow", False), (*path, "shadow"))
        return False

    def _refuse_others(self, table: Mapping[str, Any], path: Place, names: Sequence[str]) -> None:
        for name in table:
            with self._noting():
                table_at({name: None}, path, names)

    def _refuse_twins(self, policies: Sequence[Policy]) -> None:
        """Refuse two rules that were given one name: records and limits tell rules apart by it."""
        seen: dict[str, Rule] = {}
        for rule in (rule for policy in policies for rule in policy.rules if (*rule.path, "name") in self._lines):
            first = seen.setdefault(rule.name, rule)
            if first is not rule:
                with self._noting():
                    message = f"the rule on line {first.line} is called so, too"
                    raise RuleFault("POLICY_DUPLICATE_RULE", (*rule.path, "name"), message, "give it another name")

    @contextmanager
    def _noting(self) -> Generator[None]:
        """Take down the fault that ends the block, and go on behind it."""
        try:
            yield
        except RuleFault as fault:
            line = self._line(fault.path)
            self.faults.append(Diagnostic(fault.code, "error", fault.message, fault.hint, line, fault.path))

    def _line(self, path: Place) -> int | None:
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)


def _default(value: Any) -> str:
    text = text_at(value, ("default",))
    _ = Policy("default", default=text).fallback
    return text


def _trusted(value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ("*",) if value else ()
    return texts_at(value, ("trust_annotations",))
