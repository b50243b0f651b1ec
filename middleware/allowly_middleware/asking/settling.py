"""Reporting to the authority what a person said in a form of ours."""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

import anyio

from allowly_authority.errors import AuthorityError, PromptGone
from allowly_middleware.asking.question import APPROVAL_SECONDS
from allowly_middleware.gate import fresh_key, twice_if_harmless
from allowly_middleware.payload import denied
from allowly_middleware.verdicts import Verdict, fallback_reason, unavailable

logger = logging.getLogger(__name__)

SETTLE_TIMEOUT_SECONDS: Final = 10.0
"""How long reporting an answer may take, its repetition included."""

DENIED_BY_USER: Final = "denied_by_user"
"""The reason of a call that a person refused: the authority's own word for it."""

CONFIRMATION_GONE: Final = "confirmation_gone"
"""The reason where the authority takes no answer any more: the question is answered, expired or withdrawn."""


class Settler(Protocol):
    """What reporting needs of an authority client."""

    async def settle_confirmation(
        self, nonce: str, *, approved: bool, ttl_seconds: int = 60, idempotency_key: str | None = None
    ) -> Any:
        """Report what the user said to a confirmation; as `AuthorityClient.settle_confirmation`."""
        ...


async def approve(authority: Settler, nonce: str) -> Verdict | None:
    """Report a yes.

    Returns:
        `None` where the authority took it, otherwise what the client gets. The same yes sent a second
        time ends here, so that it never runs a tool. Nothing is raised but cancellation.
    """
    try:
        await _settle(authority, nonce, approved=True)
    except PromptGone:
        return Verdict(payload=denied(CONFIRMATION_GONE))
    except TimeoutError:
        return unavailable("fallback_closed_timeout")
    except AuthorityError as error:
        return unavailable(fallback_reason(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the tool must not run
        logger.error("reporting an approval ended in %s; the tool was not run", type(error).__name__)  # noqa: TRY400 - its text may hold secrets
        return unavailable("fallback_closed_error")
    return None


async def refuse(authority: Settler, nonce: str) -> Verdict:
    """Report a no. It is final for this call, whether or not the authority could be told."""
    try:
        await _settle(authority, nonce, approved=False)
    except PromptGone:
        pass  # nothing is left to refuse
    except Exception as error:  # noqa: BLE001 - the question ends by itself
        logger.warning("a refusal could not be reported: %s", type(error).__name__)
    return Verdict(payload=denied(DENIED_BY_USER))


async def _settle(authority: Settler, nonce: str, *, approved: bool) -> None:
    key = fresh_key()
    with anyio.fail_after(SETTLE_TIMEOUT_SECONDS):
        await twice_if_harmless(
            lambda: authority.settle_confirmation(
                nonce, approved=approved, ttl_seconds=APPROVAL_SECONDS, idempotency_key=key
            )
        )
