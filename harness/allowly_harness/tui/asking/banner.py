"""The line that says that a question waits while the person writes."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from allowly_harness.approvers.pending import PendingElicitation, PendingQuestion
from allowly_harness.display.sanitize import Shown, identifier, joined, own
from allowly_harness.tui.lines import content


class WaitingBanner(Widget):
    """Stands above everything else on the screen until the question opens.

    It is no `Static`, because apps that are not ours may have rules for those.
    """

    DEFAULT_CSS = """
    WaitingBanner { dock: top; height: 1; padding: 0 1; background: $warning; color: $background; text-style: bold; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._said = Content("")

    def say(self, item: PendingQuestion | PendingElicitation, key: str) -> None:
        """Name the question, the time it has left, and the key that opens it; without one, what opens it."""
        how = f"{key} opens it; your draft stays" if key else "it opens once your draft is sent"
        said = content(joined(["APPROVAL WAITING: ", *_named(item), f"   {how}"]))
        if said != self._said:
            self._said = said
            self.refresh()

    def render(self) -> Content:
        """Render the line."""
        return self._said


def _named(item: PendingQuestion | PendingElicitation) -> tuple[Shown, ...]:
    if isinstance(item, PendingElicitation):
        return (own("the server asks for something"),)
    return (identifier(item.request.call.tool), own(f", {item.deadline.left} left"))
