"""Events: for those who want to know what happens and must not change it.

A handler that should change something is registered with `use`, `tool` or `operation`. What an observer
gets is a copy, and what goes wrong in one is logged and changes nothing.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal

import anyio

from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.outcomes import Refusal, Reply
from allowly_middleware.pipeline.patterns import Pattern
from allowly_middleware.pipeline.subjects import Subject

logger = logging.getLogger(__name__)

OBSERVER_TIMEOUT_SECONDS: Final = 5.0
"""How long an asynchronous observer may take; the request waits for it."""

_PREFIXES: Final[Mapping[Operation, str]] = {
    Operation.TOOL_CALL: "tool",
    Operation.RESOURCE_READ: "resource",
    Operation.PROMPT_GET: "prompt",
    Operation.COMPLETE: "completion",
    Operation.TOOLS_LIST: "tools:list",
    Operation.RESOURCES_LIST: "resources:list",
    Operation.RESOURCE_TEMPLATES_LIST: "resource-templates:list",
    Operation.PROMPTS_LIST: "prompts:list",
    Operation.SESSION_START: "session:start",
}
_PHASES: Final = ("start", "success", "denied", "error", "after")
_APPROVALS: Final = ("approval:requested", "approval:decided", "approval:expired", "approval:pending")

EVENTS: Final = frozenset({f"{prefix}:{phase}" for prefix in _PREFIXES.values() for phase in _PHASES} | {*_APPROVALS})
"""The names of all events: `tool:start`, `resource:denied`, `tools:list:after`, `approval:requested`, ..."""

Outcome = Literal["success", "denied", "error"]


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        name: One of `EVENTS`.
        operation: What was asked for.
        server: The server that serves it.
        target: The tool's name, the resource's URI or the prompt's name; `None` for lists.
        subject: Who called.
        request_id: The JSON-RPC id, as text.
        refusal: Why it was refused; `None` where it was not.
        error: The type of the exception that ended the request.
        duration_ms: How long it took so far, in milliseconds.
        told: What else belongs to the event.
    """

    name: str
    operation: Operation
    server: str
    target: str | None
    subject: Subject
    request_id: str | None = None
    refusal: Refusal | None = None
    error: str | None = None
    duration_ms: float = 0.0
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])
    _arguments: Mapping[str, Any] | None = field(default=None, repr=False)
    _reply: Reply | None = field(default=None, repr=False)

    @cached_property
    def arguments(self) -> Any:
        """The arguments as they stood then: a copy."""
        return copy.deepcopy(self._arguments)

    @cached_property
    def data(self) -> Any:
        """The result in the words of the protocol: a copy. `None` before there is one."""
        return None if self._reply is None or self._reply.refusal is not None else copy.deepcopy(self._reply.data)


EventFn = Callable[[Event], Any]


@dataclass(frozen=True, slots=True)
class _Listener:
    handler: EventFn
    server: str | None
    tool: Pattern | None
    groups: tuple[str, ...]

    def wants(self, event: Event) -> bool:
        if self.server is not None and self.server != event.server:
            return False
        if self.tool is not None and (event.target is None or not self.tool.matches(event.server, event.target)):
            return False
        return all(event.subject.has_group(group) for group in self.groups)


class Emitter:
    """Tells listeners of events."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[_Listener]] = {}

    def __bool__(self) -> bool:
        return bool(self._listeners)

    def on(
        self,
        name: str,
        handler: EventFn,
        *,
        server: str | None = None,
        tool: Pattern | None = None,
        groups: tuple[str, ...] = (),
    ) -> None:
        """Register a listener.

        Raises:
            ValueError: There is no such event.
            TypeError: The handler cannot be called.
        """
        if name not in EVENTS:
            raise ValueError(f"there is no event {name!r}; there are {', '.join(sorted(EVENTS))}")
        if not callable(handler):
            raise TypeError(f"an event handler is a function of one Event, not a {type(handler).__name__}")
        self._listeners.setdefault(name, []).append(_Listener(handler, server, tool, groups))

    def hears(self, name: str) -> bool:
        """Tell whether anybody listens."""
        return name in self._listeners

    async def emit(self, event: Event) -> None:
        """Tell everybody who wants to know, one after another. Nothing is raised but cancellation."""
        for listener in self._listeners.get(event.name, ()):
            if not listener.wants(event):
                continue
            try:
                with anyio.fail_after(OBSERVER_TIMEOUT_SECONDS):
                    # One of its own for each, so that they cannot meddle with each other's copies.
                    answer = listener.handler(replace(event))
                    if inspect.isawaitable(answer):
                        await answer
            except Exception as error:  # noqa: BLE001 - an observer must not change what it observes
                name = getattr(listener.handler, "__qualname__", type(listener.handler).__qualname__)
                logger.error("the observer %s of %s ended in %s", name, event.name, type(error).__name__)  # noqa: TRY400 - its text may hold secrets


def event_name(operation: Operation, phase: str) -> str:
    """Return the name of an event; empty for operations that have none."""
    prefix = _PREFIXES.get(operation)
    return "" if prefix is None else f"{prefix}:{phase}"
