"""`InboxApp`: the full screen of an approver."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events, work

from allowly_authority.errors import AuthorityError
from allowly_harness.display.clock import Clock
from allowly_harness.display.sanitize import joined, one_line
from allowly_harness.inbox.question import OpenQuestion, QuestionClosed, QuestionRefused
from allowly_harness.inbox.reminders import Reminders
from allowly_harness.inbox.rows import left_of, title_of, what_of
from allowly_harness.inbox.verdicts import Verdict, closure_of
from allowly_harness.inbox.written import FrontEnd
from allowly_harness.protocol.models import Answer, AnswerKind
from allowly_harness.tui.asking.approval import Aside, Outcome
from allowly_harness.tui.asking.notify import Notifier, Setting
from allowly_harness.tui.fullscreen import FullScreen
from allowly_harness.tui.inbox.card import InboxCard
from allowly_harness.tui.inbox.screen import InboxScreen

if TYPE_CHECKING:
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_harness.inbox.inbox import AuthorityInbox
    from allowly_harness.inbox.listing import Change
    from allowly_harness.settings import TerminalSettings

_ANSWERS = (AnswerKind.APPROVE, AnswerKind.DENY)


class InboxApp(FullScreen):
    """The app. A question opens when the person says so, never by itself.

    Args:
        inbox: What waits.
        settings: Theme, keys, and how a person who looks elsewhere is told.
        key_time: When a key was pressed, by the monotonic clock of the inbox.

    Attributes:
        asked: The question on the open card; `None` without one.
        failure: Why it ended by itself; `None` if the person left.

    Raises:
        ConfigurationError: There is no such theme, or a key cannot be used so.
    """

    def __init__(
        self,
        inbox: AuthorityInbox,
        *,
        settings: TerminalSettings | None = None,
        key_time: Callable[[events.Key], float] = lambda event: event.time,
    ) -> None:
        super().__init__(settings)
        self.inbox = inbox
        self.asked: OpenQuestion | None = None
        self.failure: BaseException | None = None
        self._card: InboxCard | None = None
        self._ended: PromptItem | None = None
        self._front = FrontEnd("tui")
        self._opening = False
        self._key_time = key_time
        self._reminders = Reminders()
        notify: Setting = settings.notify if settings else "auto"
        self._notifier = Notifier(
            self._write, focused=lambda: self.app_focus, monotonic=self.clock.monotonic, setting=notify
        )
        self._main = InboxScreen()

    @property
    def clock(self) -> Clock:
        """Where the time comes from."""
        return self.inbox.clock

    async def on_mount(self) -> None:
        """Show the list."""
        self.follow_suspension()
        await self.push_screen(self._main)
        self.set_interval(1.0, self._tick)

    async def own_inbox(self) -> None:
        """Keep the list up to date until cancelled; a final refusal ends the app."""
        unlisten = self.inbox.listen(self._told)
        try:
            await self.inbox.run()
        except Exception as error:  # noqa: BLE001 - it is raised again where the program ends
            self.failure = error
            self.exit()
        finally:
            unlisten()

    def on_app_focus(self) -> None:
        """Hold the keys of an open card off: the window has just come to the front."""
        super().on_app_focus()
        if self._card is not None and self._card.is_current:
            self._card.hold_off()

    def _told(self, change: Change) -> None:
        # From the task that listens nothing may be drawn, only a message sent.
        if self.is_running:
            self.call_later(self._happened, change)

    def _happened(self, change: Change) -> None:
        item = change.item
        if item is not None and change.kind == "arrived" and self.inbox.holder.may_decide(item):
            self._notifier.person_awaited(what_of(item))
        if item is not None and change.kind == "ended":
            self._close(item)
        elif item is not None and change.kind == "changed" and self.asked is not None and self._shows(item):
            self.say(_what_changed(self.asked, item))
        self._main.draw()

    def _shows(self, item: PromptItem) -> bool:
        return self.asked is not None and self.asked.prompt_id == item.prompt_id

    def _close(self, item: PromptItem) -> None:
        if not self._shows(item) or self._card is None or self.asked is None:
            return
        self._ended = item
        self._card.close_elsewhere(closure_of(item))
        if item.status == "pending":  # it went while nobody listened: the record says how
            self.run_worker(self._say_how(self.asked), exit_on_error=False)

    async def _say_how(self, question: OpenQuestion) -> None:
        try:
            item = await self.inbox.answered(question)
        except AuthorityError:
            return
        if item is not None:
            self._ended = item if self._shows(item) else self._ended
            self.say(closure_of(item).told)

    @work(exit_on_error=True)
    async def open_question(self, prompt_id: str) -> None:
        """Read a question and show its card, unless one is open already."""
        if self._opening or self.asked is not None:
            return
        self._opening = True
        try:
            question = await self.inbox.question(prompt_id, showing=self._front)
        except QuestionClosed as error:
            self.say(f"It is over: {error}.")
        except (QuestionRefused, AuthorityError) as error:
            self.complain(f"It cannot be opened: {error}")
        else:
            self._ask(question)
        finally:
            self._opening = False

    def _ask(self, question: OpenQuestion) -> None:
        self.asked, self._ended = question, None
        self._card = card = InboxCard(
            question.request,
            waiting=lambda: sum(1 for item in self.inbox.mine if item.prompt_id != question.prompt_id),
            clock=self.clock,
            key_time=self._key_time,
            keymap=self.keymap,
            pages=self._front.pages,
        )
        self.push_screen(card, lambda outcome: self._answered(question, outcome))
        if self.inbox.get(question.prompt_id) is None:  # it ended between the reading and now
            card.call_after_refresh(self._close, question.item)

    def _answered(self, question: OpenQuestion, outcome: Outcome) -> None:
        self.asked = self._card = None
        if isinstance(outcome, Answer) and outcome.kind in _ANSWERS:
            self._post(question, outcome)
        else:
            self._leave(question, self._ended)
        if outcome is Aside.NEXT:
            self._open_after(question)
        self._main.draw()

    def _open_after(self, question: OpenQuestion) -> None:
        ids = [item.prompt_id for item in self.inbox.mine]
        at = ids.index(question.prompt_id) if question.prompt_id in ids else -1
        others = ids[at + 1 :] + ids[: max(0, at)]
        if others:
            self.open_question(others[0])

    @work(exit_on_error=True)
    async def _leave(self, question: OpenQuestion, ended: PromptItem | None) -> None:
        await self.inbox.leave(question, ended)

    @work(exit_on_error=True)
    async def _post(self, question: OpenQuestion, answer: Answer) -> None:
        title = title_of(question.item)
        verdict = await self.inbox.answer(question, answer)
        self.tell(joined([title, ": ", one_line(verdict.words, 300)]).text, verdict)
        self._main.draw()

    def tell(self, text: str, verdict: Verdict) -> None:
        """Say what came of an answer; what does not count stands longer, and in another colour."""
        if verdict.counts:
            self.notify(text, markup=False)
        else:
            self.notify(text, severity="warning", timeout=15, markup=False)

    def _tick(self) -> None:
        now = self.inbox.now()
        due = [item for item in self._reminders.due(self.inbox.mine, now) if not self._shows(item)]
        for item in due[:3]:
            self.notify(
                joined(["Still unanswered: ", title_of(item), f", {left_of(item, now)} left"]).text, markup=False
            )
        if due:
            self._notifier.person_awaited(what_of(due[0]))

    def _write(self, text: str) -> None:
        driver = self._driver
        if driver is not None and not self.is_headless:
            driver.write(text)

    async def action_quit(self) -> None:
        """Leave; every question stays open."""
        if self.asked is not None:
            await self.inbox.leave(self.asked, self._ended)
        self.exit()


def _what_changed(question: OpenQuestion, item: PromptItem) -> str:
    if item.approvals > question.request.approvals:
        return "Somebody has approved this one meanwhile; it is still open."
    if item.has_call and not question.request.shown:
        return "The call was handed in meanwhile: put this card away, and open it again to see it."
    return "Something else was told of this one; it is still open."
