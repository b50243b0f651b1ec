"""What a handler is given: one context for every operation, made anew for every request."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from allowly_middleware.pipeline.approval import ApprovalAnswers
from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import CONTINUE, Continue, Refusal, Reply, refused
from allowly_middleware.pipeline.probing import PolicyView

if TYPE_CHECKING:
    from allowly_middleware.pipeline.exchange import Auth, Exchange, Transport
    from allowly_middleware.pipeline.ports import PolicyLike
    from allowly_middleware.pipeline.routing import Entry
    from allowly_middleware.pipeline.subjects import Subject

HANDLER_LOGGER: Final = "allowly_middleware.handlers"
"""The logger behind `ctx.log`."""

MAX_GUIDANCE_CHARACTERS: Final = 16 * 1024
"""Most characters of guidance that one request may inject."""


@dataclass(frozen=True, slots=True)
class Named:
    """A server, a tool or a prompt.

    Attributes:
        name: Its name as patterns see it: that of a mounted server's tool without the namespace.
        public_name: Its name as the client uses it.
    """

    name: str
    public_name: str


@dataclass(frozen=True, slots=True)
class ResourceRef:
    """A resource.

    Attributes:
        uri: As patterns see it: that of a mounted server without the namespace.
        public_uri: As the client uses it.
    """

    uri: str
    public_uri: str


@dataclass(frozen=True, slots=True)
class CompletionRef:
    """What a completion is for.

    Attributes:
        ref_type: "ref/prompt" or "ref/resource".
        target: The prompt's name, or the resource's URI or its template.
        argument_name: The argument that is being typed.
        value: What was typed so far.
    """

    ref_type: str
    target: str
    argument_name: str
    value: str


class Context:
    """One request on its way through the pipeline.

    Attributes:
        operation: What it asks for.
        method: The JSON-RPC method.
        subject: Who calls; `ANONYMOUS` for nobody in particular, never `None`.
        state: Yours: shared by all handlers of this one request.
        policy: What the policy says of this request and would say of others.
        approval: Builds the answers of an `approve=` callback.
        matched: The registrations that the request passes, in order.
        native: The framework's own context.
    """

    __slots__ = (
        "_args",
        "_exchange",
        "ask",
        "guidance",
        "matched",
        "method",
        "operation",
        "policy",
        "ran",
        "refusal",
        "state",
        "subject",
    )

    def __init__(self, exchange: Exchange, subject: Subject, policy: PolicyLike | None) -> None:
        self._exchange = exchange
        self._args: Mapping[str, Any] | None = None
        self.operation = exchange.operation
        self.method = exchange.method
        self.subject = subject
        self.state: dict[str, Any] = {}
        self.policy = PolicyView(policy, subject)
        self.matched: tuple[Entry, ...] = ()
        self.guidance: list[str] = []
        self.refusal: Refusal | None = None
        self.ask: tuple[str, str | None] | None = None
        self.ran = False

    @property
    def native(self) -> Any:
        """The framework's own context: `mcp.server.ServerRequestContext` or `fastmcp.Context`."""
        return self._exchange.native

    @property
    def auth(self) -> Auth:
        """What the transport has verified of the caller."""
        return self._exchange.auth

    @property
    def transport(self) -> Transport:
        """How the request came."""
        return self._exchange.transport

    @property
    def request_id(self) -> str | None:
        """The JSON-RPC id, as text."""
        return self._exchange.transport.request_id

    @property
    def raw(self) -> Mapping[str, Any]:
        """The parameters of the request as they came. Not to be changed; `args` is there for that."""
        return self._exchange.raw

    @property
    def server(self) -> Named:
        """The server that serves the request."""
        address = self._exchange.address
        return Named(address.server, address.public_server)

    @property
    def tool(self) -> Named | None:
        """The tool that is called."""
        return self._named(Operation.TOOL_CALL)

    @property
    def prompt(self) -> Named | None:
        """The prompt that is asked for."""
        return self._named(Operation.PROMPT_GET)

    @property
    def resource(self) -> ResourceRef | None:
        """The resource that is read."""
        named = self._named(Operation.RESOURCE_READ)
        return None if named is None else ResourceRef(named.name, named.public_name)

    @property
    def completion(self) -> CompletionRef | None:
        """What a completion is for."""
        if self.operation is not Operation.COMPLETE:
            return None
        ref, argument = _mapping(self.raw.get("ref")), _mapping(self.raw.get("argument"))
        target = ref.get("name") or ref.get("uri") or ""
        parts = (ref.get("type", ""), target, argument.get("name", ""), argument.get("value", ""))
        return CompletionRef(*map(str, parts))

    @property
    def args(self) -> Any:
        """The arguments of a tool or a prompt: a dictionary of this request's own; `None` for other operations.

        What handlers make of it is what is decided on, and what the tool gets.
        """
        if self._args is None and self._exchange.arguments is not None:
            self._args = copy.deepcopy(dict(self._exchange.arguments))
        return self._args

    @args.setter
    def args(self, value: Mapping[str, Any]) -> None:
        if self._exchange.arguments is None:
            raise TypeError(f"{self.operation} has no arguments that could be changed")
        self._args = dict(value)

    @property
    def sent_arguments(self) -> Mapping[str, Any] | None:
        """The arguments as they stand now, without taking a copy of them. Not to be changed."""
        return self._exchange.arguments if self._args is None else self._args

    @property
    def args_were_read(self) -> bool:
        """Whether a handler looked at `args`, and may have changed them."""
        return self._args is not None

    @property
    def approval(self) -> ApprovalAnswers:
        """Builds the answers of an `approve=` callback."""
        return ApprovalAnswers()

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that knows the request: operation, server, target and subject stand in each record's `extra`."""
        facts = {"operation": str(self.operation), "server": self.server.name, "subject_id": self.subject.id}
        target = self._exchange.address.target
        return logging.LoggerAdapter(logging.getLogger(HANDLER_LOGGER), {**facts, "target": target})

    def deny(self, message: str, *, reason: str = "denied_by_middleware") -> Reply:
        """Refuse the request; for every operation.

        It is final from here on, returned or not: `next()` runs nothing any more.

        Args:
            message: Why, for the model and for people. It reaches the client.
            reason: Why, as a code.
        """
        return self._refuse(Refusal(message, reason=reason))

    def fail(self, code: int, message: str) -> Reply:
        """Refuse the request with a JSON-RPC code of your own, as `deny` does.

        Args:
            code: Not one of the protocol's or of the SDK's own; -32030 to -32059 are free.
            message: Why.
        """
        return self._refuse(Refusal(message, reason="failed_by_middleware", code=code, named=True))

    def go_on(self) -> Continue:
        """Return `CONTINUE`: nothing against this request, nothing to add."""
        return CONTINUE

    def require_approval(self, reason: str, *, approver: str | None = None) -> None:
        """Have this call approved before it runs, whatever the policy says short of a denial.

        Args:
            reason: Why, for whoever is asked.
            approver: Who must say yes; `None` for the user.
        """
        self.ask = (reason, approver)

    def inject(self, text: str) -> None:
        """Add guidance for the calling model to the answer, whatever it will be. Blank texts are left out."""
        room = MAX_GUIDANCE_CHARACTERS - sum(map(len, self.guidance))
        if text.strip() and room > 0:
            self.guidance.append(text[:room])

    def facts(self, arguments: Mapping[str, Any] | None, annotations: Mapping[str, Any] | None = None) -> CallFacts:
        """Return what policies, limits and observers look at.

        Args:
            arguments: The arguments, as far as they are known.
            annotations: The tool's annotations, as far as they are known.
        """
        address = self._exchange.address
        if self.operation is Operation.COMPLETE:
            # Which prompt or resource is completed is not in the target alone.
            arguments = self.raw
        return CallFacts(
            operation=self.operation,
            server=address.server,
            target=address.target,
            arguments=arguments,
            annotations={} if annotations is None else annotations,
            subject=self.subject,
            method=self.method,
        )

    def _named(self, operation: Operation) -> Named | None:
        address = self._exchange.address
        if self.operation is not operation or address.target is None:
            return None
        return Named(address.target, address.public_target or address.target)

    def _refuse(self, refusal: Refusal) -> Reply:
        self.refusal = refusal
        return refused(self.operation, refusal)

    def called_by(self, subject: Subject) -> None:
        """Note who calls; the pipeline does, before any handler runs."""
        self.subject = subject
        self.policy = PolicyView(self.policy.policy, subject)

    def __repr__(self) -> str:
        return f"<Context {self.operation} {self._exchange.address.server}.{self._exchange.address.target}>"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
