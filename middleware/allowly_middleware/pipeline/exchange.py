"""The seam between the pipeline and a server framework: one request, as an adapter hands it over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import Reply

if TYPE_CHECKING:
    from allowly_middleware.middleware import AllowlyMCPMiddleware


@dataclass(frozen=True, slots=True)
class Auth:
    """What the transport has verified of the caller. It never holds a credential.

    Attributes:
        authenticated: Whether a token was verified.
        user_id: Whom the token stands for: its subject, or the client where it has none.
        client_id: The OAuth client.
        strategy: How it was verified: "token", or "none".
        scopes: The scopes of the token.
        claims: Its other claims, as the server's verifier gave them.
    """

    authenticated: bool = False
    user_id: str | None = None
    client_id: str | None = None
    strategy: str = "none"
    scopes: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


NO_AUTH: Final = Auth()
"""Nothing was verified: stdio, connections in memory, HTTP without a token."""


@dataclass(frozen=True, slots=True)
class Transport:
    """How the request came.

    Attributes:
        type: "http" where there is an HTTP request, otherwise "unknown": stdio and memory look alike.
        session_id: The session of HTTP connections that have one.
        request_id: The JSON-RPC id; `None` inside of the process.
        protocol_version: The version of the protocol that the connection speaks.
        client_host: The address of whoever opened the HTTP connection: a proxy, where there is one.
        headers: The headers of the HTTP request, by their names in lower case. They may hold credentials.
    """

    type: str = "unknown"
    session_id: str | None = None
    request_id: str | None = None
    protocol_version: str | None = None
    client_host: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class Address(NamedTuple):
    """What a request is about, by the names that patterns use.

    Attributes:
        server: The server that serves it: a mounted one where the request goes there.
        target: The name there; as in `CallFacts`.
        public_server: The server that the client is connected to.
        public_target: The name that the client used.
    """

    server: str
    target: str | None
    public_server: str
    public_target: str | None

    @property
    def names(self) -> tuple[tuple[str, str | None], ...]:
        """All names of server and target that it is known under."""
        own, public = (self.server, self.target), (self.public_server, self.public_target)
        return (own,) if own == public else (own, public)


@dataclass(frozen=True, slots=True)
class Ask:
    """That somebody must say yes to a call.

    Attributes:
        facts: The call.
        reason: Why, as a code.
        message: Why, for people.
        approver: Who must say yes; `None` for the user.
        forced: Whether an answer of the authority that involves nobody is not enough.
        told: Whether the authority is told that somebody asks.
    """

    facts: CallFacts
    reason: str
    message: str
    approver: str | None = None
    forced: bool = True
    told: bool = True


class Exchange(Protocol):
    """One request. Adapters implement it."""

    operation: Operation
    method: str
    address: Address
    native: Any
    """The framework's own context."""

    @property
    def raw(self) -> Mapping[str, Any]:
        """The parameters of the request, with the protocol's own names. Not to be changed."""
        ...

    @property
    def arguments(self) -> Mapping[str, Any] | None:
        """The arguments of a tool or a prompt, as the caller sent them; `None` for other operations."""
        ...

    @property
    def auth(self) -> Auth:
        """What was verified of the caller."""
        ...

    @property
    def transport(self) -> Transport:
        """How the request came."""
        ...

    @property
    def request_state(self) -> str | None:
        """The state that a further leg of a call brings back; `None` on a first leg."""
        ...

    @property
    def is_further_leg(self) -> bool:
        """Whether it claims to bring input that an earlier leg of the same call asked for."""
        ...

    async def annotations(self) -> Mapping[str, Any]:
        """Return the annotations of the called tool as the server lists them; empty where it lists none."""
        ...

    async def addresses(self, operation: Operation, items: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
        """Return server and name of each item of a list, in order, as a request for it would be addressed."""
        ...

    async def forward(self, arguments: Mapping[str, Any] | None, *, frozen: bool) -> Reply:
        """Hand the request on to what stands behind the pipeline.

        Args:
            arguments: What it gets; `None` for what the caller sent.
            frozen: Whether this was decided on, so that nobody behind may change the call.

        Raises:
            Exception: Whatever the server answers other than by a result.
        """
        ...

    async def forward_asked(self, gate: AllowlyMCPMiddleware, arguments: Mapping[str, Any], ask: Ask) -> Reply:
        """Hand a tool call on through the gate, which answers where the authority does not allow it.

        Args:
            gate: Asks the authority.
            arguments: What the tool gets.
            ask: Why it is asked.
        """
        ...

    def adopt(self, answer: Any) -> Reply | None:
        """Return an answer of the framework's own kind as a reply; `None` for anything else."""
        ...
