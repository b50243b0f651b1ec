"""What a tool call brought back, as inert text: the same for both front ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from allowly_authority.binding import canonical_json
from allowly_harness.display.card import Row, Section
from allowly_harness.display.sanitize import Shown, block, identifier, joined, one_line, own
from allowly_harness.display.values import full_arguments
from allowly_harness.protocol.models import APPROVAL_META, ApprovalOutcome

MAX_RESULT_BLOCKS: Final = 50
"""Most content blocks of one result that are shown; the rest is counted."""

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
    meta = getattr(result, "meta", None)
    approval = cast("Mapping[str, Any]", meta).get(APPROVAL_META) if isinstance(meta, Mapping) else None
    named = cast("Mapping[str, Any]", approval).get("outcome") if isinstance(approval, Mapping) else None
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


def result_sections(result: Any) -> tuple[Section, ...]:
    """Return a result as sections of quoted text.

    Texts are shown as text. Pictures, sounds and resources are named and measured, never opened.
    Structured content is shown where there is no text.
    """
    content = cast("Sequence[Any]", getattr(result, "content", None) or ())
    lines = [line for item in content[:MAX_RESULT_BLOCKS] for line in _block(item)]
    if len(content) > MAX_RESULT_BLOCKS:
        lines.append(own(f"... {len(content) - MAX_RESULT_BLOCKS:,} more blocks"))
    structured = getattr(result, "structured_content", None)
    if structured is not None and not any(line.text for line in lines):
        lines = list(_structured(structured))
    rows = tuple(Row(Shown(), line) for line in lines or [own("(empty)")])
    outcome = outcome_of(result)
    # What did not come from the tool is our own sentence, and must not pass for the server's.
    whose = "the server's words" if outcome is None or outcome in _RAN else "from allowly-harness, not from the server"
    return (Section(own(f"RESULT  ({whose})"), rows, quoted=True),)


def _block(item: Any) -> tuple[Shown, ...]:
    text = getattr(item, "text", None)
    if isinstance(text, str):
        return block(text)
    kind = identifier(str(getattr(item, "type", "unknown")))
    parts: list[Shown | str] = ["[", kind]
    mime = getattr(item, "mime_type", None)
    if isinstance(mime, str):
        parts += [" ", one_line(mime, 80)]
    data = getattr(item, "data", None)
    if isinstance(data, str):
        parts.append(f", {len(data):,} characters of base64")
    uri = getattr(item, "uri", None) or getattr(getattr(item, "resource", None), "uri", None)
    if uri is not None:
        parts += [" ", one_line(str(uri), 300)]
    return (joined([*parts, "]"]),)


def _structured(value: Any) -> tuple[Shown, ...]:
    try:
        if isinstance(value, Mapping):
            return full_arguments(cast("Mapping[str, Any]", value))
        return block(canonical_json(value))
    except ValueError as error:
        return (own("(structured content that cannot be shown: "), one_line(str(error), 200), own(")"))
