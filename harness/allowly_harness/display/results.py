"""What a tool call brought back, as inert text: the same for both front ends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from allowly_authority.binding import canonical_json
from allowly_harness.display.contents import (
    MAX_RESULT_BLOCKS,
    ResultImage,
    ResultLink,
    block_lines,
    blocks_of,
    images_of,
    links_of,
)
from allowly_harness.display.rows import Row, Section, line_row
from allowly_harness.display.sanitize import MAX_BLOCK_LINES, Shown, joined, one_line, own
from allowly_harness.display.values import json_rows
from allowly_harness.protocol.models import APPROVAL_META, ApprovalOutcome

__all__ = [
    "MAX_RESULT_BLOCKS",
    "ResultImage",
    "ResultLink",
    "images_of",
    "links_of",
    "outcome_of",
    "result_sections",
    "rounds_of",
    "word_for",
]

_WORDS: Final[Mapping[ApprovalOutcome, str]] = {
    ApprovalOutcome.ALLOWED: "ok",
    ApprovalOutcome.APPROVED: "approved",
    ApprovalOutcome.APPROVED_EDITED: "approved, edited",
    ApprovalOutcome.RESPONDED: "answered",
    ApprovalOutcome.DENIED_BY_POLICY: "DENIED by policy",
    ApprovalOutcome.DENIED_BY_PERSON: "DENIED by a person",
    ApprovalOutcome.EXPIRED: "EXPIRED",
    ApprovalOutcome.CANCELLED: "closed, no answer",
    ApprovalOutcome.UNATTENDED: "nobody to ask",
    ApprovalOutcome.DEFERRED: "left open",
    ApprovalOutcome.SUPERSEDED: "superseded",
    ApprovalOutcome.SPOOFED: "FORGED question",
    ApprovalOutcome.UNREACHABLE: "UNREACHABLE",
    ApprovalOutcome.TOO_MANY_ROUNDS: "too many rounds",
    ApprovalOutcome.UNKNOWN: "UNKNOWN, may have run",
}

_RAN: Final = frozenset({ApprovalOutcome.ALLOWED, ApprovalOutcome.APPROVED, ApprovalOutcome.APPROVED_EDITED})


def outcome_of(result: Any) -> ApprovalOutcome | None:
    """Read the outcome of a guarded call from a result's `_meta`; `None` for an ungated call."""
    named = _approval(result).get("outcome")
    try:
        return ApprovalOutcome(named) if isinstance(named, str) else None
    except ValueError:
        return None


def word_for(result: Any) -> str:
    """Say in one to four words how a call ended. Capitals mean that it did not go as it was wanted."""
    outcome = outcome_of(result)
    failed = bool(getattr(result, "is_error", False))
    if outcome is None:
        return "FAILED" if failed else "ok"
    if failed and outcome in _RAN:
        return f"{_WORDS[outcome]}, FAILED"
    return _WORDS[outcome]


def rounds_of(result: Any) -> int | None:
    """Read from a result's `_meta` how many questions a guarded call took; `None` if it does not say."""
    rounds = _approval(result).get("rounds")
    return rounds if isinstance(rounds, int) and not isinstance(rounds, bool) and rounds >= 0 else None


def result_sections(result: Any, *, revealed: bool = False) -> tuple[Section, ...]:
    """Return a result as sections: how it came about in our words, then what came back, quoted.

    Texts are shown as text, with what looks secret masked. Pictures, sounds and resources are named
    and measured, never opened. Structured content is shown as JSON where it is not the text again.

    Args:
        result: What `call_tool` returned, of any shape.
        revealed: Whether secrets are shown.
    """
    lines, masked = _content(result, revealed=revealed)
    structured = getattr(result, "structured_content", None)
    rows = [line_row(line) for line in lines]
    if structured is not None and not _repeats(result, structured):
        more, more_masked = _structured(structured, revealed=revealed)
        rows += [line_row(own("structured content:")), *more] if any(line.text for line in lines) else more
        masked += more_masked
    outcome = outcome_of(result)
    # What did not come from the tool is our own sentence, and must not pass for the server's.
    whose = "the server's words" if outcome is None or outcome in _RAN else "from allowly-harness, not from the server"
    hidden = f"  {masked} {'secret' if masked == 1 else 'secrets'} masked" if masked else ""
    quoted = Section(own(f"RESULT  ({whose}){hidden}"), tuple(rows or [line_row(own("(empty)"))]), quoted=True)
    return (*_approval_section(result), quoted)


def _approval(result: Any) -> Mapping[str, Any]:
    meta = getattr(result, "meta", None)
    approval = cast("Mapping[str, Any]", meta).get(APPROVAL_META) if isinstance(meta, Mapping) else None
    return cast("Mapping[str, Any]", approval) if isinstance(approval, Mapping) else {}


def _approval_section(result: Any) -> tuple[Section, ...]:
    if outcome_of(result) is None:
        return ()
    rounds = rounds_of(result)
    note = "" if rounds is None else f"{rounds} {'question' if rounds == 1 else 'questions'}"
    return (Section(Shown(), (Row(own("approval"), own(word_for(result)), note=note),)),)


def _content(result: Any, *, revealed: bool) -> tuple[list[Shown], int]:
    lines: list[Shown] = []
    masked = 0
    for item in blocks_of(result):
        shown, count = block_lines(item, revealed=revealed, max_lines=max(1, MAX_BLOCK_LINES - len(lines)))
        lines += shown
        masked += count
    over = len(cast("Sequence[Any]", getattr(result, "content", None) or ())) - MAX_RESULT_BLOCKS
    if over > 0:
        lines.append(own(f"... {over:,} more {'block' if over == 1 else 'blocks'}"))
    return lines, masked


def _repeats(result: Any, structured: Any) -> bool:
    """Tell whether the only block of a result is the text of its structured content, as servers send it."""
    blocks = blocks_of(result)
    text = getattr(blocks[0], "text", None) if len(blocks) == 1 else None
    if not isinstance(text, str):
        return False
    if isinstance(structured, Mapping) and list(cast("Mapping[str, Any]", structured)) == ["result"]:
        structured = cast("Mapping[str, Any]", structured)["result"]
    try:
        return text == structured or canonical_json(json.loads(text)) == canonical_json(structured)
    except (ValueError, RecursionError):
        return False


def _structured(value: Any, *, revealed: bool) -> tuple[list[Row], int]:
    try:
        canonical_json(value)  # also sets the limits for size and depth
    except ValueError as error:
        why = one_line(str(error), 200)
        return [line_row(joined(["(structured content that cannot be shown: ", why, ")"]))], 0
    rows, masked = json_rows(value, revealed=revealed)
    over = len(rows) - MAX_BLOCK_LINES
    more = [line_row(own(f"... {over:,} more lines"))] if over > 0 else []
    return [*rows[:MAX_BLOCK_LINES], *more], masked
