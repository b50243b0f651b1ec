"""What a server asks a person for while a tool runs: values for a form, or a visit to a web page.

It is no approval: nothing is posted to the authority, and the server's words are all that there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Self

from allowly_harness.protocol.models import ServerInfo


@dataclass(frozen=True, slots=True)
class ElicitationRequest:
    """One request of a server (MCP, `elicitation/create`).

    Attributes:
        server: Who asks, in our words.
        message: Why, in the server's words.
        mode: "form" asks for values, "url" for a visit to a web page.
        schema: JSON Schema of the values; empty in mode "url".
        url: The page; `None` in mode "form". Foreign text: shown whole, opened only when a person says so.
        note: Why the request comes again, in our words; empty the first time.
        draft: The values that the person sent and that could not be used; a form begins with them.
    """

    server: ServerInfo
    message: str
    mode: Literal["form", "url"] = "form"
    schema: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    url: str | None = None
    note: str = ""
    draft: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ElicitationReply:
    """What the person did. Silence is `cancel`, never `accept`.

    Attributes:
        content: The values of a form that was sent; `None` otherwise.
    """

    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, Any] | None = None

    @classmethod
    def accept(cls, content: Mapping[str, Any] | None = None) -> Self:
        """Send the values, or agree to the visit."""
        return cls("accept", content)

    @classmethod
    def decline(cls) -> Self:
        """Refuse."""
        return cls("decline")

    @classmethod
    def cancel(cls) -> Self:
        """Close the request without an answer."""
        return cls("cancel")
