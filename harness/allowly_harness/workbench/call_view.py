"""How a call is shown: one row of the log, and the whole call with its result. Both front ends draw these."""

from __future__ import annotations

from typing import Final

from allowly_harness.display.clock import local_time
from allowly_harness.display.layout import Line, Piece, Role, pieces
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import Shown, identifier, joined, own
from allowly_harness.display.width import cells, fold
from allowly_harness.workbench.calls import CallEntry, CallState, Progress

BAR_CELLS: Final = 10
"""How many columns a progress bar in a row takes."""

_NAME_CELLS: Final = 16
_MAX_NAME_CELLS: Final = 30
_WORDS_CELLS: Final = 18
_LEAST_CELLS: Final = 10
_MAX_NUMBER: Final = 1e15


def call_row(entry: CallEntry, now: float, width: int) -> Line:
    """Return the line of the log for a call, at most `width` columns.

    Args:
        entry: The call.
        now: Of the monotonic clock; counts for calls that run.
        width: Columns there are.
    """
    name = identifier(entry.call.tool).text[:_MAX_NAME_CELLS]
    time = "" if width < _NARROW else f"{local_time(entry.at)}  "
    head: Line = (
        Piece(f"#{entry.number:<4} {time}", Role.NOTE),
        Piece(f"{name:<{_NAME_CELLS}} ", Role.VALUE),
        Piece(f"{entry.words[:_WORDS_CELLS]:<{_WORDS_CELLS}}", _ROLES.get(entry.state, Role.PLAIN)),
        Piece(f" {entry.took(now):>8}  ", Role.NOTE),
    )
    room = width - sum(len(piece.text) for piece in head)
    if entry.running and entry.progress is not None:
        rest = progress_text(entry.progress, BAR_CELLS)
    else:
        rest = joined(_arguments(entry, room))
    return cut_line((*head, *pieces(rest, Role.PLAIN)), width)


_NARROW: Final = 72
"""Below so many columns the time of day is left out of a row."""

_ROLES: Final = {
    CallState.WAITING: Role.WARNING,
    CallState.DENIED: Role.GUTTER,
    CallState.FAILED: Role.GUTTER,
    CallState.CANCELLED: Role.NOTE,
    CallState.APPROVED: Role.LABEL,
}


def cut_line(line: Line, width: int) -> Line:
    """Return a line without what stands beyond `width` columns."""
    kept: list[Piece] = []
    for piece in line:
        taken = cells(piece.text)
        if taken > width:
            cut = fold(own(piece.text), max(2, width))[0].text if width > 1 else ""
            return (*kept, Piece(cut, piece.role))
        kept.append(piece)
        width -= taken
    return tuple(kept)


def progress_text(progress: Progress, width: int) -> Shown:
    """Write progress as a bar of `width` columns, a percentage and the server's words in quotes."""
    fraction = progress.fraction
    if fraction is None:
        measure = f"{_number(progress.done)} so far"
    else:
        full = round(fraction * width)
        measure = f"[{'#' * full}{'.' * (width - full)}] {fraction:4.0%}"
    return joined([measure, '  "', progress.message, '"']) if progress.message.text else own(measure)


def call_sections(entry: CallEntry, now: float = 0.0, *, revealed: bool = False) -> tuple[Section, ...]:
    """Return a call and its result in full: how it stands, what came back, what was sent.

    Args:
        entry: The call.
        now: Of the monotonic clock; counts for calls that run.
        revealed: Whether what looks secret is shown.
    """
    from allowly_harness.display.results import result_sections
    from allowly_harness.display.values import full_arguments

    came: tuple[Section, ...] = ()
    if entry.problem is not None:
        came = (Section(own("NO RESULT"), (Row(Shown(), entry.problem),), quoted=True),)
    elif entry.result is not None:
        came = result_sections(entry.result, revealed=revealed)
    elif entry.progress is not None:
        came = (Section(own("PROGRESS  (the server's words)"), (Row(Shown(), progress_text(entry.progress, 30)),)),)
    lines = tuple(Row(Shown(), line) for line in full_arguments(entry.call.arguments, revealed=revealed))
    return (
        Section(call_head(entry, now), ()),
        *came,
        Section(own("ARGUMENTS"), lines),
        Section(Shown(), _facts(entry)),
    )


def call_head(entry: CallEntry, now: float) -> Shown:
    """Return number, tool, state, duration and questions of a call in one line."""
    rounds = f"   {entry.rounds} {'question' if entry.rounds == 1 else 'questions'}" if entry.rounds else ""
    time = f"{entry.took(now)}{' so far' if entry.running else ''}"
    return joined([f"#{entry.number} ", identifier(entry.call.tool), f"   {entry.words}   {time}{rounds}"])


def _facts(entry: CallEntry) -> tuple[Row, ...]:
    return (
        Row(own("called"), own(local_time(entry.at))),
        Row(own("sha256"), own(entry.call.digest[:16])),
    )


def _arguments(entry: CallEntry, room: int) -> list[Shown | str]:
    from allowly_harness.display.values import show_value

    parts: list[Shown | str] = []
    for argument, value in entry.call.arguments.items():
        piece = joined([identifier(argument), "=", show_value(argument, value).shown, " "])
        if piece.right_to_left:
            # Such letters would reorder the columns beside them.
            return [*parts, "..."]
        if cells(piece.text) > room:
            return [*parts, fold(piece, room - 3)[0], "..."] if room > _LEAST_CELLS else [*parts, "..."]
        parts.append(piece)
        room -= cells(piece.text)
    return parts


def _number(value: float) -> str:
    return f"{value:,.6g}" if abs(value) < _MAX_NUMBER else "very much"
