"""`Grants`: what a session does with grants: looks for one before a person is asked, keeps one, counts, revokes.

Whatever is not certain is answered with "ask a person": an unreadable file, a tool that says nothing of itself, a
question that the authority's record does not confirm.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

import anyio.to_thread

from allowly_harness.account import account_name
from allowly_harness.grants.rules import Binding, Ends, Rule
from allowly_harness.grants.store import Grant, GrantError, GrantStore
from allowly_harness.protocol.models import ApprovalRequest, Verification

MAX_LISTED: Final = 100
"""How many automatic approvals of a session are listed; all are counted."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Used:
    """A call that a grant answered for.

    Attributes:
        number: Counts the automatic approvals of a session from 1.
        grant: As it stood after this use.
        request: The question that nobody was asked.
    """

    number: int
    grant: Grant
    request: ApprovalRequest


Listener: TypeAlias = Callable[[Used], object]


class Grants:
    """The grants that count for one session.

    Args:
        store: Where they are kept; closed by whoever opened it.
        authority: What tells the authority from others, from one run to the next.
        granted_by: Whose yes is remembered, and whose yeses count; by default the user of this computer.
        dangerous: The dangerous tools of which a yes may be remembered all the same, each as `SERVER:TOOL`.

    A server that is started by a command counts in the folder alone that was the current one when this was made.

    Attributes:
        used: The last automatic approvals of this session.
        count: How many there were.
        problem: Why the grants could not be looked at the last time; empty if they could.
    """

    def __init__(
        self, store: GrantStore, *, authority: str, granted_by: str | None = None, dangerous: Collection[str] = ()
    ) -> None:
        self.used: list[Used] = []
        self.count = 0
        self.problem = ""
        self._store = store
        self._authority = authority
        self._granted_by = account_name() if granted_by is None else granted_by
        self._dangerous = frozenset((dangerous,) if isinstance(dangerous, str) else dangerous)
        self._folder = current_folder()
        self._listeners: list[Listener] = []

    def objection(self, request: ApprovalRequest) -> str:
        """Say why no yes to this question is remembered, nor given by a grant; empty where one may be."""
        if request.kind != "confirm":
            return "Only a question to you is remembered, never one to somebody else."
        if request.verification is not Verification.MATCHED or not request.authorization_id:
            return "The authority's record does not confirm this very call, so no yes to it is remembered."
        if request.danger and f"{request.server.name}:{request.call.tool}" not in self._dangerous:
            return "The call is dangerous. Only what remember_dangerous names is remembered."
        if not self._granted_by:
            return "It is not known who you are, so nothing is remembered."
        try:
            defined = bool(self.binding(request).definition)
        except ValueError:
            defined = False
        return "" if defined else "The server does not say what the tool is, so no yes to it is remembered."

    def binding(self, request: ApprovalRequest) -> Binding:
        """Return what a grant for this question is bound to.

        Raises:
            ValueError: What the server says of the tool cannot be written down.
        """
        return Binding.of(request, authority=self._authority, granted_by=self._granted_by, folder=self._folder)

    def until(self, ends: Ends) -> datetime:
        """Return when a grant ends at the latest that is given now, aware."""
        return datetime.now(UTC) + timedelta(milliseconds=ends.life_ms)

    async def take(self, request: ApprovalRequest) -> Grant | None:
        """Use the grant that answers this question, once; `None` where a person is to be asked."""
        if self.objection(request) or not _is_first(request):
            return None
        try:
            grant = await anyio.to_thread.run_sync(self._store.take, self.binding(request), request.call)
        except GrantError as error:
            self.problem = str(error)
            logger.warning("A person is asked: %s", error)
            return None
        self.problem = ""
        if grant is not None:
            self._note(grant, request)
        return grant

    async def save(self, request: ApprovalRequest, rule: Rule, ends: Ends) -> Grant:
        """Keep the yes to a question. It answers from the next question on; this one is answered by whoever asks.

        Raises:
            GrantError: It cannot be kept, or the rule is not for this call; nothing was.
        """
        why = self.objection(request)
        if why or not rule.fits(request.call):
            raise GrantError(why or "The rule is not for this call.")
        return await anyio.to_thread.run_sync(self._store.add, self.binding(request), rule, ends, request.call)

    async def revoke(self, grant_id: str) -> bool:
        """End a grant at once, for all programs; tell whether it stood.

        Raises:
            GrantError: That could not be written down. It may go on answering.
        """
        return bool(await anyio.to_thread.run_sync(self._store.revoke, grant_id))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after each automatic approval; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _note(self, grant: Grant, request: ApprovalRequest) -> None:
        self.count += 1
        used = Used(self.count, grant, request)
        self.used = [*self.used, used][-MAX_LISTED:]
        for listener in tuple(self._listeners):
            try:
                listener(used)
            except Exception:
                logger.exception("An automatic approval could not be shown.")


def current_folder() -> str:
    """Return the folder that commands are started in; empty where it is gone, and nothing relative can start."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _is_first(request: ApprovalRequest) -> bool:
    """Tell whether this is the first question of a call as the agent made it; a person looks at any other."""
    return request.round == 1 and not request.note and request.edited_from is None and request.draft is None
