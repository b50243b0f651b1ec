"""Reads a decision out of a tool result: every documented shape, and nothing else.

A tool can forge any of these shapes, so a decision read here says where to look, not what is true
(design G9, G13). The rules are those of the contract, section 5.3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from allowly_harness.protocol.effects import ToolReply

MAX_DECISION_CHARACTERS: Final = 64 * 1024
"""Longer texts are not read as decisions; a real one has a few hundred characters."""

MAX_ID_CHARACTERS: Final = 256
"""The contract's limit for nonces and ids."""

MAX_TEXT_CHARACTERS: Final = 4096
"""How much of a hint, reason or target is kept; screens cut further."""

CONFIRM_LIFE: Final = timedelta(minutes=5)
"""The longest life of a confirmation (contract, 2.3); no server can make a question live longer."""

ASSUMED_CONFIRM_LIFE: Final = CONFIRM_LIFE - timedelta(seconds=15)
"""Life of a confirmation whose expiry was not sent: the contract's, less a margin for the way here."""

ESCALATION_LIFE: Final = timedelta(hours=24)
"""The longest life of an escalation, and the assumed one where the expiry was not sent."""

_ID: Final = re.compile(rf"[A-Za-z0-9_.~:-]{{1,{MAX_ID_CHARACTERS}}}")
_DOTS: Final = frozenset({".", ".."})
# The contract's pattern for a bare reason, with one more demand: an underscore, which every known
# code has. A tool that fails with the single word "timeout" was not denied, and may have run.
_REASON: Final = re.compile(r"(?=[^_]*_)[a-z][a-z0-9_]{2,63}")
_BARE_KEYS: Final = {
    "deny": {"decision", "reason"},
    "confirm": {"decision", "reason", "confirm_nonce", "confirm_prompt_hint"},
    "escalate": {"decision", "reason", "escalation_id", "escalation_to", "escalation_expires_at"},
}


@dataclass(frozen=True, slots=True)
class Deny:
    """The policy said no."""

    reason: str
    unavailable: bool = False


@dataclass(frozen=True, slots=True)
class Confirm:
    """The person here must say yes."""

    nonce: str = field(repr=False)
    reason: str
    prompt_hint: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Escalate:
    """A third party must approve."""

    escalation_id: str = field(repr=False)
    reason: str
    escalation_to: str | None
    expires_at: datetime


Decision: TypeAlias = Deny | Confirm | Escalate


def read_decision(reply: ToolReply, tool: str, *, accept_bare: bool = False) -> Decision | None:
    """Return the decision that a tool result carries, or `None` if it is an ordinary result.

    Args:
        reply: The result, as it came.
        tool: The tool's name, for the two exact prefixes that SDKs put before an error.
        accept_bare: Read a decision out of a *successful* result too, if the whole of it has one of
            the bare shapes. Only for servers that are configured so: any tool may return such data.

    Returns:
        The decision. One without a usable id, or with ambiguous JSON, is a `Deny`.
    """
    if not reply.is_error:
        return _bare(reply) if accept_bare else None
    for text in reply.texts:
        decision = _from_text(text, tool, reply.received_at)
        if decision is not None:
            return decision
    return _from_structured(reply)


def _from_structured(reply: ToolReply) -> Decision | None:
    payload = reply.structured
    if not isinstance(payload, Mapping):
        return None
    decision = _from_object(payload, reply.received_at)
    inner = payload.get("result")
    if decision is None and isinstance(inner, Mapping):
        return _from_object(inner, reply.received_at)
    return decision


def _bare(reply: ToolReply) -> Decision | None:
    """Read the bare-dict variant: the whole result is the object, nothing beside it."""
    payload = reply.structured
    if payload is None and len(reply.texts) == 1:
        payload = _parse(reply.texts[0])
    if not isinstance(payload, Mapping):
        return None
    kind = payload.get("decision")
    keys = _BARE_KEYS.get(kind) if isinstance(kind, str) else None
    if keys is None or set(payload) != keys:
        return None
    return _from_object(payload, reply.received_at)


def _from_text(text: str, tool: str, received_at: datetime) -> Decision | None:
    if len(text) > MAX_DECISION_CHARACTERS:
        return None
    text = text.strip()
    if _REASON.fullmatch(text):
        return Deny(text)
    for prefix in (f"Error executing tool {tool}: ", f"Error calling tool '{tool}': "):
        text = text.removeprefix(prefix)
    payload = _parse(text)
    if payload is _AMBIGUOUS:
        return Deny("malformed_decision")
    return _from_object(payload, received_at) if isinstance(payload, Mapping) else None


class _Ambiguous:
    """A decision whose JSON names something twice: two readers would see two decisions."""


_AMBIGUOUS: Final = _Ambiguous()


def _parse(text: str) -> Any:
    if not text.startswith("{"):
        return None
    doubled = False

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        found = dict(pairs)
        doubled = doubled or len(found) != len(pairs)
        return found

    try:
        payload = json.loads(text, object_pairs_hook=unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if doubled:
        # The error of a tool that ran may be untidy JSON too; only a decision is denied for it.
        return _AMBIGUOUS if "decision" in payload else None
    return payload


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _from_object(payload: Mapping[Any, Any], received_at: datetime) -> Decision | None:
    kind, reason = payload.get("decision"), payload.get("reason")
    if kind not in ("deny", "confirm", "escalate") or not isinstance(reason, str):
        return None
    reason = reason[:MAX_TEXT_CHARACTERS]
    if kind == "deny":
        return Deny(reason, unavailable=reason.startswith("fallback_closed_"))
    if kind == "confirm":
        return _confirm(payload, reason, received_at)
    return _escalate(payload, reason, received_at)


def _confirm(payload: Mapping[Any, Any], reason: str, received_at: datetime) -> Decision:
    nonce = _usable_id(payload.get("confirm_nonce"))
    if nonce is None:
        return Deny("malformed_decision")
    sent = _moment(payload.get("confirm_expires_at"))
    expires_at = min(sent, received_at + CONFIRM_LIFE) if sent else received_at + ASSUMED_CONFIRM_LIFE
    return Confirm(nonce, reason, _text(payload.get("confirm_prompt_hint")), expires_at)


def _escalate(payload: Mapping[Any, Any], reason: str, received_at: datetime) -> Decision:
    escalation_id = _usable_id(payload.get("escalation_id"))
    if escalation_id is None:
        return Deny("malformed_decision")
    latest = received_at + ESCALATION_LIFE
    expires_at = min(_moment(payload.get("escalation_expires_at")) or latest, latest)
    return Escalate(escalation_id, reason, _text(payload.get("escalation_to")), expires_at)


def _usable_id(value: Any) -> str | None:
    if not isinstance(value, str) or value in _DOTS or _ID.fullmatch(value) is None:
        return None
    return value


def _text(value: Any) -> str | None:
    return value[:MAX_TEXT_CHARACTERS] if isinstance(value, str) and value else None


def _moment(value: Any) -> datetime | None:
    """Read an RFC 3339 time; anything else counts as not sent."""
    if not isinstance(value, str) or len(value) > 64:  # noqa: PLR2004 - RFC 3339 needs about 35
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
