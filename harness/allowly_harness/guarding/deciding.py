"""What decides in a guard: the pipeline of the middleware, with a policy in it and the authority behind it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import mcp_types as types
from mcp import MCPError
from mcp.server import Server
from mcp.server.context import CallNext, HandlerResult

from allowly_harness.bridge.host import Context
from allowly_harness.guarding.authorizations import Authorizations, Question
from allowly_harness.guarding.definitions import Watch
from allowly_middleware import AllowlyMCPMiddleware
from allowly_middleware.facts import CallFacts
from allowly_middleware.pipeline.pipeline import Pipeline
from allowly_middleware.pipeline.ports import PolicyLike
from allowly_middleware.pipeline.subjects import Subject

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

CHECK_TIMEOUT_SECONDS: Final = 5.0
"""How long one check may take. A person is asked next, so that a slow answer is better than none."""

FORWARDED: Final = frozenset(
    {
        *("initialize", "server/discover", "ping", "logging/setLevel", "completion/complete"),
        *("tools/list", "tools/call", "prompts/list", "prompts/get"),
        *("resources/list", "resources/read", "resources/templates/list"),
        *("resources/subscribe", "resources/unsubscribe", "subscriptions/listen"),
        *("tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "tasks/update"),
    }
)
"""The requests that reach the server. Nobody knows what another one does, so that no policy could be for it."""

TOLD: Final = frozenset(
    {
        *("notifications/initialized", "notifications/cancelled", "notifications/progress"),
        *("notifications/roots/list_changed", "notifications/tasks/status"),
    }
)
"""The notifications that reach the server. A call that is sent as one asks for nothing that could be decided on."""

LISTS: Final = ("tools", "resources", "prompts")
"""What a server may offer lists of, by the names of its capabilities."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """Whom a guard stands in front of, and for whom.

    Attributes:
        server: What the server is called in the policy.
        user: Who is asked about what is to be confirmed, as the authority knows them.
        groups: The groups of the user, for the policy.
    """

    server: str
    user: str
    groups: Collection[str] = ()


class _Asked(str):
    """The user's id, with the question that an authorization is wanted for."""

    __slots__ = ("question",)

    question: Question


class Decider:
    """Decides about every message of a host.

    Args:
        guarded: The server and the user.
        policy: Allows, denies and asks.
        authority: Is asked where the policy asks.
        authorizations: What it is asked with.
        watch: Looks at the lists of tools that pass.
        announces: Whether hosts are told when the policy hides something else, and so when lists change.
    """

    def __init__(
        self,
        guarded: Guarded,
        policy: PolicyLike,
        authority: AuthorityClient,
        authorizations: Authorizations,
        watch: Watch | None = None,
        *,
        announces: bool = False,
    ) -> None:
        self._guarded = guarded
        self._authorizations = authorizations
        self._watch = watch
        self._announces = announces
        gate = AllowlyMCPMiddleware(
            "",
            self._authorization_of,
            authority=authority,
            user_id_fn=self._asked,
            check_timeout_seconds=CHECK_TIMEOUT_SECONDS,
        )
        subject = Subject(guarded.user, frozenset(guarded.groups))
        front: Server[Any] = Server(guarded.server)
        before = len(front.middleware)
        Pipeline(guarded.server, policy=policy, gate=gate, subject=lambda _: subject).attach(front)
        (self._pipeline,) = front.middleware[before:]

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Decide about one message, and hand it on if nothing is against it.

        Raises:
            MCPError: It is refused and has no other answer, or the server's own error.
        """
        if ctx.request_id is None and ctx.method not in TOLD:
            return None
        if ctx.request_id is not None and ctx.method not in FORWARDED:
            raise MCPError(types.METHOD_NOT_FOUND, "Method not found")

        async def forward(ctx: Context) -> HandlerResult:
            passed = await call_next(ctx)
            # Before anything is taken out of the list.
            if ctx.method == "tools/list" and self._watch is not None and isinstance(passed, dict):
                self._watch.look(passed)
            if ctx.method == "initialize" and self._announces and isinstance(passed, dict):
                return _announcing(passed)
            return passed

        result: HandlerResult = await self._pipeline(ctx, forward)
        return result

    def _asked(self, facts: CallFacts) -> str:
        user = _Asked(self._guarded.user)
        approver = (facts.asked or {}).get("policy_approver")
        user.question = Question(facts.tool, approver if isinstance(approver, str) else None)
        return user

    async def _authorization_of(self, user: str) -> str | None:
        return await self._authorizations.id_for(user.question) if isinstance(user, _Asked) else None


def _announcing(hello: dict[str, Any]) -> dict[str, Any]:
    """Return a server's part of a handshake in which it says that its lists may change."""
    offered: Any = hello.get("capabilities")
    if not isinstance(offered, dict):
        return hello
    lists = {name: {**offered[name], "listChanged": True} for name in LISTS if isinstance(offered.get(name), dict)}
    return {**hello, "capabilities": {**offered, **lists}}
