"""The seeded bugs of the guard in front of servers that nobody can change. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

GUARDING = "harness/allowly_harness/guarding/"
PIPELINE = "middleware/allowly_middleware/pipeline/"


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
    Mutant(
        "a call that is sent as a notification reaches the server",
        "fails closed",
        (deciding("ctx.request_id is None and ctx.method not in TOLD", "ctx.method == 'never'"),),
        ("guard attacks",),
    ),
    Mutant(
        "an item of a list is decided on by another of its fields",
        "nothing hidden is seen",
        (Patch(PIPELINE + "guarding.py", "[{name: item[name]} for item in items]", "items"),),
        ("guard attacks",),
    ),
    Mutant(
        "a subscription that cannot be read is one to nothing",
        "fails closed",
        (
            Patch(
                PIPELINE + "evaluating.py", "if isinstance(uris, list) else [None]", "if isinstance(uris, list) else []"
            ),
        ),
        ("guard attacks",),
    ),
    Mutant(
        "escapes are taken off once",
        "nothing denied is reached",
        (Patch(PIPELINE + "spellings.py", "MAX_ESCAPES: Final = 3", "MAX_ESCAPES: Final = 0"),),
        ("guard attacks",),
    ),
    Mutant(
        "invented names of tools are kept for ever",
        "G6",
        (kept("list(entries.items())[-MAX_KEPT:]", "entries.items()"),),
        ("guard attacks",),
    ),
    Mutant(
        "a policy that changed while somebody was asked is not looked at again",
        "G5",
        (Patch(PIPELINE + "guarding.py", "changed = None if self.policy is None", "changed = None if self.asker"),),
        ("pipeline approval",),
    ),
    Mutant(
        "a policy file of somebody else comes into force",
        "fails closed",
        (
            Patch(
                "middleware/allowly_middleware/policy/files.py",
                "status.st_uid not in {0, os.geteuid()}",
                "status.st_uid < 0",
            ),
        ),
        ("policy files",),
    ),
)
