"""The seeded bugs of votes and of the calls behind questions. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

AUTHORITY = "middleware/allowly_authority/"


def prompts(old: str, new: str) -> Patch:
    return Patch(AUTHORITY + "service/prompts.py", old, new)


def values(old: str, new: str) -> Patch:
    return Patch(AUTHORITY + "engine/values.py", old, new)


MUTANTS = (
    Mutant(
        "the same person is several",
        "G1",
        (prompts("any(vote.is_of_the_same(other) for other in present.votes)", "False"),),
        ("votes",),
    ),
    Mutant(
        "the workspace key is as many people as it signs for",
        "G1",
        (values("self.principal_id == other.principal_id or self._person", "self._person"),),
        ("votes",),
    ),
    Mutant(
        "who asks later has still approved",
        "G11",
        (prompts("if not other.is_among(requesters)", ""),),
        ("votes",),
    ),
    Mutant(
        "one is enough",
        "G1",
        (prompts("if approvals + 1 >= quorum", "if approvals + 1 >= min(quorum, 1)"),),
        ("votes",),
    ),
    Mutant(
        "any call is kept behind a question",
        "G13",
        (
            Patch(
                AUTHORITY + "service/behind.py", "if prompt.resource != bound_resource(", "if False and bound_resource("
            ),
        ),
        ("calls shown",),
    ),
    Mutant(
        "a call is shown to whoever has a key to lists",
        "G7",
        (
            Patch(
                AUTHORITY + "service/behind.py",
                "if not (sees_everything(principal) or principal.is_addressed_by(prompt.escalation_to)):",
                "if False:",
            ),
        ),
        ("calls shown",),
    ),
)
