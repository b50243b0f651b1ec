"""The approval card as a form of MCP: plain text, and one choice without a default.

Nothing that a host fills in, or sends on, by itself is a yes: the first choice is the one that approves nothing,
and for dangerous calls a word must be typed besides.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from allowly_harness.bridge.eras import Wire
from allowly_harness.display.card import Card, build_card, full_view
from allowly_harness.display.layout import lay_out, lay_out_sections, text_of
from allowly_harness.protocol.models import Answer, ApprovalRequest

WIDTH: Final = 100
"""How wide the text is laid out, in columns."""

MAX_MESSAGE_CHARACTERS: Final = 32 * 1024
"""Longest message; a question that is longer is not asked by the host."""

DENY: Final = "deny"
APPROVE: Final = "approve"
LATER: Final = "leave it open"
WAIT: Final = "wait for the approver"
WITHDRAW: Final = "take the call back"


def form_for(request: ApprovalRequest, note: str = "") -> Wire | None:
    """Return the params of `elicitation/create`; `None` if the question is too long.

    Args:
        request: The question.
        note: Why it is asked again.
    """
    card = build_card(request)
    message = _message(request, card, note)
    if len(message) > MAX_MESSAGE_CHARACTERS:
        return None
    decides = _decides(request)
    choices = [DENY, APPROVE] if decides else [LATER, WAIT, WITHDRAW]
    properties: Wire = {"decision": {"type": "string", "title": "Decision", "enum": choices}}
    if decides and card.word:
        properties["word"] = {
            "type": "string",
            "title": "Word",
            "description": f"This call is dangerous. To approve it, type: {card.word}",
        }
    return {
        "message": message,
        "requestedSchema": {"type": "object", "properties": properties, "required": ["decision"]},
    }


def _message(request: ApprovalRequest, card: Card, note: str) -> str:
    parts = [note, request.note, card.title, text_of(lay_out(card, WIDTH))]
    if card.folded:
        parts.append(text_of(lay_out_sections(full_view(request), WIDTH)))
    parts.append(f"The question ends at {request.expires_at.astimezone():%H:%M:%S %Z}.")
    return "\n\n".join(part for part in parts if part)


def _decides(request: ApprovalRequest) -> bool:
    """Tell whether the person here decides, and not somebody else."""
    return request.kind == "confirm" or request.may_resolve


def is_wrong_word(said: Wire, request: ApprovalRequest) -> bool:
    """Tell whether a yes lacks the word that this call wants."""
    word = build_card(request).word
    return _decides(request) and _chosen(said) == APPROVE and bool(word) and _value(said, "word").strip() != word


def answer_in(said: Wire, request: ApprovalRequest) -> Answer:
    """Return what a host's answer means. What is unclear closes the question without an answer."""
    decides = _decides(request)
    match said.get("action"), _chosen(said):
        case "accept", "approve" if decides and not is_wrong_word(said, request):
            return Answer.approve(ttl_seconds=build_card(request).ttl_seconds)
        case ("accept", "deny") | ("decline", _) if decides:
            return Answer.deny()
        case "accept", choice if not decides and choice == LATER:
            return Answer.defer()
        case "accept", choice if not decides and choice == WAIT:
            return Answer.wait()
        case _:
            return Answer.cancel()


def _chosen(said: Wire) -> str:
    return _value(said, "decision") if said.get("action") == "accept" else ""


def _value(said: Wire, name: Literal["decision", "word"]) -> str:
    content: Any = said.get("content")
    value = content.get(name) if isinstance(content, dict) else None
    return value if isinstance(value, str) else ""
