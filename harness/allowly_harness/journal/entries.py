"""One entry of the journal, and the digest that ties it to the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from allowly_authority.binding import canonical_json

FIRST_PREVIOUS: Final = bytes(32)
"""What the first entry of a journal follows."""

MAX_TEXT_CHARACTERS: Final = 500
"""The longest text of a fact that is kept; servers word some of them."""

MADE: Final = "made"
"""The fact of the first entry that says which program makes the call, where it is another one."""

ELSEWHERE: Final = "elsewhere"
"""Its value in an approver's journal: another program asked, and makes the call."""

_CHAIN_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A step of a call, as it was written down.

    Attributes:
        seq: Counts the entries of a journal, from 1, without gaps.
        at_ms: When, in milliseconds since 1970, by this computer's clock.
        program: Which run of a harness wrote it.
        conversation: All entries of one call share it.
        step: As `protocol.effects.Record` names it.
        server: The server's name, as the session was told it.
        tool: The tool's name.
        call_digest: Of server, tool and arguments; see `ToolCall.digest`.
        facts: Canonical JSON of what happened.
        previous: The digest of the entry before.
        digest: Of all the above.
    """

    seq: int
    at_ms: int
    program: str
    conversation: str
    step: str
    server: str
    tool: str
    call_digest: str
    facts: str
    previous: bytes
    digest: bytes

    @property
    def at(self) -> datetime:
        """When, aware."""
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)

    def fact(self, name: str) -> Any:
        """Return one of the facts; `None` where it is not there."""
        return json.loads(self.facts).get(name)

    def chained(self) -> bytes:
        """Return the digest that an entry with these contents has."""
        return chain_digest(
            self.seq,
            self.at_ms,
            self.program,
            self.conversation,
            self.step,
            self.server,
            self.tool,
            self.call_digest,
            self.facts,
            self.previous.hex(),
        )

    def document(self) -> dict[str, Any]:
        """Return it as `journal export` writes it."""
        return {
            "seq": self.seq,
            "at": self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "program": self.program,
            "conversation": self.conversation,
            "step": self.step,
            "server": self.server,
            "tool": self.tool,
            "call_digest": self.call_digest,
            "facts": json.loads(self.facts),
            "previous": self.previous.hex(),
            "digest": self.digest.hex(),
        }


def chain_digest(*fields: int | str) -> bytes:
    """Return SHA-256 over the canonical JSON of an entry's contents, the digest before it among them."""
    return hashlib.sha256(canonical_json([_CHAIN_VERSION, *fields]).encode()).digest()


def facts_text(facts: Mapping[str, Any]) -> str:
    """Return facts as they are kept: canonical, each text cut at `MAX_TEXT_CHARACTERS`."""
    return canonical_json({name: _short(value) for name, value in facts.items()})


def storable(text: str) -> str:
    """Return a text as the file can keep it: servers may send lone surrogates, and U+0000."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def _short(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    kept = storable(value[:MAX_TEXT_CHARACTERS])
    return kept if len(value) <= MAX_TEXT_CHARACTERS else f"{kept}… ({len(value)} characters)"
