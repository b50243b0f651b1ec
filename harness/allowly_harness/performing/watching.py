"""Watches the authority's record of an open question, for an answer that somebody gives elsewhere.

It only reads. A record that cannot be read changes nothing: the question stays open until its end.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from allowly_authority.errors import RateLimited
from allowly_harness.protocol.effects import AnsweredElsewhere

if TYPE_CHECKING:
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_authority.wire.replies import PromptDescription

FIRST_LOOK_SECONDS: Final = 2.0
"""The pause before the first look at the record of an open question."""

LONGEST_LOOK_SECONDS: Final = 15.0
"""The longest pause between two looks, before jitter of up to a quarter."""

BACK_OFF: Final = 1.5
"""How much longer each pause is than the one before."""

MAX_NAME_CHARACTERS: Final = 128
"""How much is kept of the name of whoever answered; the API allows no more."""

MAX_NOTE_CHARACTERS: Final = 500
"""How much is kept of what they said with it; the API allows 512."""

ReadRecord: TypeAlias = "Callable[[], Awaitable[PromptDescription]]"

logger = logging.getLogger(__name__)


async def until_answered(read: ReadRecord) -> AnsweredElsewhere:
    """Look at a record until it says that the question is answered; never returns before.

    A record that has expired is no answer: what becomes of the question then is between the person and
    the clock.

    Args:
        read: Reads the record once. Whatever it raises means "not known now".
    """
    pause = FIRST_LOOK_SECONDS
    while True:
        await anyio.sleep(pause + random.uniform(0, pause / 4))  # noqa: S311 - jitter, not a secret
        pause = min(pause * BACK_OFF, LONGEST_LOOK_SECONDS)
        try:
            found = await read()
        except RateLimited as error:
            pause = max(pause, error.retry_after_seconds or 0.0)
            continue
        except Exception as error:  # noqa: BLE001 - nothing that a look meets may end a question
            logger.info("The record of an open question could not be read: %s", type(error).__name__)
            continue
        if found.status == "expired":
            await anyio.sleep_forever()
        elif found.status != "pending":
            return AnsweredElsewhere(found.status, *who_and_why(found))


def who_and_why(found: PromptDescription | PromptItem) -> tuple[str | None, str | None]:
    """Return who answered a question and what they said with it, cut, as far as its record says it."""
    by, note = found.resolved_by, found.note
    return by[:MAX_NAME_CHARACTERS] if by else None, note[:MAX_NOTE_CHARACTERS] if note else None
