"""Filters of a mailbox: what a message must look like, and what becomes of it.

As a tool's input they are a nested schema: an enumeration, an object in an object, a list of
alternatives, defaults and a bound.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, Field, TypeAdapter

from allowly_demos.mailstore import Mail

FILE: Final = ".filters.json"
"""The file, beside the mailboxes. No address begins with a dot."""

MAX_FILTERS: Final = 100
"""Most filters that are kept."""


class Match(BaseModel):
    """What a message must look like."""

    field: Literal["subject", "body"] = Field(description="Where to look.")
    contains: str = Field(min_length=1, max_length=200, description="The text to look for.")
    ignore_case: bool = Field(default=True, description="Whether capital letters are the same as small ones.")

    def fits(self, mail: Mail) -> bool:
        """Tell whether a message looks like this."""
        text = mail.subject if self.field == "subject" else mail.body
        if self.ignore_case:
            return self.contains.casefold() in text.casefold()
        return self.contains in text


class Label(BaseModel):
    """Put a label on it."""

    do: Literal["label"]
    label: str = Field(min_length=1, max_length=40)


class Notify(BaseModel):
    """Tell somebody."""

    do: Literal["notify"]
    who: list[str] = Field(min_length=1, max_length=10, description="Names, one or more.")
    urgent: bool = False


class Discard(BaseModel):
    """Throw it away."""

    do: Literal["discard"]


Action: TypeAlias = Annotated[Label | Notify | Discard, Field(discriminator="do")]


class Filter(BaseModel):
    """One filter."""

    name: str
    address: str
    match: Match
    actions: list[Action]
    priority: int


_FILTERS: Final = TypeAdapter(list[Filter])


class FilterStore:
    """The filters of all mailboxes below `root`."""

    def __init__(self, root: Path) -> None:
        self._path = root / FILE

    def add(self, new: Filter) -> int:
        """Keep a filter, in place of one with the same name; return how many there are.

        Raises:
            ValueError: There would be too many.
        """
        kept = [old for old in self.all() if (old.name, old.address) != (new.name, new.address)]
        if len(kept) >= MAX_FILTERS:
            raise ValueError(f"there are {MAX_FILTERS} filters already")
        kept = sorted([*kept, new], key=lambda one: -one.priority)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(_FILTERS.dump_json(kept, indent=2))
        return len(kept)

    def all(self) -> list[Filter]:
        """Return every filter, the most important first."""
        return _FILTERS.validate_json(self._path.read_bytes()) if self._path.is_file() else []

    def matching(self, mail: Mail) -> list[Filter]:
        """Return the filters that a message fits, the most important first."""
        return [one for one in self.all() if one.address == mail.to and one.match.fits(mail)]
