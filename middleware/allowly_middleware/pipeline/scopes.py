"""The verbs of registration, the same on the pipeline and on every narrower scope of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar, overload

from allowly_middleware.pipeline.events import EventFn
from allowly_middleware.pipeline.handlers import Handler, Registered, registered
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.patterns import Pattern

_HandlerT = TypeVar("_HandlerT", bound=Handler)
_EventT = TypeVar("_EventT", bound=EventFn)


class Register(Protocol):
    """Where registrations go."""

    def add(
        self,
        handler: Registered,
        *,
        operation: Operation | None,
        pattern: Pattern | None,
        server: str | None,
        groups: tuple[str, ...],
    ) -> None:
        """Put a handler behind all that are there."""
        ...

    def listen(
        self, name: str, handler: EventFn, *, server: str | None, tool: Pattern | None, groups: tuple[str, ...]
    ) -> None:
        """Register an observer."""
        ...


class Scope:
    """Registers handlers for a part of what passes.

    Each verb is called with the handler, or stands as a decorator over it.

    Args:
        register: Where registrations go.
        server: The one server they are for; `None` for all.
        groups: The groups that the subject must be in, all of them.
    """

    def __init__(self, register: Register, *, server: str | None = None, groups: tuple[str, ...] = ()) -> None:
        self._register = register
        self._server = server
        self._groups = groups

    def server(self, name: str) -> Scope:
        """Return the scope of one server, by its exact name.

        Raises:
            ValueError: The name is blank, or this is the scope of another server already.
        """
        if not isinstance(name, str) or not name.strip():  # pyright: ignore[reportUnnecessaryIsInstance] - the author's code may be untyped
            raise ValueError("a server's name must not be blank")
        if self._server not in {None, name}:
            raise ValueError(f"this is the scope of the server {self._server!r}; {name!r} would never be reached")
        return Scope(self._register, server=name, groups=self._groups)

    def group(self, group: str) -> Scope:
        """Return the scope of the members of a group. Scopes within scopes ask for all of their groups.

        Raises:
            ValueError: The group's name is blank.
        """
        if not isinstance(group, str) or not group.strip():  # pyright: ignore[reportUnnecessaryIsInstance] - the author's code may be untyped
            raise ValueError("a group's name must not be blank")
        return Scope(self._register, server=self._server, groups=(*self._groups, group))

    def use(self, handler: _HandlerT) -> _HandlerT:
        """Register a handler for every named operation; `Operation.OTHER` is registered by its name only.

        Raises:
            TypeError: It is no handler.
        """
        self._add(handler)
        return handler

    @overload
    def tool(self, pattern: str | Pattern) -> Callable[[_HandlerT], _HandlerT]: ...
    @overload
    def tool(self, pattern: str | Pattern, handler: _HandlerT) -> _HandlerT: ...
    def tool(self, pattern: str | Pattern, handler: Handler | None = None) -> object:
        """Register a handler for the calls of some tools.

        Args:
            pattern: Such as "github.create_issue", "github.*" or "*.search_*"; in the scope of a server the
                tool alone is enough.
            handler: The handler; leave it out to decorate.

        Raises:
            PatternError: It is no pattern, or names another server than the scope's.
            TypeError: It is no handler.
        """
        parsed = self._parsed(pattern)
        if handler is not None:
            return self._add(handler, operation=Operation.TOOL_CALL, pattern=parsed)
        return partial(self._add, operation=Operation.TOOL_CALL, pattern=parsed)

    @overload
    def operation(self, operation: Operation | str) -> Callable[[_HandlerT], _HandlerT]: ...
    @overload
    def operation(self, operation: Operation | str, handler: _HandlerT) -> _HandlerT: ...
    def operation(self, operation: Operation | str, handler: Handler | None = None) -> object:
        """Register a handler for one operation, and for no other.

        Args:
            operation: Such as "resource:read".
            handler: The handler; leave it out to decorate.

        Raises:
            ValueError: There is no such operation.
            TypeError: It is no handler.
        """
        try:
            named = Operation(operation)
        except ValueError:
            names = ", ".join(one.value for one in Operation)
            raise ValueError(f"there is no operation {operation!r}; there are {names}") from None
        if handler is not None:
            return self._add(handler, operation=named)
        return partial(self._add, operation=named)

    @overload
    def on(self, name: str, *, tool: str | Pattern | None = None) -> Callable[[_EventT], _EventT]: ...
    @overload
    def on(self, name: str, handler: _EventT, *, tool: str | Pattern | None = None) -> _EventT: ...
    def on(self, name: str, handler: EventFn | None = None, *, tool: str | Pattern | None = None) -> object:
        """Register an observer of an event, which can change nothing.

        Args:
            name: One of `EVENTS`, such as "tool:success".
            handler: A function of one `Event`; leave it out to decorate.
            tool: The tools it is for; by default all.

        Raises:
            ValueError: There is no such event, or the pattern is none.
            TypeError: It cannot be called.
        """
        parsed = None if tool is None else self._parsed(tool)

        def listen(listener: _EventT) -> _EventT:
            self._register.listen(name, listener, server=self._server, tool=parsed, groups=self._groups)
            return listener

        return listen if handler is None else listen(handler)

    def _parsed(self, pattern: str | Pattern) -> Pattern:
        return pattern if isinstance(pattern, Pattern) else Pattern.parse(pattern, server=self._server)

    def _add(
        self, handler: _HandlerT, *, operation: Operation | None = None, pattern: Pattern | None = None
    ) -> _HandlerT:
        self._register.add(
            registered(handler), operation=operation, pattern=pattern, server=self._server, groups=self._groups
        )
        return handler
