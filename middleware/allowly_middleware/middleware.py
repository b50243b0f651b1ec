"""The object that a server's author adds to a server, whichever kind it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from mcp.server.context import ServerRequestContext
from mcp.server.request_state import AESGCMRequestStateCodec

from allowly_middleware.adapters import mcp as sdk
from allowly_middleware.asking.deciding import Asking, Deciding
from allowly_middleware.asking.sealed import SealedStates, derived_keys
from allowly_middleware.gate import CHECK_TIMEOUT_SECONDS, Gate
from allowly_middleware.owned import OwnedAuthority

if TYPE_CHECKING:
    from fastmcp.server.middleware import Middleware as _Base

    from allowly_authority.client import AuthorityClient
    from allowly_middleware.facts import AuthorizationIdFn, CheckInputFn, Dialect, UserIdFn
else:
    # FastMCP asks a middleware for no more than the two methods below, and is not always installed.
    _Base = object

DEFAULT_BASE_URL: Final = "https://api.allowly.ai"
"""The hosted authority."""

_ServerT = TypeVar("_ServerT")


class AllowlyMCPMiddleware(_Base):
    """Asks the authority before every tool call of an MCP server.

    One object for `FastMCP.add_middleware(mw)`, for `MCPServer(..., middleware=[mw])` and, through
    `wrap`, for any of them and for a low-level `Server`. Blocked calls are answered with an error
    result that says what was decided; nothing is raised.

    What the gate cannot see: calls that the server's own code makes past its middleware
    (`MCPServer.call_tool`, `FastMCP.call_tool(..., run_middleware=False)`), and answers that a
    caching middleware in front of the gate gives in its place.

    Args:
        api_key: The key of the workspace. It stays in this process.
        authorization_id_fn: Gives the authorization id of a user, or `None`; synchronous or not.
        base_url: The authority: https, or http on this machine only.
        user_id_fn: Gives the user of a call, from the `CallFacts` of it; synchronous or not. Take
            the user from what the transport has verified. Where it is not given, the user is the
            tool argument `user_id`: **an argument is chosen by the caller**, so whoever can call the
            tool, a misled language model included, can name any user.
        check_input_fn: Gives the `CheckInput` of a call: another scope, another resource, context
            for the policy; synchronous or not.
        dialect: "scopes", or "actions" for an authority that speaks the newer words.
        bind_arguments: Whether an approval opens this one call with exactly these arguments. `False`
            is what the published middleware does: a yes then opens the tool, with any arguments,
            for as long as it lasts.
        authority: A client to use in place of an own one; it stays open when the middleware closes.
        check_timeout_seconds: How long a check may take before the call is denied; above 0.
        ask_client: Whether confirmations are asked through clients that show forms, on connections of the
            protocol of 2026-07-28, and reported to the authority from here. **The host then shows the
            question and says what the person answered**: nothing here can tell a person from a program.
            All other clients get the blocked result, as they do without this option.
        state_keys: With `ask_client`: secrets of at least 32 bytes for what the client carries between
            question and answer, for servers of several processes. The first one seals, all of them open.
            By default a key of this process alone.

    Raises:
        ValueError: A setting that cannot work.
    """

    def __init__(
        self,
        api_key: str,
        authorization_id_fn: AuthorizationIdFn,
        *,
        base_url: str = DEFAULT_BASE_URL,
        user_id_fn: UserIdFn | None = None,
        check_input_fn: CheckInputFn | None = None,
        dialect: Dialect = "scopes",
        bind_arguments: bool = True,
        authority: AuthorityClient | None = None,
        check_timeout_seconds: float = CHECK_TIMEOUT_SECONDS,
        ask_client: bool = False,
        state_keys: Sequence[bytes | str] | None = None,
    ) -> None:
        self._owned: OwnedAuthority | None = None
        client: AuthorityClient | OwnedAuthority
        if authority is None:
            client = self._owned = _owned(base_url, api_key, check_timeout_seconds)
        else:
            client = authority
        gate = Gate(
            client,
            authorization_id_fn,
            user_id_fn=user_id_fn,
            check_input_fn=check_input_fn,
            dialect=dialect,
            bind_arguments=bind_arguments,
            check_timeout_seconds=check_timeout_seconds,
        )
        self._deciding = Asking(gate, client, _sealing(state_keys)) if ask_client else Deciding(gate)

    @classmethod
    def wrap(cls, server: _ServerT, api_key: str, authorization_id_fn: AuthorizationIdFn, **options: Any) -> _ServerT:
        """Guard a server that exists, before or after its tools are registered.

        Args:
            server: A low-level `Server`, an `MCPServer` or a `FastMCP`.
            api_key: As for the class.
            authorization_id_fn: As for the class.
            options: Every other argument of the class.

        Returns:
            The same server.

        Raises:
            TypeError: Not one of these servers.
            ValueError: The server has a gate already; two would use up two approvals for each call.
        """
        chain: Any = getattr(server, "middleware", None)
        if not hasattr(chain, "append"):
            raise TypeError(f"wrap() takes a FastMCP, an MCPServer or a Server, not a {type(server).__name__}")
        if any(isinstance(middleware, AllowlyMCPMiddleware) for middleware in chain):
            raise ValueError("this server is guarded already")
        chain.append(cls(api_key, authorization_id_fn, **options))
        return server

    @property
    def deciding(self) -> Deciding:
        """What decides legs of calls; for middleware that puts something in front of it."""
        return self._deciding

    # The SDK's protocol names the first parameter `ctx`, FastMCP's base class `context`; both pass it by position.
    async def __call__(self, ctx: Any, call_next: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Handle one message, for either framework."""
        if isinstance(ctx, ServerRequestContext):
            return await sdk.guard(self._deciding, self, ctx, call_next)
        from allowly_middleware.adapters import fastmcp

        return await fastmcp.guard(self._deciding, self, ctx, call_next)

    async def check_resource_access(self, context: Any) -> None:
        """Let every resource through, for FastMCP: this is a gate for tools."""

    async def aclose(self) -> None:
        """Close the own authority client. It also closes by itself when the event loop ends."""
        if self._owned is not None:
            await self._owned.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def _sealing(state_keys: Sequence[bytes | str] | None) -> SealedStates:
    return SealedStates(AESGCMRequestStateCodec(derived_keys([os.urandom(32)] if state_keys is None else state_keys)))


def _owned(base_url: str, api_key: str, check_timeout_seconds: float) -> OwnedAuthority:
    from allowly_authority.client import AuthorityClient

    def make() -> AuthorityClient:
        return AuthorityClient(base_url=base_url, api_key=api_key, check_timeout_seconds=check_timeout_seconds)

    make()  # a wrong setting fails here and not at the first call
    return OwnedAuthority(make)
