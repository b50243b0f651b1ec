"""What a grant says: for which calls, bound to what, and until when. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from allowly_authority.binding import canonical_json
from allowly_harness.protocol.models import ApprovalRequest, ServerInfo, ToolCall, ToolInfo

MAX_MINUTES: Final = 1440
"""The longest life of a grant, in minutes: a day, also of one that ends with its session or its uses."""

MAX_USES: Final = 100
"""How often a grant may answer at most."""

IN_MEMORY: Final = "in memory"
"""How a server is reached that runs in this very program; see `ServerInfo`."""


class Scope(StrEnum):
    """How wide a rule is, narrowest first."""

    CALL = "call"
    """Exactly this call."""
    VALUES = "values"
    """This tool with these values of some arguments, and any of others that are named."""
    TOOL = "tool"
    """This tool with any arguments."""


@dataclass(frozen=True, slots=True)
class Rule:
    """For which calls of one tool a grant answers.

    Attributes:
        scope: How wide it is.
        arguments: Canonical JSON of what must be equal: all arguments of a call, or those that were chosen.
        others: For `Scope.VALUES`: the arguments that may have any value. An argument that stands in
            neither fits no call.

    Raises:
        ValueError: It makes no sense: values without an argument, or an argument that stands in both.
    """

    scope: Scope
    arguments: str = "{}"
    others: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fixed = self.fixed
        if self.scope is Scope.VALUES and not fixed:
            raise ValueError("a rule for argument values names one at least")
        if self.scope is not Scope.VALUES and self.others:
            raise ValueError("only a rule for argument values names arguments that may have any value")
        if self.scope is Scope.TOOL and fixed:
            raise ValueError("a rule for a tool names no arguments")
        if set(fixed) & set(self.others):
            raise ValueError("an argument has one value, or any")

    @property
    def fixed(self) -> dict[str, Any]:
        """The arguments that must be equal.

        Raises:
            ValueError: They are no JSON object.
        """
        value: Any = json.loads(self.arguments)
        if not isinstance(value, dict):
            raise ValueError("the arguments of a rule are no object")  # noqa: TRY004 - a broken file, as any other bad value
        return {str(name): held for name, held in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]

    @classmethod
    def exactly(cls, call: ToolCall) -> Self:
        """Return the rule for this very call."""
        return cls(Scope.CALL, call.canonical)

    @classmethod
    def values(cls, call: ToolCall, chosen: Iterable[str]) -> Self:
        """Return the rule for calls in which the chosen arguments are as in this one, and the others are any.

        Raises:
            ValueError: None is chosen, or one that the call does not have.
        """
        payload, names = call.payload(), set(chosen)
        if names - set(payload):
            raise ValueError("the call has no argument of that name")
        fixed = {name: value for name, value in payload.items() if name in names}
        return cls(Scope.VALUES, canonical_json(fixed), tuple(sorted(set(payload) - names)))

    @classmethod
    def any_call(cls) -> Self:
        """Return the rule for all calls of the tool."""
        return cls(Scope.TOOL)

    def fits(self, call: ToolCall) -> bool:
        """Tell whether a call of the tool is one that it is for."""
        match self.scope:
            case Scope.TOOL:
                return True
            case Scope.CALL:
                return call.canonical == self.arguments
            case Scope.VALUES:
                return self._values_fit(call.payload())

    def _values_fit(self, payload: Mapping[str, Any]) -> bool:
        fixed = self.fixed
        # Compared as canonical JSON: in Python `1 == True`, and 1 and 1.0 are the same JSON number.
        equal = {name: canonical_json([value]) for name, value in fixed.items()}
        same = all(name in payload and canonical_json([payload[name]]) == value for name, value in equal.items())
        return same and set(payload) <= set(fixed) | set(self.others)


@dataclass(frozen=True, slots=True)
class Ends:
    """When a grant ends; one of them at least. The first that comes counts, and a day in any case.

    Attributes:
        minutes: How long it lives, 1 to `MAX_MINUTES`.
        uses: How often it answers, 1 to `MAX_USES`.
        session: Whether it ends with the program in which it was given.

    Raises:
        ValueError: None is given, or one is out of range.
    """

    minutes: int | None = None
    uses: int | None = None
    session: bool = False

    def __post_init__(self) -> None:
        if self.minutes is None and self.uses is None and not self.session:
            raise ValueError("a grant ends after minutes, after uses, or with the session")
        if self.minutes is not None and not 1 <= self.minutes <= MAX_MINUTES:
            raise ValueError(f"a grant lives 1 to {MAX_MINUTES} minutes")
        if self.uses is not None and not 1 <= self.uses <= MAX_USES:
            raise ValueError(f"a grant answers 1 to {MAX_USES} times")

    @property
    def life_ms(self) -> int:
        """How long it lives at most, in milliseconds."""
        return (self.minutes or MAX_MINUTES) * 60_000


@dataclass(frozen=True, slots=True)
class Binding:
    """What a grant is bound to, and what a question must share with it to the letter.

    Attributes:
        server: The server's name, in our words.
        configured: How it is reached; see `reached_from`.
        tool: The tool's name.
        definition: Of what the server says of the tool; see `definition_of`.
        authority: Which authority answers are posted to.
        authorization: Under which authorization the call is made.
        granted_by: Whose yes it was.
    """

    server: str
    configured: str
    tool: str
    definition: str
    authority: str
    authorization: str
    granted_by: str

    @classmethod
    def of(cls, request: ApprovalRequest, *, authority: str, granted_by: str, folder: str = "") -> Self:
        """Return the binding of a question, asked in a folder."""
        return cls(
            server=request.server.name,
            configured=reached_from(folder, request.server),
            tool=request.call.tool,
            definition=definition_of(request.tool),
            authority=authority,
            authorization=request.authorization_id or "",
            granted_by=granted_by,
        )


def reached_from(folder: str, server: ServerInfo) -> str:
    """Return how a server is reached from a folder.

    `python server.py` is another program in another folder, and so may be whatever `npx` or `python -m` starts.
    """
    configured = server.configured
    if not configured or not folder or configured == IN_MEMORY or configured.startswith(("http://", "https://")):
        return configured
    return f"{configured} in {folder}"


def definition_of(tool: ToolInfo) -> str:
    """Return the SHA-256 of all that a server says of a tool, in hexadecimal; empty where it says nothing.

    Raises:
        ValueError: What it says cannot be written as canonical JSON.
    """
    said = [tool.title, tool.description, tool.annotations, tool.input_schema, tool.output_schema]
    if not any(said):
        return ""
    return hashlib.sha256(canonical_json([tool.name, *said]).encode()).hexdigest()
