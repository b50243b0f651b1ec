"""Reads the members of one object of a message: each is taken once, and none may be missing or left over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar, cast

from allowly_harness.approvers.attached.frames import WireError

Choice = TypeVar("Choice", bound=str)


class Fields:
    """The members of an object that have not been read yet.

    Args:
        value: What came in the object's place.
        what: What it should be, for errors; never a value.

    Raises:
        WireError: It is no object.
    """

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise WireError(f"{what} is not an object")
        self._members = dict(cast("dict[str, Any]", value))
        self._what = what

    def text(self, name: str) -> str:
        """Take a text."""
        value = self._take(name)
        if not isinstance(value, str):
            raise self._wrong(name, "text")
        return value

    def text_or_none(self, name: str) -> str | None:
        """Take a text, or null."""
        return self.text(name) if self._is_there(name) else None

    def number(self, name: str, low: int, high: int) -> int:
        """Take an integer from `low` to `high`."""
        value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._wrong(name, f"an integer from {low} to {high}")
        return value

    def truth(self, name: str) -> bool:
        """Take true or false."""
        value = self._take(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def choice(self, name: str, choices: Iterable[Choice]) -> Choice:
        """Take one of several texts, as it stands among them."""
        value = self._take(name)
        for one in choices:
            if isinstance(value, str) and one == value:
                return one
        raise self._wrong(name, "one of the known words")

    def moment(self, name: str) -> datetime:
        """Take a moment, with its distance from UTC."""
        try:
            moment = datetime.fromisoformat(self.text(name))
        except ValueError:
            moment = datetime.min  # noqa: DTZ901 - not aware, so refused below
        if moment.tzinfo is None:
            raise self._wrong(name, "a moment in ISO 8601 with its distance from UTC")
        return moment

    def moment_or_none(self, name: str) -> datetime | None:
        """Take a moment, or null."""
        return self.moment(name) if self._is_there(name) else None

    def document(self, name: str) -> dict[str, Any]:
        """Take an object of any JSON values."""
        value = self._take(name)
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return cast("dict[str, Any]", value)

    def document_or_none(self, name: str) -> dict[str, Any] | None:
        """Take an object of any JSON values, or null."""
        return self.document(name) if self._is_there(name) else None

    def fields(self, name: str) -> Fields:
        """Take an object whose members are known."""
        return Fields(self._take(name), f"{self._what}.{name}")

    def fields_or_none(self, name: str) -> Fields | None:
        """Take an object whose members are known, or null."""
        return self.fields(name) if self._is_there(name) else None

    def end(self) -> None:
        """Say that all was read.

        Raises:
            WireError: Something is left over.
        """
        if self._members:
            raise WireError(f"{self._what} has members that are not known")

    def _take(self, name: str) -> object:
        if name not in self._members:
            raise WireError(f"{self._what} has no {name}")
        return self._members.pop(name)

    def _is_there(self, name: str) -> bool:
        if self._members.get(name, "") is not None:
            return True
        del self._members[name]
        return False

    def _wrong(self, name: str, expected: str) -> WireError:
        return WireError(f"{self._what}.{name} is not {expected}")
