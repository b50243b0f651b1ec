"""The approval card: everything that a person is told before they answer, without saying how it is drawn.

The order is fixed: which question, what will be sent, why it is asked, what a yes opens, who must
approve, and last the words of the server. The question is built from our own copy of the call. Text
from elsewhere is quoted and labelled, and never stands before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from allowly_harness.display.reasons import explain
from allowly_harness.display.sanitize import Shown, block, identifier, joined, one_line, own
from allowly_harness.display.values import ShownValue, ascii_arguments, full_arguments, show_value
from allowly_harness.protocol.models import DEFAULT_TTL_SECONDS, ApprovalRequest, ToolCall, ToolInfo, Verification

MAX_ARGUMENT_ROWS: Final = 12
"""Most arguments on the card; the others are folded and must be read in the full view."""

MAX_SERVER_LINES: Final = 5
"""Most lines on the screen for the server's own words, after folding to the screen's width."""

MAX_SERVER_CHARACTERS: Final = 2_000
"""How much of the server's words is laid out on the card at all, in characters."""

SHORT_TTL_SECONDS: Final = 15
"""The window asked for where a yes may open more than this call. The retry follows at once."""

_SUMMARY_VALUE_CHARACTERS: Final = 60

_HINT_NAMES: Final = (
    ("destructiveHint", "destructive", "not destructive"),
    ("readOnlyHint", "read-only", "not read-only"),
    ("idempotentHint", "harmless to repeat", "not harmless to repeat"),
    ("openWorldHint", "reaches the outside world", "stays inside"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled line of the card.

    Attributes:
        label: What stands on the left, possibly nothing.
        value: The text itself.
        note: Our remark behind it.
        alone: Whether the value stands on a line of its own behind a gutter, because its letters
            would reorder what stands beside them.
        warning: Whether the person must not overlook it.
    """

    label: Shown
    value: Shown
    note: str = ""
    alone: bool = False
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the card. Rows of a quoted section are foreign text and are drawn behind a gutter.

    Attributes:
        max_lines: Most lines on the screen, 0 for no limit.
    """

    heading: Shown
    rows: tuple[Row, ...]
    quoted: bool = False
    max_lines: int = 0


@dataclass(frozen=True, slots=True)
class Card:
    """One question as it is shown.

    Attributes:
        title: The question in capitals, ours.
        kind: "confirm" or "escalate".
        summary: The call in one line, for places with no room for more.
        sections: In the order of reading.
        folded: Whether part of the call is left out, so that the full view must be read before a yes.
        masked: How many secrets are masked.
        ttl_seconds: The window that a yes asks for.
    """

    title: str
    kind: str
    summary: Shown
    sections: tuple[Section, ...]
    folded: bool
    masked: int
    ttl_seconds: int


def build_card(request: ApprovalRequest, *, code: str | None = None, revealed: bool = False) -> Card:
    """Build the card of one question.

    Args:
        request: The question.
        code: The characters that this answer must name, where the front end wants them.
        revealed: Whether secrets are shown.
    """
    arguments = request.call.arguments
    values = [(name, show_value(name, value, revealed=revealed)) for name, value in arguments.items()]
    sections = [_identity(request, code), _call(request, values), _why(request), _opens(request)]
    if request.kind == "escalate":
        sections.append(_who(request))
    said = _server_words(request)
    return Card(
        title=title_of(request),
        kind=request.kind,
        summary=summary_of(request, revealed=revealed),
        sections=(*sections, *([said] if said else [])),
        folded=any(value.folded for _, value in values) or len(values) > MAX_ARGUMENT_ROWS,
        masked=sum(value.masked for _, value in values),
        ttl_seconds=ttl_for(request),
    )


def title_of(request: ApprovalRequest) -> str:
    """Return the question in capitals: whether the person here can say yes at all is in it."""
    if request.kind == "confirm":
        return "APPROVE THIS CALL?"
    return "APPROVE THIS CALL FOR SOMEBODY ELSE?" if request.may_resolve else "ANOTHER PERSON MUST APPROVE"


def ttl_for(request: ApprovalRequest) -> int:
    """Return the window to ask for, in seconds: short where a yes may open more than this call."""
    return DEFAULT_TTL_SECONDS if request.verification is Verification.MATCHED else SHORT_TTL_SECONDS


def summary_of(request: ApprovalRequest, *, revealed: bool = False) -> Shown:
    """Return tool and first arguments of the call in question in one line."""
    return summary_of_call(request.call, revealed=revealed)


def summary_of_call(call: ToolCall, *, revealed: bool = False, limit: int = 160) -> Shown:
    """Return tool and first arguments in one line of about `limit` characters."""
    parts: list[Shown | str] = [identifier(call.tool)]
    length = 0
    for index, (name, value) in enumerate(call.arguments.items()):
        shown = show_value(name, value, revealed=revealed).shown
        fits = len(shown.text) <= _SUMMARY_VALUE_CHARACTERS and not shown.right_to_left
        short = shown if fits else own("...")
        piece = joined([" ", identifier(name), "=", short])
        if length + len(piece.text) > limit:
            parts.append(f" ... +{len(call.arguments) - index} more")
            break
        parts.append(piece)
        length += len(piece.text)
    return joined(parts)


def full_view(request: ApprovalRequest, *, revealed: bool = False) -> tuple[Section, ...]:
    """Return the sections of the full view: every argument in full, then all that the server says."""
    arguments = request.call.arguments
    size = len(request.call.canonical.encode())
    sections = [_lines(f"ALL ARGUMENTS  {size:,} bytes", full_arguments(arguments, revealed=revealed))]
    if not request.call.canonical.isascii():
        sections.append(_lines("THE SAME IN ASCII", ascii_arguments(arguments, revealed=revealed)))
    said = [*block(request.prompt_hint or ""), *_tool_words(request.tool)]
    if any(line.text for line in said):
        sections.append(_lines("SERVER SAYS  (nobody checked this text)", tuple(said), quoted=True))
    return tuple(sections)


def _lines(heading: str, lines: tuple[Shown, ...], *, quoted: bool = False) -> Section:
    return Section(own(heading), tuple(Row(Shown(), line) for line in lines), quoted=quoted)


def _identity(request: ApprovalRequest, code: str | None) -> Section:
    digest = request.call.digest
    short = " ".join(digest[start : start + 4] for start in range(0, 16, 4))
    rows: list[Row] = []
    if code is not None:
        rows.append(Row(own("code"), own(code)))
    rows.append(Row(own("call"), own(f"sha256 {short}"), note="will be sent once"))
    if request.round > 1 or request.note:
        again = one_line(request.note, 300) if request.note else own("the server asks again")
        rows.append(Row(own("again"), joined([f"question {request.round}: ", again]), warning=True))
    return Section(Shown(), tuple(rows))


def _call(request: ApprovalRequest, values: list[tuple[str, ShownValue]]) -> Section:
    heading = joined(["WILL BE SENT to ", one_line(request.server.name, 100)])
    if request.server.configured:
        heading = joined([heading, " (", one_line(request.server.configured, 200), ")"])
    tool = identifier(request.call.tool)
    rows = [Row(own("tool"), tool, note="unusual name, look closely" if tool.odd else "", warning=tool.odd)]
    rows += [_argument(name, value) for name, value in values[:MAX_ARGUMENT_ROWS]]
    over = len(values) - MAX_ARGUMENT_ROWS
    if over > 0:
        rows.append(Row(Shown(), own(f"... {over} more arguments"), warning=True))
    if not values:
        rows.append(Row(Shown(), own("(no arguments)")))
    return Section(heading, tuple(rows))


def _argument(name: str, value: ShownValue) -> Row:
    notes: list[str] = []
    if value.hidden:
        notes.append(f"{value.hidden:,} hidden {'character' if value.hidden == 1 else 'characters'}")
    if value.shown.right_to_left:
        notes.append("right-to-left text")
    label = identifier(name)
    if label.odd:
        notes.append("unusual name")
    return Row(
        label,
        value.shown,
        note=", ".join(notes),
        alone=value.shown.right_to_left,
        warning=bool(value.hidden or label.odd),
    )


def _why(request: ApprovalRequest) -> Section:
    sentence = explain(request.reason)
    reason = one_line(request.reason, 120) if request.reason else own("(no reason given)")
    row = Row(Shown(), own(sentence), note=request.reason) if sentence else Row(Shown(), reason, alone=True)
    return Section(own("WHY IT ASKS"), (row,))


def _opens(request: ApprovalRequest) -> Section:
    scope = joined(['"', one_line(request.scope, 120), '"']) if request.scope else own("this permission")
    window = f"for {ttl_for(request)} s" if request.kind == "confirm" else "once"
    match request.verification:
        case Verification.MATCHED:
            text = own("this call, with exactly these arguments, once")
            note, warning = "checked with the authority", False
        case Verification.UNBOUND:
            text = joined(["NOT ONLY THIS CALL: every use of ", scope, f" with any arguments, {window}"])
            note, warning = "checked with the authority", True
        case Verification.UNVERIFIABLE:
            text = own(f"perhaps more than this call: any use of the tool, {window}")
            note, warning = "the authority cannot say; this rests on the server's word", True
    return Section(own("A YES OPENS"), (Row(Shown(), text, note=note, warning=warning),))


def _who(request: ApprovalRequest) -> Section:
    if request.escalation_to is None:
        return Section(own("WHO MUST APPROVE"), (Row(Shown(), own("nobody is named"), warning=True),))
    name = joined(['"', one_line(request.escalation_to, 120), '"'])
    if request.may_resolve:
        note = "you: this session was opened as this approver"
    elif request.verification is Verification.UNVERIFIABLE:
        note = "the name is the server's word"
    else:
        note = "checked with the authority"
    return Section(own("WHO MUST APPROVE"), (Row(Shown(), name, note=note, alone=name.right_to_left),))


def _server_words(request: ApprovalRequest) -> Section | None:
    hint = block(request.prompt_hint or "", max_lines=MAX_SERVER_LINES + 1, limit=MAX_SERVER_CHARACTERS)
    said = [line for line in (*hint, *_tool_words(request.tool)) if line.text]
    if not said:
        return None
    heading = own("SERVER SAYS  (nobody checked this text)")
    rows = tuple(Row(Shown(), line) for line in said)
    return Section(heading, rows, quoted=True, max_lines=MAX_SERVER_LINES)


def _tool_words(tool: ToolInfo) -> list[Shown]:
    lines: list[Shown] = []
    hints = [yes if tool.annotations[name] else no for name, yes, no in _HINT_NAMES if _is_flag(tool, name)]
    if hints:
        lines.append(own(f"about the tool: {', '.join(hints)}"))
    if tool.title and tool.title != tool.name:
        lines.append(joined(["title: ", one_line(tool.title, 200)]))
    if tool.description:
        lines += block(tool.description, limit=MAX_SERVER_CHARACTERS)
    return lines


def _is_flag(tool: ToolInfo, name: str) -> bool:
    return isinstance(tool.annotations.get(name), bool)
