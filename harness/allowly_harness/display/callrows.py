"""What will be sent, as rows: the tool and its arguments, with remarks on what is odd about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from allowly_harness.display.escalated import EscalatedRequest, hidden_call
from allowly_harness.display.lookalikes import remark_on_name, remarks_on_value, same_looking
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import Shown, identifier, joined, own
from allowly_harness.display.secrets import masked_text
from allowly_harness.display.values import ShownValue, show_value
from allowly_harness.protocol.models import ApprovalRequest

MAX_ARGUMENT_ROWS: Final = 12
"""Most arguments on the card; the others are folded and must be read in the full view."""

MAX_CONFIGURED_CHARACTERS: Final = 200
"""How much is shown of how the server is reached, in characters."""

_MAX_LOOKED_AT: Final = 200
_ARGUMENT_INDENT: Final = 2


@dataclass(frozen=True, slots=True)
class CallPart:
    """The part of the card that shows the call.

    Attributes:
        section: What is drawn.
        folded: Whether part of the call is left out.
        masked: How many secrets are masked.
    """

    section: Section
    folded: bool
    masked: int


def call_part(request: ApprovalRequest, arguments: Mapping[str, Any], *, revealed: bool) -> CallPart:
    """Return what will be sent.

    Args:
        request: The question.
        arguments: Those of its call.
        revealed: Whether secrets are shown.
    """
    if isinstance(request, EscalatedRequest) and not request.shown:
        return CallPart(hidden_call(request), folded=False, masked=0)
    shown = {name: arguments[name] for name in islice(arguments, MAX_ARGUMENT_ROWS)}
    values = {name: show_value(name, value, revealed=revealed) for name, value in shown.items()}
    labels = {name: identifier(name) for name in shown}
    others = [show_value(name, arguments[name]) for name in islice(arguments, MAX_ARGUMENT_ROWS, _MAX_LOOKED_AT)]
    alike = same_looking(arguments)
    rows = [_tool(request)]
    rows += [_argument(labels[name], values[name], _remarks(name, shown[name], alike)) for name in shown]
    rows += _left_out(arguments, alike)
    if not arguments:
        rows.append(Row(Shown(), own("(no arguments)"), indent=_ARGUMENT_INDENT))
    cut = any(label.cut for label in labels.values()) or bool(identifier(request.call.tool).cut)
    return CallPart(
        Section(_heading(request), tuple(rows)),
        folded=cut or len(arguments) > len(shown) or any(value.folded for value in values.values()),
        masked=sum(value.masked for value in values.values()) + (0 if revealed else sum(v.masked for v in others)),
    )


def _heading(request: ApprovalRequest) -> Shown:
    if isinstance(request, EscalatedRequest):
        if not request.server.name:
            return own("WILL BE SENT")
        named = identifier(request.server.name, usual=":")
        return joined(["WILL BE SENT to ", named, "  (the asker's own name for it, unproved)"])
    heading = joined(["WILL BE SENT to ", identifier(request.server.name, usual=":")])
    if request.server.configured:
        configured = request.server.configured[:MAX_CONFIGURED_CHARACTERS]
        heading = joined([heading, " (", *masked_text(configured)[0], ")"])
    return heading


def _tool(request: ApprovalRequest) -> Row:
    tool = identifier(request.call.tool)
    notes = ["unusual name, look closely"] if tool.odd else []
    notes += filter(None, [remark_on_name(request.call.tool)])
    server = remark_on_name(request.server.name)
    if server:
        notes.append(f"the server's name {server}")
    return Row(own("tool"), tool, note="; ".join(notes), warning=bool(notes), exact=True)


def _argument(label: Shown, value: ShownValue, remarks: list[str]) -> Row:
    notes: list[str] = []
    if value.hidden:
        notes.append(f"{value.hidden:,} hidden {'character' if value.hidden == 1 else 'characters'}")
    if value.shown.right_to_left:
        notes.append("right-to-left text")
    if label.odd:
        notes.append("unusual name")
    return Row(
        label,
        value.shown,
        note="; ".join([*notes, *remarks]),
        alone=value.shown.right_to_left,
        warning=bool(value.hidden or label.odd or remarks),
        exact=True,
        indent=_ARGUMENT_INDENT,
    )


def _remarks(name: str, value: Any, alike: Mapping[str, str]) -> list[str]:
    remarks = [remark for remark in (remark_on_name(name), *remarks_on_value(value)) if remark]
    if name in alike:
        remarks.append(f'looks like "{identifier(alike[name])}" above')
    return remarks


def _left_out(arguments: Mapping[str, Any], alike: Mapping[str, str]) -> list[Row]:
    over = len(arguments) - MAX_ARGUMENT_ROWS
    if over <= 0:
        return []
    rest = {name: arguments[name] for name in islice(arguments, MAX_ARGUMENT_ROWS, None)}
    remarks = list(remarks_on_value(rest))
    remarks += [f'"{identifier(name)}" looks like another name' for name in islice(alike, 1) if name in rest]
    text = own(f"... {over} more {'argument' if over == 1 else 'arguments'}")
    return [Row(Shown(), text, note="; ".join(remarks), warning=True, indent=_ARGUMENT_INDENT)]
