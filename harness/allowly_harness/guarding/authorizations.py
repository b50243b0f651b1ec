"""The authorizations that a guard asks with: one for each tool and each kind of question, made when first needed.

The policy decides which question is put; the authorization is what the authority puts it for. It is kept from one
run to the next, so that an approval that was given meanwhile opens the call that it was given for. One that an
operator has revoked stays revoked: nothing is made in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from allowly_harness.guarding.kept import Kept

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

LIFETIME: Final = timedelta(days=365)
"""How long an authorization lasts; a new one is made for a call after its end."""

RENEWED_BEFORE: Final = timedelta(days=2)
"""How long before its end a new one is made: longer than an escalation stays open (24 hours)."""

MAX_METADATA_CHARACTERS: Final = 500
"""How much of the server's command is noted with an authorization."""


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of question about one tool.

    Attributes:
        tool: Its name.
        approver: Who must say yes; `None` for the user.
    """

    tool: str
    approver: str | None = None

    @property
    def key(self) -> str:
        """What it is kept under; no two have the same."""
        return (
            f"confirm {self.tool}"
            if self.approver is None
            else f"escalate {len(self.approver)} {self.approver} {self.tool}"
        )


class Authorizations:
    """Finds the authorization for a question, and makes it where there is none.

    Args:
        authority: Makes them.
        kept: Those of earlier runs.
        user: Whose they are, as the authority knows the user.
        agent: Who acts for the user: what the guard stands in front of.
        about: How the server is reached, for operators; a note that decides nothing.
    """

    def __init__(self, authority: AuthorityClient, kept: Kept, *, user: str, agent: str, about: str) -> None:
        self._authority = authority
        self._kept = kept
        self._user = user
        self._agent = agent
        self._about = about[:MAX_METADATA_CHARACTERS]
        self._making = anyio.Lock()

    async def id_for(self, question: Question) -> str:
        """Return the id of the authorization for a question.

        Raises:
            AuthorityError: It could not be made.
            OSError: It could not be kept, so that an approval for it might be lost.
        """
        known = self._known(question)
        if known is not None:
            return known
        # One at a time: two calls at once must not wait for two different approvals.
        async with self._making:
            known = self._known(question)
            return await self._make(question) if known is None else known

    def _known(self, question: Question) -> str | None:
        return self._kept.find(question.key, not_before=datetime.now(UTC) + RENEWED_BEFORE)

    async def _make(self, question: Question) -> str:
        expires_at = datetime.now(UTC) + LIFETIME
        tool, approver = question.tool, question.approver
        made = await self._authority.create_authorization(
            user_id=self._user,
            agent_id=self._agent,
            scopes=[tool],
            expires_at=expires_at,
            requires_confirm_for=[tool] if approver is None else [],
            requires_escalation_for=[] if approver is None else [tool],
            escalation_targets=None if approver is None else {tool: approver},
            metadata={"made_by": "allowly-harness guard", "server": self._about},
        )
        # Another guard before the same server may have been faster: then its authorization is taken.
        return await anyio.to_thread.run_sync(
            self._kept.keep, question.key, made.authorization_id, expires_at, RENEWED_BEFORE
        )
