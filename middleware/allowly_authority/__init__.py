"""The authorization API: its wire models, a client for it, and a local authority that speaks it.

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_authority.client import AuthorityClient
    from allowly_authority.embedded import RunningAuthority, embedded_authority
    from allowly_authority.errors import (
        AuthorityError,
        AuthorityUnavailable,
        Conflict,
        InvalidRequest,
        KeyRejected,
        LookupUnsupported,
        MalformedReply,
        NotAllowed,
        NotFound,
        PromptGone,
        PromptUnknown,
        RateLimited,
    )
    from allowly_authority.standing import serve

__all__ = [
    "AuthorityClient",
    "AuthorityError",
    "AuthorityUnavailable",
    "Conflict",
    "InvalidRequest",
    "KeyRejected",
    "LookupUnsupported",
    "MalformedReply",
    "NotAllowed",
    "NotFound",
    "PromptGone",
    "PromptUnknown",
    "RateLimited",
    "RunningAuthority",
    "embedded_authority",
    "serve",
]

_ELSEWHERE: Final = {
    "AuthorityClient": "client",
    "RunningAuthority": "embedded",
    "embedded_authority": "embedded",
    "serve": "standing",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
