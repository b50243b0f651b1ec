"""What is wrong, or looks wrong, with a policy: a code, a place, a sentence and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Code = Literal[
    "POLICY_UNREADABLE",
    "POLICY_INVALID_TOML",
    "POLICY_INVALID_SHAPE",
    "POLICY_UNKNOWN_KEY",
    "POLICY_INVALID_PATTERN",
    "POLICY_INVALID_EFFECT",
    "POLICY_INVALID_CONDITION",
    "POLICY_INVALID_LIMIT",
    "POLICY_CANNOT_ASK",
    "POLICY_DUPLICATE_RULE",
    "POLICY_APPROVERS_CONFLICT",
    "POLICY_WILDCARD_BROAD",
    "POLICY_UNREACHABLE",
    "POLICY_ANNOTATIONS_NOT_TRUSTED",
    "POLICY_MATCHES_NOTHING",
    "POLICY_SERVER_UNKNOWN",
    "POLICY_EMPTY",
]
"""The codes. They stay; texts may change."""

Place = tuple[str | int, ...]
"""Names and positions that lead to a value in the file."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Attributes:
        code: What kind of finding it is.
        severity: An `error` means that the policy is not used; a `warning` that it is, and says what it says.
        message: What is found.
        hint: What to do.
        line: Where, from 1; `None` where it is no place in a file.
        path: Where, by the names that lead there; empty for the whole file.
    """

    code: Code
    severity: Literal["error", "warning"]
    message: str
    hint: str = ""
    line: int | None = None
    path: Place = ()

    def as_json(self) -> dict[str, Any]:
        """Return all fields, the path as dotted text."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
            "line": self.line,
            "path": ".".join(map(str, self.path)),
        }


class PolicyFileError(ValueError):
    """A policy that cannot be used.

    Attributes:
        diagnostics: Every finding; at least one is an error.
    """

    def __init__(self, name: str, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        errors = [one for one in self.diagnostics if one.severity == "error"]
        first = errors[0]
        place = f"{name}:{first.line}" if first.line is not None else name
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{place}: {first.message}{more}")


class RuleFault(ValueError):
    """A value that is no part of a policy.

    Attributes:
        code: What kind of fault it is.
        path: Where, from what was read.
        message: What is wrong.
        hint: What to write instead.
    """

    def __init__(self, code: Code, path: Place, message: str, hint: str = "") -> None:
        self.code: Code = code
        self.path, self.message, self.hint = path, message, hint
        where = ".".join(map(str, path))
        super().__init__("; ".join(filter(None, (f"{where}: {message}" if where else message, hint))))


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return findings in the order of their lines, those of no line first."""
    return tuple(sorted(diagnostics, key=lambda one: (one.line or 0, one.severity)))
