"""Policies: what may be called, by whom, and who is asked before. In Python or from a TOML file.

Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_middleware.policy.building import allow, confirm, deny, escalate, limited
    from allowly_middleware.policy.checking import ListedTool
    from allowly_middleware.policy.diagnostics import Diagnostic, PolicyFileError, RuleFault
    from allowly_middleware.policy.documents import ParsedPolicy, parse_policy, validate
    from allowly_middleware.policy.explaining import Explanation, explain
    from allowly_middleware.policy.files import PolicyFile, read_policy_file
    from allowly_middleware.policy.policies import Policy, PolicySet
    from allowly_middleware.policy.rules import Rule, RuleRef
    from allowly_middleware.policy.verdicts import Verdict
    from allowly_middleware.policy.writing import PolicyLine, write_policy

__all__ = [
    "Diagnostic",
    "Explanation",
    "ListedTool",
    "ParsedPolicy",
    "Policy",
    "PolicyFile",
    "PolicyFileError",
    "PolicyLine",
    "PolicySet",
    "Rule",
    "RuleFault",
    "RuleRef",
    "Verdict",
    "allow",
    "confirm",
    "deny",
    "escalate",
    "explain",
    "limited",
    "parse_policy",
    "read_policy_file",
    "validate",
    "write_policy",
]

_HOME: Final = {
    "Diagnostic": "diagnostics",
    "Explanation": "explaining",
    "ListedTool": "checking",
    "ParsedPolicy": "documents",
    "Policy": "policies",
    "PolicyFile": "files",
    "PolicyFileError": "diagnostics",
    "PolicyLine": "writing",
    "PolicySet": "policies",
    "Rule": "rules",
    "RuleFault": "diagnostics",
    "RuleRef": "rules",
    "Verdict": "verdicts",
    "allow": "building",
    "confirm": "building",
    "deny": "building",
    "escalate": "building",
    "explain": "explaining",
    "limited": "building",
    "parse_policy": "documents",
    "read_policy_file": "files",
    "validate": "documents",
    "write_policy": "writing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
