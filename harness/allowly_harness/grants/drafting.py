"""A rule while it is being chosen, step by step, narrowest first. Pure; a screen draws it."""

from __future__ import annotations

from typing import Final

from allowly_harness.grants.rules import Ends, Rule, Scope
from allowly_harness.protocol.models import ToolCall

MINUTES: Final = (10, 60, 480, 1440, None)
"""The lives that are offered, in minutes; `None` for a day at most."""

USES: Final = (10, 100, None, 1, 3)
"""How many uses are offered; `None` for no such limit."""

_SCOPES: Final = tuple(Scope)


class RuleDraft:
    """What a person has chosen so far for the yes to a call.

    Args:
        call: The call in question.

    Attributes:
        scope: How wide the rule is.
        chosen: The arguments that must be as they are, for `Scope.VALUES`.
        minutes: How long it lives; `None` for a day at most.
        uses: How often it answers; `None` for no such limit.
        session: Whether it ends with the session.
    """

    def __init__(self, call: ToolCall) -> None:
        self._call = call
        self.names = tuple(sorted(call.payload()))
        self.chosen = set(self.names)
        self.scope = Scope.CALL
        self.minutes: int | None = MINUTES[0]
        self.uses: int | None = USES[0]
        self.session = False

    def next_scope(self) -> None:
        """Choose the next wider scope; behind the widest comes the narrowest."""
        self.scope = _SCOPES[(_SCOPES.index(self.scope) + 1) % len(_SCOPES)]
        if self.scope is Scope.VALUES and not self.names:
            self.scope = Scope.TOOL

    def next_minutes(self) -> None:
        """Choose the next life."""
        self.minutes = MINUTES[(MINUTES.index(self.minutes) + 1) % len(MINUTES)]

    def next_uses(self) -> None:
        """Choose the next number of uses."""
        self.uses = USES[(USES.index(self.uses) + 1) % len(USES)]

    def toggle_session(self) -> None:
        """End with the session, or not."""
        self.session = not self.session

    def toggle(self, number: int) -> None:
        """Have the argument of that number, from 0, be as it is, or be any."""
        if self.scope is Scope.VALUES and 0 <= number < len(self.names):
            self.chosen ^= {self.names[number]}

    def rule(self) -> Rule | None:
        """Return the rule that is chosen; `None` where it is none yet."""
        match self.scope:
            case Scope.CALL:
                return Rule.exactly(self._call)
            case Scope.TOOL:
                return Rule.any_call()
            case Scope.VALUES:
                return Rule.values(self._call, self.chosen) if self.chosen else None

    def ends(self) -> Ends | None:
        """Return the end that is chosen; `None` where none is."""
        if self.minutes is None and self.uses is None and not self.session:
            return None
        return Ends(self.minutes, self.uses, self.session)
