"""What happened at a terminal that answers for agents, in lines that are safe to draw, and the history of it."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from allowly_harness.approvers.attached.attachment import Event
from allowly_harness.approvers.attached.values import Asked, deed_of
from allowly_harness.approvers.elicitation import ElicitationRequest
from allowly_harness.display.clock import local_time
from allowly_harness.display.sanitize import Shown, joined, one_line, own
from allowly_harness.display.summary import summary_of

MAX_HISTORY: Final = 500
"""How many answers and endings are kept for the screen; older ones are dropped."""

MAX_AGENT_CHARACTERS: Final = 40
"""How much of an agent's name is shown."""

MAX_WORDS: Final = 300
"""How much of a sentence from the other side is shown."""

Tone = Literal["good", "bad", "warning", "note"]

_KEPT: Final = frozenset({"said", "void", "closed", "gone"})


class History:
    """What was decided while this terminal was attached, the newest last."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=MAX_HISTORY)

    def add(self, event: Event) -> bool:
        """Keep an event, if it is one that belongs into the history; tell whether it is."""
        if event.kind not in _KEPT:
            return False
        self._events.append(event)
        return True

    @property
    def events(self) -> tuple[Event, ...]:
        """What is kept, the oldest first."""
        return tuple(self._events)


def line_of(event: Event) -> Shown:
    """Say in one line what happened."""
    what = own("") if event.request is None else title_of(event.request)
    agent = one_line(event.agent, MAX_AGENT_CHARACTERS)
    words = one_line(event.words, MAX_WORDS)
    match event.kind:
        case "attached":
            return joined([agent, ": attached"])
        case "gone":
            return joined([agent, ": ", words])
        case "said" if event.said is not None:
            return joined([f"{deed_of(event.said)} for ", agent, ": ", what])
        case "void" if event.said is not None:
            return joined([f"DOES NOT COUNT ({deed_of(event.said)} for ", agent, "): ", words, "  ", what])
        case "closed":
            return joined([agent, ": ", words, "  ", what])
        case _:
            return joined([agent, ": ", what])


def tone_of(event: Event) -> Tone:
    """Say how a line about an event is coloured; the words say it all without."""
    match event.kind:
        case "said":
            return "good"
        case "void":
            return "bad"
        case "gone":
            return "warning"
        case _:
            return "note"


def time_of(event: Event) -> str:
    """Return when it happened, by the local clock."""
    return local_time(event.at)


def title_of(request: Asked) -> Shown:
    """Say in one line what is asked: the call, or what a server asks for."""
    if isinstance(request, ElicitationRequest):
        what = "asks you to visit a page" if request.mode == "url" else "asks for values"
        return joined([one_line(request.server.name, 60), f" {what}"])
    return summary_of(request)
