"""The rows of the screen: agents, what waits, what was decided. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from allowly_harness.approvers.attached.attachment import Attachment, Event
from allowly_harness.approvers.attached.told import MAX_AGENT_CHARACTERS, line_of, time_of, tone_of
from allowly_harness.approvers.pending import Pending, PendingElicitation, PendingWait
from allowly_harness.display.clock import Clock, duration
from allowly_harness.display.layout import Line, Piece, Role, pieces
from allowly_harness.display.sanitize import Shown, identifier, joined, one_line, own
from allowly_harness.display.width import cells, fold, fold_exact
from allowly_harness.tui.asking.pending_rows import left_of

AGENT_COLUMNS: Final = 22
"""How wide the agents' names are at most."""

_NUMBER_COLUMNS: Final = 5
_WHO_COLUMNS: Final = 13
_LEFT_COLUMNS: Final = 9
_LEAST_TOLD: Final = 10
_TONES: Final = {"good": Role.ADDED, "bad": Role.DANGER, "warning": Role.WARNING, "note": Role.NOTE}


def agent_row(agent: Attachment, clock: Clock, width: int) -> Line:
    """Return an agent in one line: its name, where it runs, for how long it is attached, how much waits."""
    since = agent.since or clock.now()
    waiting = len(agent.waiting)
    name = cell(one_line(agent.agent, MAX_AGENT_CHARACTERS), AGENT_COLUMNS)
    rest = joined([one_line(agent.process, 60), f"   attached {duration((clock.now() - since).total_seconds())}"])
    right = f"{waiting} waiting" if waiting else "nothing waits"
    middle = cell(rest, max(_LEAST_TOLD, width - AGENT_COLUMNS - len(right) - 4))
    role = Role.WARNING if waiting else Role.NOTE
    return (*pieces(name, Role.LABEL), Piece("  "), *pieces(middle, Role.NOTE), Piece("  "), Piece(right, role))


def waiting_row(item: Pending, agent: str, told: Shown, width: int) -> Line:
    """Return what waits in one line: number, agent, the call, who decides, the time left.

    Args:
        item: What waits.
        agent: Which agent asks.
        told: What tells it from the others.
        width: In columns.
    """
    name = cell(one_line(agent, MAX_AGENT_CHARACTERS), min(AGENT_COLUMNS, width // 5))
    taken = _NUMBER_COLUMNS + cells(name.text) + _WHO_COLUMNS + _LEFT_COLUMNS + 4
    who, role = _who(item)
    return (
        Piece(f"{item.number:>{_NUMBER_COLUMNS - 1}}  ", Role.NOTE),
        *pieces(name, Role.LABEL),
        Piece(" "),
        *pieces(cell(joined([*_tool(item), told]), max(_LEAST_TOLD, width - taken)), Role.VALUE),
        Piece(" "),
        *pieces(cell(who, _WHO_COLUMNS), role),
        Piece(f" {left_of(item):>{_LEFT_COLUMNS - 1}}", Role.HEADING),
    )


def decided_row(event: Event, width: int) -> Line:
    """Return what was decided or has ended in one line."""
    told = cell(line_of(event), max(_LEAST_TOLD, width - len("00:00:00  ")))
    return (Piece(f"{time_of(event)}  ", Role.NOTE), *pieces(told, _TONES[tone_of(event)]))


def nothing_lines(agents: int, place: str, problems: Sequence[str], width: int) -> tuple[Line, ...]:
    """Return what stands in place of the list while nothing waits.

    Args:
        agents: How many agents are attached.
        place: Where agents are looked for, or the one that is awaited.
        problems: Agents that could not be attached, and why.
        width: In columns.
    """
    lines: list[Line] = [(), (Piece("  Nothing waits.", Role.HEADING),), ()]
    if agents:
        texts = ["What an agent asks opens here by itself; the bell rings."]
    else:
        texts = ["No agent is attached. Agents that ask through a socket, such as allowly-harness bridge,"]
        texts += ["are attached as they appear in", place]
    for text in texts:
        lines += [pieces(joined(["  ", part]), Role.NOTE) for part in fold(one_line(text, 400), max(20, width - 4))]
    if problems:
        lines.append(())
    for problem in problems:
        folded = fold(one_line(problem, 400), max(20, width - 4))
        lines += [pieces(joined(["  ", part]), Role.WARNING) for part in folded]
    return tuple(lines)


def cell(shown: Shown, width: int) -> Shown:
    """Return text in exactly `width` columns; what is cut ends in a tilde."""
    if cells(shown.text) > width:
        shown = joined([fold_exact(shown, width - 1)[0], "~"])
    return joined([shown, " " * max(0, width - cells(shown.text))])


def _tool(item: Pending) -> tuple[Shown | str, ...]:
    return () if isinstance(item, PendingElicitation) else (identifier(item.request.call.tool), "  ")


def _who(item: Pending) -> tuple[Shown, Role]:
    if isinstance(item, PendingWait):
        return one_line(item.request.escalation_to or "approver", 40), Role.NOTE
    if not isinstance(item, PendingElicitation) and item.request.danger:
        return own("you, danger"), Role.DANGER
    return own("you"), Role.PLAIN
