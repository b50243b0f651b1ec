"""What the pipeline needs of policies, and of those who are told what happened: protocols only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.subjects import Subject


class VerdictLike(Protocol):
    """What a policy says of a request. True where it is not denied."""

    @property
    def effect(self) -> Literal["allow", "ask", "deny"]:
        """What is to be done."""
        ...

    @property
    def reason(self) -> str:
        """Why, as a code."""
        ...

    @property
    def message(self) -> str:
        """Why, for the model and for people."""
        ...

    @property
    def approver(self) -> str | None:
        """Who must say yes to what is asked; `None` for the user."""
        ...

    @property
    def rule(self) -> Any:
        """The rule that decided; `None` for the default."""
        ...


class PolicyLike(Protocol):
    """Decides requests, without asking anybody and without side effects.

    One that has an attribute `reads_annotations` which is false is never told the annotations of tools, so that a
    server is not asked for its list before a call.
    """

    def evaluate(self, facts: CallFacts, *, arguments_known: bool = True) -> VerdictLike:
        """Decide a request; with `arguments_known=False` only what holds for all arguments is a denial."""
        ...

    def can(
        self, server: str, target: str | None, operation: Operation = Operation.TOOL_CALL, *, subject: Subject
    ) -> VerdictLike:
        """Say what would be decided."""
        ...


Annotations = Mapping[str, Any]
