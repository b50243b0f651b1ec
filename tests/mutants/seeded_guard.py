"""The seeded bugs of the guard in front of servers that nobody can change. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

GUARDING = "harness/allowly_harness/guarding/"


def deciding(old: str, new: str) -> Patch:
    return Patch(GUARDING + "deciding.py", old, new)


def authorizations(old: str, new: str) -> Patch:
    return Patch(GUARDING + "authorizations.py", old, new)


def kept(old: str, new: str) -> Patch:
    return Patch(GUARDING + "kept.py", old, new)


def proposing(old: str, new: str) -> Patch:
    return Patch(GUARDING + "proposing.py", old, new)


def definitions(old: str, new: str) -> Patch:
    return Patch(GUARDING + "definitions.py", old, new)


def opening(old: str, new: str) -> Patch:
    return Patch(GUARDING + "opening.py", old, new)


MUTANTS = (
    Mutant(
        "what nobody knows reaches the server",
        "fails closed",
        (deciding("ctx.request_id is not None and ctx.method not in FORWARDED", "ctx.method == ''"),),
        ("guard",),
    ),
    Mutant(
        "the user is asked in the place of the approver",
        "G11",
        (deciding("Question(facts.tool, approver if isinstance(approver, str) else None)", "Question(facts.tool)"),),
        ("guard",),
    ),
    Mutant(
        "two guards ask two questions about one call",
        "G3",
        (kept("found = _standing(entries.get(key), datetime.now(UTC) + renewed_before)", "found: str | None = None"),),
        ("guard authorizations",),
    ),
    Mutant(
        "an authorization for one tool opens another",
        "G13",
        (authorizations("scopes=[tool],", 'scopes=[tool, "read_file"],'),),
        ("guard authorizations",),
    ),
    Mutant(
        "the key reaches the server",
        "G7",
        (opening("if name not in OURS}", "if name}"),),
        ("guard opening",),
    ),
    Mutant(
        "what says that it destroys is allowed if it also says that it reads",
        "fails closed",
        (
            proposing(
                'if said.get("destructiveHint") is True:',
                'if said.get("destructiveHint") is True and not said.get("readOnlyHint"):',
            ),
        ),
        ("guard proposals",),
    ),
    Mutant(
        "anything but false says that a tool reads",
        "fails closed",
        (proposing('if said.get("readOnlyHint") is True:', 'if said.get("readOnlyHint"):'),),
        ("guard proposals",),
    ),
    Mutant(
        "of two tools of one name the milder line is written",
        "fails closed",
        (proposing('next((one for one in proposed if one.effect != "allow"), proposed[0])', "proposed[0]"),),
        ("guard proposals",),
    ),
    Mutant(
        "nobody is told of changed annotations",
        "G13",
        (definitions('    "annotations": "annotations",\n', ""),),
        ("guard definitions",),
    ),
)
