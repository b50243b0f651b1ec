"""The parts of the card around the call: danger, why it is asked, what a yes opens, who says what.

Each fact stands beside where it comes from: this program, the authority's record, or the server's word.
"""

from __future__ import annotations

from typing import Final

from allowly_harness.display.badges import badges_of, contradiction
from allowly_harness.display.danger import word_for
from allowly_harness.display.escalated import EscalatedRequest, approval_rows, asker_rows, is_hidden
from allowly_harness.display.reasons import explain, rule_of
from allowly_harness.display.rows import Row, Section, line_row
from allowly_harness.display.sanitize import Shown, joined, one_line, own
from allowly_harness.display.secrets import masked_block, masked_text
from allowly_harness.protocol.models import DEFAULT_TTL_SECONDS, ApprovalRequest, ToolInfo, Verification

MAX_SERVER_LINES: Final = 5
"""Most lines on the screen for the server's own question, after folding to the screen's width."""

MAX_TOOL_LINES: Final = 4
"""Most lines on the screen for what the server says of the tool."""

MAX_SERVER_CHARACTERS: Final = 2_000
"""How much of the server's words is laid out on the card at all, in characters."""

MAX_TITLE_CHARACTERS: Final = 200
"""How much of a tool's title is shown, in characters."""

SHORT_TTL_SECONDS: Final = 15
"""The window asked for where a yes may open more than this call. The retry follows at once."""

HINT_HEADING: Final = "SERVER SAYS  (nobody checked this text)"
TOOL_HEADING: Final = "SERVER ON THE TOOL  (nobody checked it)"

_CHECKED: Final = "checked with the authority"


def title_of(request: ApprovalRequest) -> str:
    """Return the question in capitals: whether the person here can say yes at all is in it."""
    if request.kind == "confirm":
        title = "APPROVE THIS CALL?"
    else:
        title = "APPROVE THIS CALL FOR SOMEBODY ELSE?" if request.may_resolve else "ANOTHER PERSON MUST APPROVE"
    return f"DANGEROUS: {title}" if request.danger else title


def ttl_for(request: ApprovalRequest) -> int:
    """Return the window to ask for, in seconds: short where a yes may open more than this call."""
    return DEFAULT_TTL_SECONDS if request.verification is Verification.MATCHED else SHORT_TTL_SECONDS


def identity(request: ApprovalRequest, code: str | None) -> Section:
    """Return what tells this question from every other one, with the danger of the call first."""
    digest = request.call.digest
    short = " ".join(digest[start : start + 4] for start in range(0, 16, 4))
    rows: list[Row] = []
    if request.danger:
        decides = request.kind == "confirm" or request.may_resolve
        note = f'a yes wants the word "{word_for(request)}"' if decides else ""
        rows.append(Row(own("DANGER"), one_line(request.danger, 300), note=note, warning=True, tone="danger"))
    if code is not None:
        rows.append(Row(own("code"), own(code)))
    if not is_hidden(request):
        rows.append(Row(own("call"), own(f"sha256 {short}"), note="will be sent once"))
    if request.round > 1 or request.note:
        again = one_line(request.note, 300) if request.note else own("the server asks again")
        rows.append(Row(own("again"), joined([f"question {request.round} of this call: ", again]), warning=True))
    return Section(Shown(), tuple(rows))


def why(request: ApprovalRequest) -> Section:
    """Return why it is asked, by whom, and until when."""
    escalated = isinstance(request, EscalatedRequest)
    asked = asker_rows(request) if isinstance(request, EscalatedRequest) else (_reason(request),)
    rows = [*asked, *_asker(request)]
    local = request.expires_at.astimezone()
    authority = request.verification is not Verification.UNVERIFIABLE
    whose = "the authority's deadline" if authority else "the server's word"
    zone = f"{local:%z}"
    moment = own(f"{local:%Y-%m-%d %H:%M:%S} UTC{f'{zone[:3]}:{zone[3:5]}' if zone.strip('+-0') else ''}")
    rows.append(Row(own("until"), moment, note=whose))
    return Section(own("WHO ASKS" if escalated else "WHY IT ASKS"), tuple(rows))


def _reason(request: ApprovalRequest) -> Row:
    sentence = explain(request.reason)
    decision = own(request.kind)
    if sentence is None:
        code = one_line(request.reason, 120)
        said = joined(['"', code, '"']) if code.text else own("no reason given")
        return Row(decision, said, note="the server's word" if code.text else "", alone=code.right_to_left)
    rule = rule_of(request.reason)
    return Row(decision, own(sentence), note=f"{request.reason}{f', rule {rule}' if rule else ''}")


