"""The scrolling rows of a form: those of what is open now, in their order, each drawn when it changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from textual import events
from textual.containers import VerticalScroll
from textual.widget import Widget

from allowly_harness.forms.loading import Slot
from allowly_harness.forms.state import FormProblem, FormRow, FormState
from allowly_harness.tui.filling.rows import MAX_LABEL_COLUMNS, FieldRow, label_columns

STACKED_COLUMNS: Final = 46
"""In less width than this, in columns, the names stand above the controls."""


class FormFields(VerticalScroll, can_focus=False):
    """Holds the rows. It knows which there are; what is typed into them it only draws."""

    DEFAULT_CSS = """
    FormFields { height: 1fr; scrollbar-size-vertical: 1; padding: 0 1 0 0; }
    """

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._views: dict[Slot, FieldRow] = {}

    @property
    def rows(self) -> list[FormRow]:
        """What stands in the rows."""
        return [view.row for view in self._views.values()]

    @property
    def controls(self) -> list[Widget]:
        """The controls in their order."""
        return [view.control for view in self._views.values()]

    def row(self, slot: Slot) -> FormRow | None:
        """Return what stands in the row of a slot, if there is one."""
        view = self._views.get(slot)
        return None if view is None else view.row

    def control(self, slot: Slot) -> Widget | None:
        """Return the control of a slot, if there is one."""
        view = self._views.get(slot)
        return None if view is None else view.control

    def row_of(self, control: Widget | None) -> FormRow | None:
        """Return the row that a control stands in."""
        return next((view.row for view in self._views.values() if view.control is control), None)

    def clear(self) -> None:
        """Take all rows away."""
        for view in self._views.values():
            view.remove()
        self._views = {}

    def sync(self, state: FormState, folded: Collection[Slot], problems: Mapping[Slot, FormProblem]) -> None:
        """Show the rows that there are now, with what stands in them and what is wrong with it."""
        rows = list(state.rows(folded=frozenset(folded)))
        wanted = {row.slot for row in rows}
        if wanted != self._views.keys():
            for slot in [slot for slot in self._views if slot not in wanted]:
                self._views.pop(slot).remove()
            self._add(rows)
            self.fit()
        for row in rows:
            problem = problems.get(row.slot)
            self._views[row.slot].show(
                row,
                state.entry(row.slot),
                folded=row.slot in folded,
                problem=None if problem is None else problem.what,
            )

    def fit(self) -> None:
        """Fit the column of names."""
        columns = min(max(map(label_columns, self.rows), default=0), MAX_LABEL_COLUMNS)
        stacked = 0 < self.size.width < STACKED_COLUMNS
        for view in self._views.values():
            view.fit(columns, stacked=stacked)

    def on_resize(self, _: events.Resize) -> None:
        """Fit the columns to the width."""
        self.fit()

    def _add(self, rows: Sequence[FormRow]) -> None:
        fresh: list[FieldRow] = []
        last: FieldRow | None = None
        views: dict[Slot, FieldRow] = {}
        for row in rows:
            view = self._views.get(row.slot)
            if view is None:
                view = FieldRow(row)
                fresh.append(view)
            else:
                self._mount_behind(last, fresh)
                last, fresh = view, []
            views[row.slot] = view
        self._mount_behind(last, fresh)
        self._views = views

    def _mount_behind(self, last: FieldRow | None, views: Sequence[FieldRow]) -> None:
        if not views:
            return
        if last is not None:
            self.mount_all(views, after=last)
        elif self.children:
            self.mount_all(views, before=0)
        else:
            self.mount_all(views)
