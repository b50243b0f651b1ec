"""Signing in to the page: a key is shown once, and what it is for decides whether it opens the inbox.

Keys have 256 random bits, so nobody is locked out for trying: a good key is taken at once, and only refusals wait.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from allowly_authority.engine.principals import Principal
from allowly_authority.service.problems import ApiProblem, forbidden

FIRST_DELAY_SECONDS: Final = 0.25
"""How long the first refusal waits; each further one waits twice as long as the one before."""

LONGEST_DELAY_SECONDS: Final = 4.0
"""How long a refusal waits at most."""

FORGIVEN_SECONDS: Final = 60.0
"""After how long without a refusal the count begins anew."""

MAX_WAITING: Final = 16
"""Most refusals that wait at a time; further ones are told at once to come later."""

Sleep = Callable[[float], Awaitable[None]]
_logger = logging.getLogger(__name__)


class SignInRequest(BaseModel):
    """`POST /inbox/session`: a key, in a body, so that no address, history or log ever holds it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    key: Annotated[str, Field(min_length=1, max_length=512, repr=False)]


class Doorkeeper:
    """Tells whose key opens the page.

    Args:
        find_holder: Returns who holds a key that can be used now.
        workspace_key: The one key that tells nobody apart.
        clock: Returns seconds that never run backwards.
        sleep: Waits.
    """

    def __init__(
        self,
        find_holder: Callable[[str], Awaitable[Principal | None]],
        workspace_key: str,
        *,
        clock: Callable[[], float],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._find_holder = find_holder
        self._workspace_digest = hashlib.sha256(workspace_key.encode()).digest()
        self._clock, self._sleep = clock, sleep
        self._refused = 0
        self._last_refusal = 0.0
        self._waiting = 0

    async def admit(self, key: str) -> Principal:
        """Return who a key belongs to, with the rights of an approver and no others.

        Raises:
            ApiProblem: 401, it is no key, or none any more; 403, it is for something else; 429, too many are refused.
            StoreError: The database failed.
        """
        if hmac.compare_digest(hashlib.sha256(key.encode("utf-8", "replace")).digest(), self._workspace_digest):
            raise await self._refusal(
                forbidden(
                    "This is the workspace key. It tells nobody apart, so nobody could say later who approved. "
                    "Make a key for yourself: allowly-harness authority keys create --help."
                )
            )
        holder = await self._find_holder(key)
        if holder is None:
            raise await self._refusal(ApiProblem(401, "unauthorized", "This key is wrong, expired or revoked."))
        if "approver" not in holder.roles:
            roles = " and ".join(sorted(holder.roles))
            raise await self._refusal(forbidden(f"This is the key of a {roles}. The inbox wants an approver's."))
        return replace(holder, roles=frozenset({"approver"}))

    async def _refusal(self, problem: ApiProblem) -> ApiProblem:
        """Return a refusal once it has waited."""
        if self._waiting >= MAX_WAITING:
            return ApiProblem(429, "rate_limited", "Too many keys are being refused.", retry_after_seconds=5)
        now = self._clock()
        if now - self._last_refusal > FORGIVEN_SECONDS:
            self._refused = 0
        delay = min(FIRST_DELAY_SECONDS * 2 ** min(self._refused, 16), LONGEST_DELAY_SECONDS)
        self._refused += 1
        self._last_refusal = now
        _logger.warning("A key was refused at the inbox's page (%d in a row)", self._refused)
        self._waiting += 1
        try:
            await self._sleep(delay)
        finally:
            self._waiting -= 1
        return problem
