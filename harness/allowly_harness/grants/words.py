"""A grant in words: the literal rule, as it is shown before it is saved and wherever it is listed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from allowly_harness.display.sanitize import Shown, identifier, joined, one_line, own
from allowly_harness.display.values import show_value
from allowly_harness.grants.rules import Binding, Ends, Rule, Scope
from allowly_harness.grants.store import Grant

MAX_SERVER_CHARACTERS: Final = 60
"""How much of a server's name stands in a rule."""


def rule_words(binding: Binding, rule: Rule) -> Shown:
    """Say for which calls a rule answers; values that look secret are masked."""
    where = joined([identifier(binding.tool), " on ", one_line(binding.server, MAX_SERVER_CHARACTERS)])
    match rule.scope:
        case Scope.TOOL:
            return joined([where, ", with any arguments"])
        case Scope.CALL:
            return joined([where, ", exactly with ", *_values(rule)] if rule.fixed else [where, ", without arguments"])
        case Scope.VALUES:
            return joined([where, ", with ", *_values(rule), *_others(rule)])


def end_words(ends: Ends, until: datetime) -> str:
    """Say when a grant ends that is given now.

    Args:
        ends: What was chosen.
        until: The end that this comes to, aware.
    """
    return _end_words(ends.uses, until, session=ends.session)


def grant_words(grant: Grant) -> Shown:
    """Say in one line for which calls a grant answers, and until when."""
    return joined([rule_words(grant.binding, grant.rule), ", ", own(grant_end(grant))])


def grant_end(grant: Grant) -> str:
    """Say when a grant ends, and how often it answers yet."""
    until = datetime.fromtimestamp(grant.until_ms / 1000, UTC)
    return _end_words(grant.uses_left, until, session=grant.session is not None)


def _end_words(uses: int | None, until: datetime, *, session: bool) -> str:
    parts = [] if uses is None else ["once" if uses == 1 else f"{uses} times"]
    parts += ["in this session only"] if session else []
    local, today = until.astimezone(), datetime.now(UTC).astimezone()
    day = "" if local.date() == today.date() else f"{local:%Y-%m-%d} "
    return ", ".join([*parts, f"until {day}{local:%H:%M:%S}"])


def _values(rule: Rule) -> list[Shown | str]:
    parts: list[Shown | str] = []
    for name, value in rule.fixed.items():
        parts += [", " if parts else "", identifier(name), " = ", show_value(name, value).shown]
    return parts


def _others(rule: Rule) -> list[Shown | str]:
    parts: list[Shown | str] = []
    for name in rule.others:
        parts += [", any ", identifier(name)]
    return [*parts, " and no other argument"]
