"""What was typed arrives in a form before a key that sends the form.

A key passes a queue at each step from the cursor's control up to the app, and what it changed does so from the control
up to the form. A key that the app takes first would overtake both, and send what stood there before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.message_pump import MessagePump
from textual.widget import Widget


def after_typing(form: Widget, then: Callable[[], object]) -> None:
    """Call `then` once all that was typed into a form before has arrived in it.

    Args:
        form: What takes over the text of the controls in it.
        then: Not called if a widget on the way closes meanwhile.
    """
    control = form.screen.focused
    if control is None or form not in control.ancestors:
        then()
        return
    way = control.ancestors_with_self
    _queue(then, [*way, *way[: way.index(form) + 1]])


def _queue(then: Callable[[], object], stops: Sequence[MessagePump]) -> None:
    if stops:
        stops[0].call_later(_queue, then, stops[1:])
    else:
        then()
