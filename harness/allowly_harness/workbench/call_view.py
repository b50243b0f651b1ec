"""How a call is shown: one row of the log, and the whole call with its result. Both front ends draw these."""

from __future__ import annotations

from typing import Final

from allowly_harness.display.card import Row, Section
from allowly_harness.display.clock import local_time
from allowly_harness.display.results import result_sections
from allowly_harness.display.sanitize import Shown, identifier, joined, own
from allowly_harness.display.values import full_arguments, show_value
from allowly_harness.display.width import cells
from allowly_harness.workbench.calls import CallEntry, Progress

BAR_CELLS: Final = 10
"""How many columns a progress bar in a row takes."""

_NAME_CELLS: Final = 18
_MAX_NAME_CELLS: Final = 30
_WORDS_CELLS: Final = 20
_MAX_NUMBER: Final = 1e15


def call_row(entry: CallEntry, now: float, width: int) -> Shown:
    """Return the line of the log for a call, at most `width` columns.

    Args:
        entry: The call.
        now: Of the monotonic clock; counts for calls that run.
        width: Columns there are.
    """
    name = identifier(entry.call.tool).text[:_MAX_NAME_CELLS]
    number, words = f"#{entry.number}", entry.words[:_WORDS_CELLS]
    time = "" if width < _NARROW else f"{local_time(entry.at)}  "
    head = f"{number:<5}{time}{name:<{_NAME_CELLS}} {words:<{_WORDS_CELLS}} {entry.took(now):>8}  "
    if entry.running and entry.progress is not None:
        return _cut([head, progress_text(entry.progress, BAR_CELLS)], width)
    return _cut([head, *_arguments(entry, width - len(head))], width)


_NARROW: Final = 72
"""Below so many columns the time of day is left out of a row."""


def progress_text(progress: Progress, width: int) -> Shown:
    """Write progress as a bar of `width` columns, a percentage and the server's words in quotes."""
    fraction = progress.fraction
    if fraction is None:
        measure = f"{_number(progress.done)} so far"
    else:
        full = round(fraction * width)
        measure = f"[{'#' * full}{'.' * (width - full)}] {fraction:4.0%}"
    return joined([measure, '  "', progress.message, '"']) if progress.message.text else own(measure)


def call_sections(entry: CallEntry, now: float = 0.0) -> tuple[Section, ...]:
    """Return a call and its result in full."""
    sections = [
        Section(joined([f"#{entry.number} ", identifier(entry.call.tool), f"   {entry.words}"]), _facts(entry, now))
    ]
    if entry.running and entry.progress is not None:
        sections.append(
            Section(own("PROGRESS  (the server's words)"), (Row(Shown(), progress_text(entry.progress, 30)),))
        )
    if entry.problem is not None:
        sections.append(Section(own("NO RESULT"), (Row(Shown(), entry.problem),), quoted=True))
    elif entry.result is not None:
        sections.extend(result_sections(entry.result))
    lines = tuple(Row(Shown(), line) for line in full_arguments(entry.call.arguments))
    return (*sections, Section(own("ARGUMENTS"), lines))


def _facts(entry: CallEntry, now: float) -> tuple[Row, ...]:
    rounds = f", {entry.rounds} {'question' if entry.rounds == 1 else 'questions'}" if entry.rounds else ""
    return (
        Row(
            own("called"), own(f"{local_time(entry.at)}, {entry.took(now)}{' so far' if entry.running else ''}{rounds}")
        ),
        Row(own("sha256"), own(entry.call.digest[:16])),
    )


def _arguments(entry: CallEntry, room: int) -> list[Shown | str]:
    parts: list[Shown | str] = []
    for argument, value in entry.call.arguments.items():
        piece = joined([identifier(argument), "=", show_value(argument, value).shown, " "])
        # Letters that run from right to left would reorder the columns beside them.
        if cells(piece.text) > room or piece.right_to_left:
            return [*parts, "..."]
        parts.append(piece)
        room -= cells(piece.text)
    return parts


def _cut(parts: list[Shown | str], width: int) -> Shown:
    from allowly_harness.display.width import fold

    return fold(joined(parts), width)[0]


def _number(value: float) -> str:
    return f"{value:,.6g}" if abs(value) < _MAX_NUMBER else "very much"