def _asker(request: ApprovalRequest) -> list[Row]:
    rows: list[Row] = []
    if request.requester:
        rows.append(Row(own("for"), one_line(request.requester, 120), note="as this session was opened"))
    if request.authorization_id is not None and not isinstance(request, EscalatedRequest):
        rows.append(Row(own("under"), one_line(request.authorization_id, 128), note="the authority's record"))
    return rows


def opens(request: ApprovalRequest) -> Section:
    """Return what a yes opens, as far as it could be checked (design G13)."""
    scope = joined(['"', one_line(request.scope, 120), '"']) if request.scope else own("this permission")
    window = f"for {ttl_for(request)} s" if request.kind == "confirm" else "once"
    match request.verification:
        case Verification.MATCHED if is_hidden(request):
            text = own("one call of this tool, with arguments that you cannot see, once")
            note, warning = _CHECKED, True
        case Verification.MATCHED:
            text = own("only this call, with these arguments, once")
            note, warning = _CHECKED, False
        case Verification.UNBOUND:
            text = joined(["NOT ONLY THIS CALL: every use of ", scope, f" with any arguments, {window}"])
            note, warning = _CHECKED, True
        case Verification.UNVERIFIABLE:
            text = own(f"perhaps more than this call: any use of the tool, {window}")
            note, warning = "the authority cannot say; this rests on the server's word", True
    return Section(own("A YES OPENS"), (Row(Shown(), text, note=note, warning=warning),))


def approver(request: ApprovalRequest) -> Section:
    """Return who must approve an escalation, and who says so."""
    more = approval_rows(request) if isinstance(request, EscalatedRequest) else ()
    if request.escalation_to is None:
        return Section(own("WHO MUST APPROVE"), (Row(Shown(), own("nobody is named"), warning=True), *more))
    name = joined(['"', one_line(request.escalation_to, 120), '"'])
    if isinstance(request, EscalatedRequest):
        note = "you, by the key that is used here"
    elif request.may_resolve:
        note = "you: this session was opened as this approver"
    elif request.verification is Verification.UNVERIFIABLE:
        note = "the name is the server's word"
    else:
        note = _CHECKED
    return Section(own("WHO MUST APPROVE"), (Row(Shown(), name, note=note, alone=name.right_to_left), *more))


def server_words(request: ApprovalRequest, *, revealed: bool) -> tuple[Section, ...]:
    """Return what the server says, short enough for the card: first of the tool, last its own question."""
    of_tool = tool_words(request.tool, revealed=revealed, brief=True)
    hint = hint_words(request, revealed=revealed, brief=True)
    said = (
        Section(own(TOOL_HEADING), of_tool, quoted=True, max_lines=MAX_TOOL_LINES),
        Section(own(HINT_HEADING), hint, quoted=True, max_lines=MAX_SERVER_LINES),
    )
    return tuple(section for section in said if section.rows)


def hint_words(request: ApprovalRequest, *, revealed: bool, brief: bool = False) -> tuple[Row, ...]:
    """Return the server's own text for the question, as rows of a quoted section."""
    return _words(request.prompt_hint or "", MAX_SERVER_LINES if brief else 0, revealed=revealed)


def tool_words(tool: ToolInfo, *, revealed: bool, brief: bool = False) -> tuple[Row, ...]:
    """Return badges, title and description of a tool, as rows of a quoted section."""
    rows: list[Row] = []
    badges = [f"[{badge.text}]" for badge in badges_of(tool.annotations)]
    if badges:
        rows.append(line_row(own(" ".join(filter(None, [*badges, contradiction(tool.annotations)])))))
    if tool.title and tool.title != tool.name:
        rows.append(line_row(joined(["title: ", *masked_text(tool.title[:MAX_TITLE_CHARACTERS])[0]])))
    return (*rows, *_words(tool.description or "", MAX_TOOL_LINES if brief else 0, revealed=revealed))


def _words(text: str, lines: int, *, revealed: bool) -> tuple[Row, ...]:
    if not text:
        return ()
    if lines:  # one more than fit, so that the layout says that there is more
        shown, _ = masked_block(text, revealed=revealed, max_lines=lines + 1, limit=MAX_SERVER_CHARACTERS)
    else:
        shown, _ = masked_block(text, revealed=revealed)
    return tuple(line_row(line) for line in shown)
