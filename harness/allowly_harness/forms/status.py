"""One line on whether a form can be sent as it is, and which field a problem belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from allowly_harness.display.sanitize import Shown, joined, own
from allowly_harness.forms.json_text import locate
from allowly_harness.forms.loading import Slot, path_of
from allowly_harness.forms.state import Examination, FormProblem, FormRow

NEEDED = "needed"
"""The message about a required field for which nothing is sent."""


def status_of(examination: Examination, *, text: str | None = None) -> Shown:
    """Say in one line whether this can be sent.

    Args:
        examination: What was found.
        text: The JSON text that the person edits, to say the line of a problem.
    """
    problems = examination.problems
    if problems:
        return _wrong(problems, text)
    if examination.unchecked:
        return own(f"? not checked here: {examination.unchecked}")
    left = f"; {', '.join(examination.left_out)}: the server checks" if examination.left_out else ""
    return own(f"ok: fits the schema{left}")


def slot_of(problem: FormProblem, rows: Sequence[FormRow]) -> Slot | None:
    """Return the row that a problem belongs to: the innermost field around its path."""
    around = [row.slot for row in rows if path_of(row.slot) == problem.path[: len(path_of(row.slot))]]
    return max(around, key=lambda slot: len(path_of(slot)), default=None)


def _wrong(problems: Sequence[FormProblem], text: str | None) -> Shown:
    needed = [problem.where for problem in problems if problem.message == NEEDED]
    if len(needed) == len(problems):
        return joined(["! needed: ", *[part for where in needed for part in (", ", where)][1:]])
    first = next(problem for problem in problems if problem.message != NEEDED)
    place = locate(text, first.path) if text is not None and first.path else None
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return joined(["! ", first.shown, f", line {place.line}" if place else "", more])
