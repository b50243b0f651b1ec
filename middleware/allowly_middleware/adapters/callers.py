"""What the transport knows of a caller, as both frameworks leave it."""

from __future__ import annotations

from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext

from allowly_middleware.pipeline.exchange import NO_AUTH, Auth, Transport


def auth_of(request: Any) -> Auth:
    """Return what was verified of the caller.

    Args:
        request: The HTTP request; `None` where there is none. Its own token counts: that of the context may be one
            that the connection began with.
    """
    user = request.scope.get("user") if request is not None and hasattr(request, "scope") else None
    token = user.access_token if isinstance(user, AuthenticatedUser) else get_access_token()
    return NO_AUTH if token is None else _auth(token)


def transport_of(ctx: ServerRequestContext[Any, Any] | None) -> Transport:
    """Return how a request came; nothing is known of calls inside of the process."""
    if ctx is None:
        return Transport()
    request = ctx.request
    headers = getattr(request, "headers", None)
    client = getattr(request, "client", None)
    request_id = None if ctx.request_id is None else str(ctx.request_id)
    if headers is None:
        return Transport(request_id=request_id, protocol_version=ctx.protocol_version)
    return Transport(
        type="http",
        session_id=headers.get("mcp-session-id"),
        request_id=request_id,
        protocol_version=ctx.protocol_version,
        client_host=getattr(client, "host", None),
        headers={name.lower(): value for name, value in headers.items()},
    )


def _auth(token: AccessToken) -> Auth:
    subject = getattr(token, "subject", None)
    return Auth(
        authenticated=True,
        user_id=subject or token.client_id,
        client_id=token.client_id,
        strategy="token",
        scopes=tuple(token.scopes),
        claims=dict(getattr(token, "claims", None) or {}),
    )
