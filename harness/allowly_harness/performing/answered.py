"""Which questions were answered already, over all calls of a session (design G3).

One question can reach two calls: a server may repeat it, and the authority reuses an open escalation
for identical calls. Whoever answers first is the one who posts.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from allowly_authority.binding import digest_of

MAX_REMEMBERED: Final = 4096
"""How many answered questions are remembered; the authority itself refuses older ones."""


class AnsweredQuestions:
    """Remembers digests of ids, never the ids, which are bearer secrets."""

    def __init__(self) -> None:
        self._digests: OrderedDict[str, None] = OrderedDict()

    def claim(self, prompt_id: str) -> bool:
        """Take the right to answer a question; `False` where it was taken before."""
        digest = digest_of(prompt_id)
        if digest in self._digests:
            return False
        self._digests[digest] = None
        while len(self._digests) > MAX_REMEMBERED:
            self._digests.popitem(last=False)
        return True

    def release(self, prompt_id: str) -> None:
        """Give the right back: the answer never left, so the question is still open."""
        self._digests.pop(digest_of(prompt_id), None)
