"""The seeded bugs of remembered grants, and of what the journal says of a question."""

from __future__ import annotations

from mutants import Mutant, Patch

HARNESS = "harness/allowly_harness/"


def patch(name: str, old: str, new: str) -> Patch:
    return Patch(f"{HARNESS}{name}.py", old, new)


MUTANTS = (
    Mutant(
        "a grant answers for another tool",
        "G1",
        (
            patch("grants/store", "grant.binding == binding and ", ""),
            patch(
                "grants/store",
                'same = "server = ? AND configured = ? AND tool = ?"',
                'same = "server = ? AND configured = ? AND tool IS NOT ?"',
            ),
        ),
        ("grants kept",),
    ),
    Mutant(
        "a grant answers under another authorization",
        "G1",
        (patch("grants/store", "if grant.binding == binding and", "if grant.binding.tool == binding.tool and"),),
        ("grants kept",),
    ),
    Mutant(
        "a grant answers for the same command in another folder",
        "G1",
        (patch("grants/remembering", ", folder=self._folder)", ")"),),
        ("grants",),
    ),
    Mutant(
        "a grant answers for another argument",
        "G1",
        (patch("grants/rules", "return call.canonical == self.arguments", "return True"),),
        ("rules", "grants"),
    ),
    Mutant(
        "a chosen value may be another",
        "G1",
        (patch("grants/rules", "return same and set(payload)", "return set(payload)"),),
        ("rules",),
    ),
    Mutant(
        "an argument that no rule names fits",
        "G1",
        (patch("grants/rules", "return same and set(payload) <= set(fixed) | set(self.others)", "return same"),),
        ("rules",),
    ),
    Mutant(
        "a grant outlives the tool's definition",
        "G1",
        (
            patch(
                "grants/rules",
                "said = [tool.title, tool.description, tool.annotations, tool.input_schema, tool.output_schema]",
                "said = [tool.name]",
            ),
        ),
        ("rules", "grants"),
    ),
    Mutant(
        "a grant outlives another shape of results",
        "G1",
        (patch("grants/rules", "tool.input_schema, tool.output_schema]", "tool.input_schema]"),),
        ("rules", "grants"),
    ),
    Mutant(
        "a grant knows nothing of the shape of results",
        "G1",
        (
            patch(
                "session/conversing",
                "None if tool.output_schema is None else MappingProxyType(tool.output_schema)",
                "None",
            ),
        ),
        ("facts",),
    ),
    Mutant(
        "a definition that comes back brings its grant back",
        "G1",
        (
            patch(
                "grants/store",
                'self._end(f"{same} AND definition <> ?"',
                'self._end(f"FALSE AND {same} AND definition <> ?"',
            ),
        ),
        ("grants kept",),
    ),
    Mutant(
        "a grant answers for a dangerous call",
        "G1",
        (patch("grants/remembering", "if request.danger and ", "if False and "),),
        ("grants", "offers"),
    ),
    Mutant(
        "a grant answers after its last use",
        "G1",
        (
            patch("grants/store", "if self.uses_left == 0:", "if False:"),
            patch("grants/store", "AND (uses_left IS NULL OR uses_left > 0)", ""),
            patch("grants/store", "SET uses_left = uses_left - 1,", "SET uses_left = max(uses_left - 1, 0),"),
        ),
        ("grants kept",),
    ),
    Mutant(
        "a use is counted by nobody",
        "G1",
        (patch("grants/store", "SET uses_left = uses_left - 1, used", "SET used"),),
        ("grants kept",),
    ),
    Mutant(
        "a grant answers after its end",
        "G1",
        (patch("grants/store", "if at.wall_ms >= self.until_ms or (", "if (False and "),),
        ("grants kept",),
    ),
    Mutant(
        "a clock set back unseen lengthens a grant",
        "G1",
        (patch("grants/store", "and at.up_ms >= self.until_up_ms", "and False"),),
        ("grants kept",),
    ),
    Mutant(
        "a clock set back ends no grant",
        "G1",
        (patch("grants/store", 'self._end("TRUE", (), CLOCK_SET_BACK)', "pass"),),
        ("grants kept",),
    ),
    Mutant(
        "a session's grant answers in another",
        "G1",
        (patch("grants/store", "if self.session is not None and self.session != session:", "if False:"),),
        ("grants kept",),
    ),
    Mutant(
        "a revoked grant answers",
        "G5",
        (
            patch("grants/store", "        if self.ended:\n            return self.ended\n", ""),
            patch("grants/store", "WHERE id = ? AND ended = ''", "WHERE id = ?"),
        ),
        ("grants kept", "grants"),
    ),
    Mutant(
        "a grant answers an escalation",
        "G11",
        (patch("grants/remembering", 'if request.kind != "confirm":', "if False:"),),
        ("grants",),
    ),
    Mutant(
        "a grant answers what the record does not confirm",
        "G13",
        (
            patch(
                "grants/remembering",
                "if request.verification is not Verification.MATCHED or not request.authorization_id:",
                "if False:",
            ),
        ),
        ("grants",),
    ),
    Mutant(
        "a grant answers a question that is put again",
        "G1",
        (
            patch(
                "grants/remembering",
                "if self.objection(request) or not _is_first(request):",
                "if self.objection(request):",
            ),
        ),
        ("grants",),
    ),
    Mutant(
        "a rule is saved by pasted text",
        "G1",
        (patch("approvers/chat/offering", "        if pasted:\n", "        if False:\n"),),
        ("offers",),
    ),
    Mutant(
        "a rule is saved without its code",
        "G1",
        (patch("approvers/chat/offering", "if words != self._typed.lower().split():", "if False:"),),
        ("offers",),
    ),
    Mutant(
        "a question is shown and never written down",
        "G12",
        (patch("performing/performer", "                self._asked = effect\n", ""),),
        ("facts of questions",),
    ),
)
