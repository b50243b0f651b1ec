"""The approval card: everything that a person is told before they answer, without saying how it is drawn.

The order is fixed: which question and what is dangerous about it, what will be sent, what a person
changed of it, why it is asked, what a yes opens, who must approve, and last the words of the server.
The question is built from our own copy of the call. Text from elsewhere is quoted and labelled, and
never stands before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allowly_harness.display import facts
from allowly_harness.display.callrows import MAX_ARGUMENT_ROWS, call_part
from allowly_harness.display.danger import word_for
from allowly_harness.display.diff import diff_sections
from allowly_harness.display.escalated import EscalatedRequest, hidden_call, hidden_summary, is_hidden
from allowly_harness.display.facts import MAX_SERVER_CHARACTERS, MAX_SERVER_LINES, SHORT_TTL_SECONDS, title_of, ttl_for
from allowly_harness.display.rows import Row, Section
from allowly_harness.display.sanitize import Shown, identifier, own, plain
from allowly_harness.display.summary import summary_of, summary_of_arguments, summary_of_call
from allowly_harness.display.values import argument_rows
from allowly_harness.protocol.models import ApprovalRequest

__all__ = [
    "MAX_ARGUMENT_ROWS",
    "MAX_SERVER_CHARACTERS",
    "MAX_SERVER_LINES",
    "SHORT_TTL_SECONDS",
    "Card",
    "Row",
    "Section",
    "build_card",
    "full_view",
    "summary_of",
    "summary_of_call",
    "title_of",
    "ttl_for",
    "word_for",
]


@dataclass(frozen=True, slots=True)
class Card:
    """One question as it is shown.

    Attributes:
        title: The question in capitals, ours.
        kind: "confirm" or "escalate".
        summary: The call in one line, for places with no room for more.
        sections: In the order of reading; the quoted ones are last.
        folded: Whether part of the call is left out, so that the full view must be read before a yes.
        masked: How many secrets are masked.
        ttl_seconds: The window that a yes asks for.
        danger: Why the call is dangerous, safe to draw; "" if it is not.
        word: What must be typed for a yes to a dangerous call; "" if it is not dangerous.
    """

    title: str
    kind: str
    summary: Shown
    sections: tuple[Section, ...]
    folded: bool
    masked: int
    ttl_seconds: int
    danger: str = ""
    word: str = ""


def build_card(request: ApprovalRequest, *, code: str | None = None, revealed: bool = False) -> Card:
    """Build the card of one question.

    Args:
        request: The question.
        code: The characters that this answer must name, where the front end wants them.
        revealed: Whether secrets are shown.
    """
    arguments = request.call.arguments  # decoded anew by each access
    call = call_part(request, arguments, revealed=revealed)
    sections = [facts.identity(request, code), call.section, *_changes(request, arguments, revealed=revealed)]
    sections += [facts.why(request), facts.opens(request)]
    if request.kind == "escalate":
        sections.append(facts.approver(request))
    return Card(
        title=title_of(request),
        kind=request.kind,
        summary=hidden_summary(request)
        if is_hidden(request)
        else summary_of_arguments(request.call.tool, arguments, revealed=revealed),
        sections=(*sections, *facts.server_words(request, revealed=revealed)),
        folded=call.folded,
        masked=call.masked,
        ttl_seconds=ttl_for(request),
        danger=plain(request.danger, 300),
        word=word_for(request),
    )


def full_view(request: ApprovalRequest, *, revealed: bool = False) -> tuple[Section, ...]:
    """Return the sections of the full view: every argument in full, then all that the server says."""
    if isinstance(request, EscalatedRequest) and not request.shown:
        return (*_long_names(request), hidden_call(request))
    arguments = request.call.arguments
    canonical = request.call.canonical
    size = len(canonical.encode())
    sections = [*_long_names(request)]
    sections.append(Section(own(f"ALL ARGUMENTS  {size:,} bytes"), argument_rows(arguments, revealed=revealed)))
    if not canonical.isascii():
        rows = argument_rows(arguments, revealed=revealed, ascii_only=True)
        sections.append(Section(own("THE SAME IN ASCII"), rows))
    sections += _changes(request, arguments, revealed=revealed)
    said = (
        Section(own(facts.TOOL_HEADING), facts.tool_words(request.tool, revealed=revealed), quoted=True),
        Section(own(facts.HINT_HEADING), facts.hint_words(request, revealed=revealed), quoted=True),
    )
    return (*sections, *(section for section in said if section.rows))


def _changes(request: ApprovalRequest, arguments: Mapping[str, Any], *, revealed: bool) -> tuple[Section, ...]:
    if request.edited_from is None:
        return ()
    return diff_sections(request.edited_from.arguments, arguments, revealed=revealed)


def _long_names(request: ApprovalRequest) -> tuple[Section, ...]:
    tool = request.call.tool
    if not identifier(tool).cut:
        return ()
    row = Row(Shown(), identifier(tool, limit=len(tool)), exact=True)
    return (Section(own(f"THE TOOL'S NAME  {len(tool):,} characters"), (row,)),)
