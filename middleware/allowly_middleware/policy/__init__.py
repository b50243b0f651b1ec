"""Policies: what may be called, by whom, and who is asked before. In Python or from a TOML file.

Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_middleware.policy.building import allow, confirm, deny, escalate, limited
    from allowly_middleware.policy.diagnostics import Diagnostic, PolicyFileError, RuleFault
    from allowly_middleware.policy.policies import Policy, PolicySet
    from allowly_middleware.policy.rules import Rule, RuleRef
    from allowly_middleware.policy.verdicts import Verdict

__all__ = [
    "Diagnostic",
    "Policy",
    "PolicyFileError",
    "PolicySet",
    "Rule",
    "RuleFault",
    "RuleRef",
    "Verdict",
    "allow",
    "confirm",
    "deny",
    "escalate",
    "limited",
]

_HOME: Final = {
    "Diagnostic": "diagnostics",
    "Policy": "policies",
    "PolicyFileError": "diagnostics",
    "PolicySet": "policies",
    "Rule": "rules",
    "RuleFault": "diagnostics",
    "RuleRef": "rules",
    "Verdict": "verdicts",
    "allow": "building",
    "confirm": "building",
    "deny": "building",
    "escalate": "building",
    "limited": "building",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
