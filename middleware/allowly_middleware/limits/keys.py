"""Whom a limit counts. Each function names a counter from what is known of a call, not from what its caller claims.

A key is one text, or several that are kept apart. Write your own the same way: take what the server knows, and let
a caller that it does not know share one counter with all the others like it.
"""

from __future__ import annotations

from collections.abc import Callable

from allowly_middleware.pipeline.facts import CallFacts

KeyFn = Callable[[CallFacts], "str | tuple[str, ...]"]


def by_subject(facts: CallFacts) -> tuple[str, ...]:
    """Count each subject by itself, over all that it calls. The default.

    Everyone whom the server has not authenticated is one subject: an id that nothing proves would be a new one
    for each call.
    """
    subject = facts.subject
    return ("subject", subject.id) if subject.authenticated and subject.id is not None else ("anonymous",)


def by_subject_and_tool(facts: CallFacts) -> tuple[str, ...]:
    """Count each subject for each tool, resource or prompt.

    The caller chooses the name, also of a tool that does not exist, and each name is a counter of its own: put
    a limit by subject beside it.
    """
    target = () if facts.target is None else (facts.target,)
    return (*by_subject(facts), facts.server, facts.operation.value, *target)


def for_everyone(facts: CallFacts) -> tuple[str, ...]:  # noqa: ARG001 - the same for all
    """Count all calls of everybody together."""
    return ("everyone",)
