"""Rules for policies that are written in Python: `allow`, `confirm`, `escalate`, `deny` and `limited`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from allowly_middleware.policy.reading import read_rule
from allowly_middleware.policy.rules import Rule


class RuleOptions(TypedDict, total=False):
    """What these functions take besides patterns of tools, with the names and meanings that policy files have."""

    resources: str | Sequence[str]
    prompts: str | Sequence[str]
    operations: str | Sequence[str]
    servers: str | Sequence[str]
    when: Mapping[str, Any]
    unless: Mapping[str, Any]
    subject: Mapping[str, Any]
    unless_subject: Mapping[str, Any]
    annotations: Mapping[str, bool]
    limit: str
    reason: str
    shadow: bool
    name: str


def allow(*tools: str, **options: Unpack[RuleOptions]) -> Rule:
    """Return a rule that lets calls run, such as `allow("github.*", subject={"groups": ["support"]})`.

    Raises:
        RuleFault: Something in it is not understood.
    """
    return _built("allow", tools, options)


def confirm(*tools: str, **options: Unpack[RuleOptions]) -> Rule:
    """Return a rule that has the user asked first.

    Raises:
        RuleFault: Something in it is not understood.
    """
    return _built("confirm", tools, options)


def escalate(*tools: str, to: str, **options: Unpack[RuleOptions]) -> Rule:
    """Return a rule that has somebody else asked first.

    Raises:
        RuleFault: Something in it is not understood.
    """
    return _built(f"escalate to {to}", tools, options)


def deny(*tools: str, **options: Unpack[RuleOptions]) -> Rule:
    """Return a rule that refuses calls.

    Raises:
        RuleFault: Something in it is not understood.
    """
    return _built("deny", tools, options)


def limited(*tools: str, **options: Unpack[RuleOptions]) -> Rule:
    """Return a rule that only limits how often calls are made, by its `limit`.

    Raises:
        RuleFault: Something in it is not understood.
    """
    return _built(None, tools, options)


def _built(effect: str | None, tools: Sequence[str], options: Mapping[str, Any]) -> Rule:
    named = {"tools": list(tools)} if tools else {}
    says = {} if effect is None else {"effect": effect}
    return read_rule({**options, **named, **says})
