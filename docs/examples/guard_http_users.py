"""Who the user is, on HTTP: the subject of the token that the SDK has verified."""

from mcp.server.auth.middleware.auth_context import get_access_token

from allowly_middleware import CallFacts


def verified_user(call: CallFacts) -> str | None:
    token = get_access_token()
    return token.subject if token else None
