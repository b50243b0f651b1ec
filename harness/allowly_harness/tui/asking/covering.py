"""What opens over an approval card: the editor of the arguments, and the offer to remember a yes.

Neither answers the question by itself. What they close with goes back to the card, which judges it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from textual import events
from textual.screen import ModalScreen

from allowly_harness.display.clock import Clock, Deadline
from allowly_harness.protocol.models import ApprovalRequest
from allowly_harness.tui.asking.editing import EditingScreen
from allowly_harness.tui.keymap import Keymap

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants
    from allowly_harness.tui.asking.remembering import RememberScreen, Wanted

NOT_ON = "Nothing is remembered: the configuration does not say [approval] remember = true."


class Covering:
    """The one screen that is open over a card, if any.

    Args:
        card: The card.
        request: Its question.
        deadline: When it ends.
        clock: Where the time comes from.
        key_time: When a key was pressed, by `clock.monotonic`.
        keymap: Which key does what.
        grants: Where a yes may be remembered; `None` where nothing is.
    """

    def __init__(  # noqa: PLR0917 - all of one card
        self,
        card: ModalScreen[Any],
        request: ApprovalRequest,
        deadline: Deadline,
        clock: Clock,
        key_time: Callable[[events.Key], float],
        keymap: Keymap,
        grants: Grants | None,
    ) -> None:
        self.grants = grants
        self._card, self._request = card, request
        self._deadline, self._clock, self._key_time, self._keymap = deadline, clock, key_time, keymap
        self._open: EditingScreen | RememberScreen | None = None

    @property
    def may_remember(self) -> bool:
        """Whether a yes to the question may be remembered."""
        return self.grants is not None and not self.grants.objection(self._request)

    def edit(self, edited: Callable[[Mapping[str, Any] | None], None]) -> None:
        """Open the editor; `edited` is called with the arguments that it closes with."""
        screen = EditingScreen(
            self._request,
            deadline=self._deadline,
            clock=self._clock,
            key_time=self._key_time,
            keymap=self._keymap,
        )
        self._open = screen
        self._card.app.push_screen(screen, lambda arguments: self._closed(edited, arguments))

    def remember(self, word: str, approve: Callable[[], None]) -> str:
        """Open the offer; once the rule that was confirmed there is kept, `approve` answers the question.

        Args:
            word: What must be typed for a yes to a dangerous call; empty for an ordinary one.
            approve: Approves, unless the question was closed or has ended meanwhile.

        Returns:
            Why it does not open; empty if it does.
        """
        if self.grants is None:
            return NOT_ON
        if why := self.grants.objection(self._request):
            return why
        from allowly_harness.tui.asking.remembering import RememberScreen

        def confirmed(wanted: Wanted) -> None:
            if wanted is not None and not self._deadline.passed:
                self._card.run_worker(self._keep(wanted, approve), exit_on_error=True)

        screen = RememberScreen(
            self._request,
            self.grants,
            word=word,
            deadline=self._deadline,
            clock=self._clock,
            key_time=self._key_time,
            keymap=self._keymap,
        )
        self._open = screen
        self._card.app.push_screen(screen, lambda wanted: self._closed(confirmed, wanted))
        return ""

    async def _keep(self, wanted: Wanted, approve: Callable[[], None]) -> None:
        from allowly_harness.grants.store import GrantError

        if wanted is None or self.grants is None:
            return
        try:
            grant = await self.grants.save(self._request, *wanted)
            if self._deadline.passed:
                await self.grants.revoke(grant.id)
                self._say("Not saved: the question had ended.")
                return
        except GrantError as error:
            self._say(f"Not saved: {error} Nothing was approved.")
            return
        self._say(f"Saved as grant {grant.id}. grants revoke {grant.id} takes it back.")
        approve()

    def _say(self, text: str) -> None:
        self._card.app.notify(text, markup=False)

    def close(self) -> str:
        """Close what is open, and say what was written there and not sent; empty for nothing."""
        if self._open is None:
            return ""
        unsent = "the arguments that you had changed" if self._open.changed else ""
        self._open.finish(None)
        return unsent

    def _closed(self, told: Callable[[Any], None], outcome: Any) -> None:
        self._open = None
        told(outcome)
