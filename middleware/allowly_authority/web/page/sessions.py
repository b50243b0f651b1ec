"""Sessions of the page: what a key was exchanged for, so that no browser has to keep the key.

A session is two secrets, of which the server keeps digests only: one in a cookie that no script can read, and one that
the page's script shows with each request. Another site can make a browser send the first and never learns the second;
another server on this computer may be sent the first, since cookies know no ports, and gets nowhere with it. Sessions
are in memory: a restart ends them all.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from allowly_authority.engine.principals import Principal

IDLE_SECONDS: Final = 30 * 60.0
"""After how long without a sign of the person a session ends."""

LONGEST_SECONDS: Final = 12 * 3600.0
"""After how long a session ends whatever happens."""

MAX_SESSIONS: Final = 256
"""Most sessions of one process; the one that was used least recently makes room."""

MAX_SESSIONS_OF_ONE: Final = 16
"""Most of them that belong to one principal."""

_SECRET_BYTES: Final = 32
_SECRET_CHARACTERS: Final = 43


def elapsed_seconds() -> float:
    """Return seconds that nobody can set back, those asleep included where the system counts them."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


@dataclass(slots=True, eq=False)
class Session:
    """One browser in which somebody is signed in.

    Attributes:
        principal: Who, with the rights of an approver and no others.
        key: What was shown; looked up again with each request, so that a revoked key ends the session.
        begun: When, on the clock of `Sessions`.
        used: When the person last did something.
        ended: Set once it is over.
    """

    principal: Principal
    key: str = field(repr=False)
    token_digest: bytes = field(repr=False)
    begun: float
    used: float
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def has_token(self, token: str) -> bool:
        """Tell whether a token belongs to this session; takes the same time whatever it is."""
        return hmac.compare_digest(_digest(token), self.token_digest)


class Opened(NamedTuple):
    """A new session, and its two secrets, which are told this once."""

    session: Session
    cookie: str
    token: str


class Sessions:
    """All sessions of one server. Belongs to one event loop.

    Args:
        clock: Returns seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = elapsed_seconds) -> None:
        self._clock = clock
        self._open: dict[bytes, Session] = {}

    def open(self, principal: Principal, key: str) -> Opened:
        """Begin a session."""
        self._end_old()
        of_this_one = [session for session in self._open.values() if session.principal == principal]
        if len(of_this_one) >= MAX_SESSIONS_OF_ONE:
            self.end(min(of_this_one, key=lambda session: session.used))
        if len(self._open) >= MAX_SESSIONS:
            self.end(min(self._open.values(), key=lambda session: session.used))
        cookie, token = secrets.token_urlsafe(_SECRET_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
        now = self._clock()
        session = Session(principal, key, _digest(token), now, now)
        self._open[_digest(cookie)] = session
        return Opened(session, cookie, token)

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie; `None` where there is none, or it is over."""
        if len(cookie) != _SECRET_CHARACTERS:
            return None
        session = self._open.get(_digest(cookie))
        if session is not None and self.seconds_left(session) <= 0:
            self.end(session)
            return None
        return session

    def use(self, session: Session) -> None:
        """Note that the person did something."""
        session.used = self._clock()

    def seconds_left(self, session: Session) -> float:
        """Return after how many seconds a session ends, if nothing is done in it; 0 where it has."""
        if session.ended.is_set():
            return 0.0
        until = min(session.used + IDLE_SECONDS, session.begun + LONGEST_SECONDS)
        return max(0.0, until - self._clock())

    def end(self, session: Session) -> None:
        """End a session, and whatever goes on in it."""
        self._open = {digest: other for digest, other in self._open.items() if other is not session}
        session.key = ""
        session.ended.set()

    def _end_old(self) -> None:
        for session in [session for session in self._open.values() if self.seconds_left(session) <= 0]:
            self.end(session)


def _digest(secret: str) -> bytes:
    # 256 random bits need no slow hash: they cannot be guessed from a fast one either.
    return hashlib.sha256(secret.encode()).digest()
