"""What a form is made of: a tree of fields, as a JSON Schema describes them. No screen, no typed text.

Names, titles, descriptions and choices are the server's words. What is drawn comes as `Shown`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from allowly_authority.binding import canonical_json
from allowly_harness.display.sanitize import Shown, block, identifier, joined, one_line
from allowly_harness.display.secrets import is_secret_name
from allowly_harness.forms.json_text import escape_hidden

MAX_LEVELS: Final = 4
"""How deep groups lie in each other; what is deeper is written as JSON."""

MAX_FIELDS: Final = 60
"""Most fields of one form; a group that would exceed them is written as JSON."""

MAX_CHOICES: Final = 200
"""Most choices that are offered in a list."""

MAX_VARIANTS: Final = 20
"""Most variants that are offered in a list."""

MAX_ITEMS: Final = 50
"""Most items of a list of groups."""

MAX_LABEL_CHARACTERS: Final = 60
"""How much of a choice, a title or a default is shown."""

MAX_ABOUT_CHARACTERS: Final = 2_000
"""How much of a description is shown."""


class _Nothing:
    """No value at all, where `None` is one."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()
"""Stands for "there is no value": not sent, or no default."""


class Kind(StrEnum):
    """What is typed into a field."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    """One of `choices`."""
    CHOICES = "choices"
    """A list of some of `choices`, in an order."""
    CONST = "const"
    """One given value, sent or not."""
    LIST = "list"
    """Values of the scalar field `item`, one a line."""
    GROUP = "group"
    """An object of `fields`."""
    ITEMS = "items"
    """A list of the group `item`."""
    VARIANT = "variant"
    """One of the groups `variants`."""
    JSON = "json"
    """Any JSON value, typed as JSON; `why_json` says why."""


SCALARS: Final = frozenset({Kind.TEXT, Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN})
"""Kinds of which one line of text makes a value."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that may be picked.

    Attributes:
        value: What is sent.
        label: What is shown for it.
    """

    value: Any
    label: Shown

    def is_for(self, value: Any) -> bool:
        """Tell whether this is the choice for a JSON value; values are compared as JSON, not as labels."""
        return same_json(self.value, value)


@dataclass(frozen=True, slots=True)
class Field:
    """One field, or a group of them.

    Attributes:
        name: As it is sent; empty for the form itself and for the items of a list.
        schema: The part of the schema that describes it, with its reference replaced by the target.
        required: Whether the schema asks for it.
        nullable: Whether `null` may be sent in its place.
        default: What the server takes if nothing is sent, by its own word; `NOTHING` if it does not say.
    """

    name: str
    kind: Kind
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    required: bool = False
    nullable: bool = False
    default: Any = NOTHING
    choices: tuple[Choice, ...] = ()
    fields: tuple[Field, ...] = ()
    item: Field | None = None
    variants: tuple[Field, ...] = ()
    why_json: str = ""

    @property
    def label(self) -> Shown:
        """The name, unmistakable, with a star behind it if the field is required."""
        return joined([identifier(self.name), "*" if self.required else ""])

    @property
    def title(self) -> Shown:
        """The title that the server gives it; empty if that is none or the name once more."""
        title = self.schema.get("title")
        same = not isinstance(title, str) or title.replace(" ", "_").casefold() == self.name.casefold()
        return Shown() if same else one_line(str(title), MAX_LABEL_CHARACTERS)

    @property
    def description(self) -> tuple[Shown, ...]:
        """What the server says of it, line by line."""
        text = self.schema.get("description")
        return block(text, limit=MAX_ABOUT_CHARACTERS) if isinstance(text, str) and text.strip() else ()

    @property
    def is_secret(self) -> bool:
        """Whether its name or title says that a secret is asked for."""
        title = self.schema.get("title")
        return is_secret_name(self.name) or (isinstance(title, str) and is_secret_name(title))

    @property
    def is_long(self) -> bool:
        """Whether a text of several lines is to be expected."""
        longest = self.schema.get("maxLength")
        return self.kind is Kind.TEXT and isinstance(longest, int) and longest > _LONG_TEXT

    def choice_for(self, value: Any) -> int | None:
        """Return the number of the choice for a JSON value."""
        return next((number for number, choice in enumerate(self.choices) if choice.is_for(value)), None)

    def inner(self) -> Iterator[Field]:
        """Yield the fields directly below this one, of every variant."""
        yield from self.fields
        yield from self.variants
        if self.item is not None:
            yield self.item


@dataclass(frozen=True, slots=True)
class Form:
    """A whole form.

    Attributes:
        root: A group, a choice of variants, or `JSON` where the schema makes no form.
        schema: The whole schema as the server sent it; every value is checked against it.
    """

    root: Field
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the form; none if it must be written as JSON."""
        if self.root.kind is Kind.GROUP:
            return self.root.fields
        return (self.root,) if self.root.kind is Kind.VARIANT else ()

    @property
    def why_json(self) -> str:
        """Why the arguments must be written as JSON, in our words; empty for a form."""
        return self.root.why_json

    def every_field(self) -> Iterator[Field]:
        """Yield all fields, inner ones and those of every variant included."""
        waiting = [*reversed(self.fields)]
        while waiting:
            one = waiting.pop()
            yield one
            waiting += reversed([*one.inner()])


def same_json(one: object, other: object) -> bool:
    """Tell whether two JSON values are the same: 1 and 1.0 are, 1 and true are not."""
    try:
        return canonical_json(one) == canonical_json(other)
    except ValueError:
        return False


def show_json(value: Any, limit: int = MAX_LABEL_CHARACTERS) -> Shown:
    """Write a value of the server's as one short line of JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        text = "(no JSON)"
    shown = one_line(escape_hidden(text), limit)
    return joined([shown, "..."]) if shown.cut else shown


_LONG_TEXT: Final = 200
