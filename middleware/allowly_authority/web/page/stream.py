"""The page's stream of questions: ends with its session, and with the key that opened it."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import anyio

from allowly_authority.service.problems import ApiProblem
from allowly_authority.service.streaming import Frame
from allowly_authority.web.events import EventStream
from allowly_authority.web.page.sessions import Session

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

CHECK_SECONDS: Final = 2.0
"""How often an open stream asks whether its session goes on. Keys are remembered for five seconds themselves."""

_logger = logging.getLogger(__name__)


class SessionStream(EventStream):
    """A stream that is closed when its session ends.

    Args:
        frames: What to send.
        held: Closed at the end.
        session: Whose stream it is.
        is_good: Tells whether the session goes on.
    """

    def __init__(
        self,
        frames: AsyncGenerator[Frame],
        held: AsyncExitStack,
        session: Session,
        is_good: Callable[[], Awaitable[bool]],
    ) -> None:
        super().__init__(frames, held, self._goes_on)
        self._session = session
        self._is_good = is_good

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, until either side ends it or the session is over."""
        begun = over = False

        async def noted(message: Message) -> None:
            nonlocal begun, over
            begun = begun or message["type"] == "http.response.start"
            over = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        async with anyio.create_task_group() as group:

            async def until_ended() -> None:
                while await self._goes_on():
                    with anyio.move_on_after(CHECK_SECONDS):
                        await self._session.ended.wait()
                group.cancel_scope.cancel()

            group.start_soon(until_ended)
            await super().__call__(scope, receive, noted)
            group.cancel_scope.cancel()
        if begun and not over:
            with anyio.move_on_after(1, shield=True):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _goes_on(self) -> bool:
        try:
            return await self._is_good()
        except ApiProblem as problem:
            # The database fails: whoever watches comes again, and hears then whether the key is good.
            _logger.warning("A stream of the inbox's page ended: %s", problem)
            return False
