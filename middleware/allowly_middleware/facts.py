"""What is known of a call before it runs, and what the server's author may say about its check."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, cast

from allowly_authority.binding import canonical_json

Dialect = Literal["scopes", "actions"]
"""The words of the API: "scopes" of the documented API, "actions" of the newer SDKs."""


class _Bound(Enum):
    BOUND = "bound"


BOUND: Final = _Bound.BOUND
"""Stands for the resource that names this call with its arguments."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of one call before it runs. Callbacks receive it.

    Attributes:
        tool: The tool's name, as this server knows it.
        arguments: The arguments, chosen by the caller. Nothing in them is proof of anything.
        context: The framework's own context: `mcp.server.ServerRequestContext` or
            `fastmcp.Context`. Identity comes from here.
        continues: Whether the call claims to bring input that an earlier leg asked for.
        request_state: The state it brings back; `None` where it brings none.
        asked: What a policy in front of the gate has to say of it: it goes into the context of the check, over
            what `check_input_fn` gives.
    """

    tool: str
    arguments: Mapping[str, Any]
    context: Any = field(default=None, repr=False)
    continues: bool = False
    request_state: str | None = field(default=None, repr=False)
    asked: Mapping[str, Any] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        tool: object,
        arguments: object,
        *,
        context: Any = None,
        request_state: object = None,
        answers: object = None,
    ) -> CallFacts:
        """Take down a call from what a framework holds of it, however unchecked that is.

        Args:
            tool: The name in the request.
            arguments: The arguments in the request; `None` for none. They are copied: a caller in
                the same process may share them with the server and could change them during the check.
                A zero with a sign becomes the zero that the canonical form says was checked.
            context: The framework's own context.
            request_state: The state that the request brings back, if any.
            answers: The input that the request brings, if any.

        Raises:
            TypeError: There is no name, or the arguments are no mapping.
            ValueError: The arguments cannot be copied, so they cannot be JSON either.
        """
        if not isinstance(tool, str) or not isinstance(arguments, Mapping | None):
            raise TypeError("a call has a name and a mapping of arguments")
        try:
            own = copy.deepcopy(cast("Mapping[str, Any]", arguments or {}))
            drop_signs_of_zeros(own)
        except Exception as error:
            raise ValueError("the arguments cannot be copied") from error
        return cls(
            tool=tool,
            arguments=own,
            context=context,
            continues=request_state is not None or answers is not None,
            request_state=request_state if isinstance(request_state, str) else None,
        )


def drop_signs_of_zeros(arguments: Mapping[str, Any]) -> None:
    """Make each -0.0 a 0.0, in place: RFC 8785 writes both as 0, but a tool can tell them apart."""
    # A list of what is still to be seen in place of recursion: hostile arguments are deep, shared or circular.
    pending: list[Any] = [arguments]
    seen: set[int] = set()
    while pending:
        holder = pending.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        members: Any = enumerate(holder) if type(holder) is list else holder.items()
        for key, inner in members:
            if type(inner) in {dict, list}:
                pending.append(inner)
            elif isinstance(inner, float) and inner == 0.0:
                holder[key] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInput:
    """What `check_input_fn` may say about a check.

    Attributes:
        scope: The scope or action to ask for; `None` for the tool's name.
        resource: The exact target; `None` for none. The default names the call with its arguments
            where the gate binds arguments. Anything else loosens what an approval opens: any
            arguments that give the same resource.
        context: Facts for the policy, at most 4 KiB as canonical JSON.
        session_id: A label for the receipt.
    """

    scope: str | None = None
    resource: str | Literal[_Bound.BOUND] | None = BOUND
    context: Mapping[str, Any] | None = None
    session_id: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether every field has the type that it promises; the author's code may not be typed."""
        resource = None if self.resource is BOUND else self.resource
        fields: dict[str, Any] = {"scope": self.scope, "resource": resource, "session_id": self.session_id}
        texts_fit = all(value is None or (isinstance(value, str) and value.strip()) for value in fields.values())
        try:
            canonical_json({} if self.context is None else dict(self.context))
        except (TypeError, ValueError):
            return False
        return texts_fit


UserIdFn = Callable[[CallFacts], str | Awaitable[str | None] | None]
AuthorizationIdFn = Callable[[str], str | Awaitable[str | None] | None]
CheckInputFn = Callable[[CallFacts], CheckInput | Awaitable[CheckInput]]
