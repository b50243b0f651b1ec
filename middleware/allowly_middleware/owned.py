"""The authority client that a middleware opens for itself, and closes with the server.

No server framework tells a middleware when the server ends. The event loop does: what still runs in
it is cancelled before it closes. So beside each client a task waits for that moment, or for the
middleware to be forgotten, and closes the client. A middleware that serves in several loops has one
client for each.
"""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from allowly_authority.client import AuthorityClient
    from allowly_authority.wire.replies import CheckReply, ConfirmationReply
    from allowly_middleware.facts import Dialect


class OwnedAuthority:
    """Opens a client when it is first asked, one for each event loop.

    Args:
        make: Makes a client; it is called with a running event loop.
    """

    def __init__(self, make: Callable[[], AuthorityClient]) -> None:
        self._make = make
        self._open: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[AuthorityClient, asyncio.Task[None]]]
        self._open = WeakKeyDictionary()

    async def check(
        self,
        *,
        authorization_id: str,
        scopes: list[str],
        resource: str | None = None,
        session_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        dialect: Dialect = "scopes",
        idempotency_key: str | None = None,
    ) -> CheckReply:
        """Ask the authority; as `AuthorityClient.check`."""
        return await self._client().check(
            authorization_id=authorization_id,
            scopes=scopes,
            resource=resource,
            session_id=session_id,
            context=context,
            dialect=dialect,
            idempotency_key=idempotency_key,
        )

    async def settle_confirmation(
        self, nonce: str, *, approved: bool, ttl_seconds: int = 60, idempotency_key: str | None = None
    ) -> ConfirmationReply:
        """Report what the user said; as `AuthorityClient.settle_confirmation`."""
        return await self._client().settle_confirmation(
            nonce, approved=approved, ttl_seconds=ttl_seconds, idempotency_key=idempotency_key
        )

    async def aclose(self) -> None:
        """Close the client of the running event loop. A later check opens a new one."""
        opened = self._open.pop(asyncio.get_running_loop(), None)
        if opened is None:
            return
        client, keeper = opened
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await client.aclose()

    def _client(self) -> AuthorityClient:
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            client = self._make()
            # The empty context keeps what belongs to the first request out of a task that outlives it.
            keeper = loop.create_task(_close_at_the_end(client), context=contextvars.Context())
            self._open[loop] = (client, keeper)
            # Until then this holds the task, which the event loop itself only holds weakly.
            forgotten = weakref.finalize(self, _end, keeper)
            forgotten.atexit = False
            keeper.add_done_callback(lambda _: forgotten.detach())
        return self._open[loop][0]


async def _close_at_the_end(client: AuthorityClient) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await client.aclose()


def _end(keeper: asyncio.Task[None]) -> None:
    loop = keeper.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(keeper.cancel)
