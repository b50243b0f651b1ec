"""Rules from plain values, as a policy file or a program gives them: strictly, so that nothing is silently ignored.

A rule that is not understood is refused. Skipping one could allow what it forbids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from allowly_middleware.limits.limits import MAX_NAME_CHARACTERS, RateLimit
from allowly_middleware.limits.parsing import LimitError, parse_limit
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.patterns import Pattern, PatternError
from allowly_middleware.pipeline.segments import Segment
from allowly_middleware.policy.comparisons import read_conditions
from allowly_middleware.policy.diagnostics import Place, RuleFault
from allowly_middleware.policy.rules import ASKABLE, ASSUMED, Audience, Effect, Rule
from allowly_middleware.policy.values import flag_at, nearest, shown, table_at, text_at, texts_at

KINDS: Final[Mapping[str, Operation]] = {
    "tools": Operation.TOOL_CALL,
    "resources": Operation.RESOURCE_READ,
    "prompts": Operation.PROMPT_GET,
}
"""What rules are for, by the names in policy files."""

OPTIONS: Final = ("when", "unless", "subject", "unless_subject", "annotations", "limit", "reason", "shadow")
"""What every rule may have besides what it is for and what it says."""

_SUBJECT: Final = ("ids", "groups", "tenants", "authenticated", "metadata")


def read_rule(value: Any, path: Place = (), *, line: int | None = None) -> Rule:
    """Read a rule.

    Args:
        value: A mapping with `effect`, at least one of `tools`, `resources`, `prompts` and `operations`, and any of
            `servers`, `name` and `OPTIONS`.
        path: Where it stands.
        line: The line where it stands.

    Raises:
        RuleFault: Something in it is not understood.
    """
    found = table_at(value, path, (*KINDS, "operations", "servers", "effect", "name", *OPTIONS))
    targets = _targets(found, path)
    if not targets:
        hint = 'such as tools = "github.*"'
        raise RuleFault("POLICY_INVALID_SHAPE", path, "a rule says what it is for", hint)
    effect, approver = read_effect(found["effect"], (*path, "effect")) if "effect" in found else (None, None)
    unaskable = next((str(operation) for operation, _ in targets if operation not in ASKABLE), None)
    if effect == "ask" and unaskable is not None:
        message = f"nobody can be asked about {unaskable}"
        raise RuleFault("POLICY_CANNOT_ASK", (*path, "effect"), message, "write allow or deny")
    name = text_at(found["name"], (*path, "name")) if "name" in found else _name_of(targets)
    return _rule(found, path, targets=targets, effect=effect, approver=approver, name=name, line=line)


def read_entry(kind: str, pattern: str, value: Any, path: Place, *, line: int | None = None) -> Rule:
    """Read an entry of the tables `tools`, `resources` and `prompts`: an effect, or a table with one.

    Raises:
        RuleFault: Something in it is not understood.
    """
    found = table_at({"effect": value} if isinstance(value, str) else value, path, ("effect", "name", *OPTIONS))
    _pattern(pattern, path)
    return read_rule({**found, kind: pattern}, path, line=line)


def read_effect(value: Any, path: Place) -> tuple[Effect, str | None]:
    """Read `allow`, `confirm`, `escalate to NAME` or `deny`.

    Raises:
        RuleFault: It is none of them.
    """
    words = value.split() if isinstance(value, str) else []
    match words:
        case ["allow"]:
            return "allow", None
        case ["confirm"]:
            return "ask", None
        case ["deny"]:
            return "deny", None
        case ["escalate", "to", *name] if name:
            return "ask", text_at(" ".join(name), path)
        case _:
            pass
    hints = {"ask": "write confirm to ask the user", "escalate": 'write "escalate to" and the name of the approver'}
    hint = hints.get(words[0] if words else "", 'write "allow", "confirm", "escalate to NAME" or "deny"')
    raise RuleFault("POLICY_INVALID_EFFECT", path, f"{shown(value)} is no effect", hint)


def _rule(found: Mapping[str, Any], path: Place, *, name: str, effect: Effect | None, **fields: Any) -> Rule:
    limit = _limit(found["limit"], (*path, "limit"), name) if "limit" in found else None
    if effect is None and limit is None:
        hint = 'write effect = "allow", "confirm", "escalate to NAME" or "deny"'
        raise RuleFault("POLICY_INVALID_EFFECT", path, "the rule says nothing", hint)
    if effect == "deny" and limit is not None:
        raise RuleFault("POLICY_INVALID_LIMIT", (*path, "limit"), "what is denied cannot be limited", "take one away")
    return Rule(
        effect=effect,
        path=path,
        limit=limit,
        name=name,
        when=read_conditions(found["when"], (*path, "when")) if "when" in found else (),
        unless=read_conditions(found["unless"], (*path, "unless")) if "unless" in found else (),
        subject=_audience(found["subject"], (*path, "subject")) if "subject" in found else None,
        unless_subject=_audience(found["unless_subject"], (*path, "unless_subject"))
        if "unless_subject" in found
        else None,
        annotations=_annotations(found.get("annotations", {}), (*path, "annotations")),
        reason=text_at(found["reason"], (*path, "reason")) if "reason" in found else None,
        shadow=flag_at(found.get("shadow", False), (*path, "shadow")),
        **fields,
    )


def _targets(found: Mapping[str, Any], path: Place) -> tuple[tuple[Operation, Pattern], ...]:
    targets = [
        (operation, _pattern(text, (*path, kind, at)))
        for kind, operation in KINDS.items()
        if kind in found
        for at, text in enumerate(texts_at(found[kind], (*path, kind)))
    ]
    if "servers" in found and "operations" not in found:
        hint = 'patterns name their servers: tools = "github.*"'
        raise RuleFault("POLICY_INVALID_SHAPE", (*path, "servers"), "goes with operations only", hint)
    servers = texts_at(found.get("servers", "*"), (*path, "servers"))
    for text in texts_at(found["operations"], (*path, "operations")) if "operations" in found else ():
        if text not in set(Operation):
            hint = nearest(text, [str(operation) for operation in Operation])
            raise RuleFault("POLICY_INVALID_SHAPE", (*path, "operations"), f"{shown(text)} is no operation", hint)
        every = Segment(("", ""))
        targets += [(Operation(text), Pattern(Segment.plain(server), every)) for server in servers]
    return tuple(targets)


def _name_of(targets: Sequence[tuple[Operation, Pattern]]) -> str:
    operation, pattern = targets[0]
    kind = next((kind for kind, its in KINDS.items() if its is operation), str(operation))
    more = f" and {len(targets) - 1} more" if len(targets) > 1 else ""
    return f"{kind} {pattern}{more}"


def _pattern(text: str, path: Place) -> Pattern:
    try:
        return Pattern.parse(text)
    except PatternError as error:
        raise RuleFault("POLICY_INVALID_PATTERN", path, f"{shown(text)} {error.problem}", error.fix) from None


def _audience(value: Any, path: Place) -> Audience:
    found = table_at(value, path, _SUBJECT)
    if not found:
        raise RuleFault("POLICY_INVALID_SHAPE", path, "describes nobody", f"say one of {', '.join(_SUBJECT)}")
    ids, groups, tenants = (texts_at(found[name], (*path, name)) if name in found else () for name in _SUBJECT[:3])
    return Audience(
        ids=tuple(map(Segment.plain, ids)),
        groups=frozenset(groups),
        tenants=frozenset(tenants),
        authenticated=flag_at(found["authenticated"], (*path, "authenticated")) if "authenticated" in found else None,
        metadata=read_conditions(found["metadata"], (*path, "metadata")) if "metadata" in found else (),
    )


def _annotations(value: Any, path: Place) -> tuple[tuple[str, bool], ...]:
    found = table_at(value, path, tuple(ASSUMED))
    return tuple((name, flag_at(wanted, (*path, name))) for name, wanted in found.items())


def _limit(value: Any, path: Place, name: str) -> RateLimit:
    text = text_at(value, path)
    try:
        named = f"{parse_limit(text).name} of {name}"[:MAX_NAME_CHARACTERS]
        return parse_limit(text, name=named, operations=None)
    except LimitError as error:
        raise RuleFault("POLICY_INVALID_LIMIT", path, f"{shown(text)} {error.problem}", error.fix) from None
