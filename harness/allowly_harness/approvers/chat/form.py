"""A form at a terminal, field by field: each prompt names the field, its type, what is wanted, the default.

Enter leaves an optional field out. Ctrl-C leaves the whole form. Nothing is sent from here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from allowly_harness.approvers.chat.arguments import ArgumentsError, is_unfinished
from allowly_harness.approvers.chat.editor import EditFile, EditorFailed
from allowly_harness.approvers.chat.text import MAX_DRAFT_CHARACTERS, QuestionLine, columns, draw, say
from allowly_harness.approvers.chat.typed import type_of, value_of
from allowly_harness.arguments import check_arguments
from allowly_harness.display.card import Row, Section
from allowly_harness.display.layout import lay_out_sections
from allowly_harness.display.sanitize import Shown, joined, one_line, own, plain
from allowly_harness.forms.fields import MAX_ITEMS, NOTHING, Field, Kind, show_json
from allowly_harness.forms.json_text import JSONTextError, parse_json_value
from allowly_harness.forms.reading import read_form

MAX_DESCRIPTION_LINES: Final = 4
"""Most lines of the server's description of a field that are printed before it."""

MAX_NAME_CHARACTERS: Final = 30
"""How much of a field's name stands in its prompt; a longer one is printed whole before it."""

MAX_LIST_ITEMS: Final = 1_000
"""Most items of a list that are asked for one by one."""


@dataclass(frozen=True, slots=True)
class Left:
    """The person left the form; there are no values."""


class Form:
    """Asks for the values of a schema.

    Args:
        schema: JSON Schema of an object.
        edit_file: Opens an editor for a field in which a lone backslash was typed; `None` for none.
    """

    def __init__(self, schema: Mapping[str, Any], edit_file: EditFile | None) -> None:
        self._schema = schema
        self._form = read_form(schema)
        self._edit_file = edit_file
        self._prompt = ""
        self._lines_read = 0
        self._line = QuestionLine(lambda: [("class:label", self._prompt)], refresh=False, limit=MAX_DRAFT_CHARACTERS)

    async def ask(self) -> dict[str, Any] | Left:
        """Ask for all fields, until the values fit the schema or the person leaves."""
        if self._form.fields:
            say("  Enter leaves a field out (* must be filled in), \\ opens several lines, Ctrl-C leaves.", "note")
        try:
            while True:
                read_before = self._lines_read
                values = await self._value(self._form.root, "")
                if self._fits(values):
                    return values
                if self._lines_read == read_before:
                    # Nothing was asked for, so the same would come again, for ever, without a moment to leave.
                    return await self._as_json()
        except (KeyboardInterrupt, EOFError):
            return Left()

    def _fits(self, values: Any) -> TypeGuard[dict[str, Any]]:
        if not isinstance(values, dict):
            say("It must be a JSON object: {...}", "warning")
            return False
        check = check_arguments(values, self._schema)
        for problem in check.problems:
            say(f"  {plain(str(problem), 300)}", "bad")
        if not check.may_fit:
            say("That does not fit; once more, from the start.", "warning")
        return check.may_fit

    async def _as_json(self) -> dict[str, Any]:
        """Ask for all values at once, where the schema wants something for which it names no field."""
        while True:
            try:
                values = parse_json_value(await self._rest_of(await self._read("all values, as one JSON object: ")))
            except JSONTextError as error:
                say(f"  {plain(str(error), 300)}", "warning")
                continue
            if self._fits(values):
                return values

    async def _value(self, field: Field, path: str) -> Any:
        match field.kind:
            case Kind.GROUP:
                return await self._group(field, path)
            case Kind.VARIANT:
                return await self._variant(field, path)
            case Kind.ITEMS if field.item is not None:
                return await self._items(field, field.item, path)
            case Kind.LIST if field.item is not None:
                return await self._list(field, field.item, path)
            case Kind.CONST if field.required:
                return field.choices[0].value
            case _:
                return await self._scalar(field, path)

    async def _group(self, field: Field, path: str) -> Any:
        if path and not field.required and not await self._yes(f"{path}: fill in this group? [y/N] "):
            return NOTHING
        values: dict[str, Any] = {}
        for inner in field.fields:
            value = await self._value(inner, f"{path}.{_name(inner)}" if path else _name(inner))
            if value is not NOTHING:
                values[inner.name] = value
        return values

    async def _variant(self, field: Field, path: str) -> Any:
        self._about(field)
        for number, variant in enumerate(field.variants, 1):
            draw(lay_out_sections((Section(joined([f"  {number}  ", one_line(variant.name, 80)]), ()),), columns()))
        while True:
            typed = (await self._read(f"{path or 'which'}, 1 to {len(field.variants)}: ")).strip()
            if not typed and not field.required:
                return NOTHING
            if typed.isascii() and typed.isdecimal() and 0 < int(typed[:4]) <= len(field.variants):
                return await self._group(field.variants[int(typed[:4]) - 1], "")
            say("Type the number of one of them.", "warning")

    async def _items(self, field: Field, item: Field, path: str) -> Any:
        items: list[Any] = []
        while len(items) < MAX_ITEMS and await self._yes(f"{path}: add item {len(items) + 1}? [y/N] "):
            items.append(await self._group(item, ""))
        return items if items or field.required else NOTHING

    async def _list(self, field: Field, item: Field, path: str) -> Any:
        self._about(field)
        items: list[Any] = []
        while len(items) < MAX_LIST_ITEMS:
            typed = await self._read(f"{path}[{len(items) + 1}] ({type_of(item)}; Enter ends the list): ")
            if not typed:
                break
            try:
                items.append(value_of(item, typed))
            except ArgumentsError as error:
                say(f"  {plain(str(error), 200)}", "warning")
        return items if items or field.required else NOTHING

    async def _scalar(self, field: Field, path: str) -> Any:
        self._about(field)
        star = "*" if field.required else ""
        default = "" if field.default is NOTHING else f", default {show_json(field.default).text}"
        prompt = f"{path}{star} ({type_of(field)}{default}): " if path else f"{type_of(field)}: "
        while True:
            typed = await self._read(prompt)
            try:
                if typed.strip() == "\\":
                    typed = await self._long(field)
                elif field.kind is Kind.JSON:
                    typed = await self._rest_of(typed)
                if not typed:
                    if not field.required:
                        return NOTHING
                    say(
                        '  It is needed. "" is an empty text.' if field.kind is Kind.TEXT else "  It is needed.",
                        "warning",
                    )
                    continue
                return value_of(field, _picked(field, typed))
            except (ArgumentsError, EditorFailed) as error:
                say(f"  {plain(str(error), 300)}", "warning")

    async def _long(self, field: Field) -> str:
        if self._edit_file is not None:
            text = await self._edit_file("", ".json" if field.kind is Kind.JSON else ".txt")
            return text.removesuffix("\n")
        say("  Several lines; a line with a single dot ends them.", "note")
        lines: list[str] = []
        while (line := await self._read("| ")) != ".":
            lines.append(line)
        return "\n".join(lines)

    async def _rest_of(self, text: str) -> str:
        while is_unfinished(text):
            more = await self._read("... ")
            if not more.strip():
                break
            text = f"{text}\n{more}"
        return text

    async def _yes(self, prompt: str) -> bool:
        return (await self._read(prompt)).strip().lower() in ("y", "yes")

    async def _read(self, prompt: str) -> str:
        self._prompt = f"  {prompt}"
        self._lines_read += 1
        return await self._line.read()

    def _about(self, field: Field) -> None:
        """Print what the server says of a field, and what may be chosen."""
        lines: list[Shown] = [field.label] if len(field.label.text) > MAX_NAME_CHARACTERS + 1 else []
        lines += [field.title] if field.title.text else []
        lines += field.description[:MAX_DESCRIPTION_LINES]
        if lines:
            rows = tuple(Row(Shown(), line) for line in lines)
            draw(lay_out_sections((Section(Shown(), rows, quoted=True),), columns()))
        if field.kind in (Kind.CHOICE, Kind.CHOICES):
            rows = tuple(Row(own(str(number)), choice.label) for number, choice in enumerate(field.choices, 1))
            draw(lay_out_sections((Section(Shown(), rows),), columns()))
        if field.why_json:
            say(f"  JSON, because it {plain(field.why_json, 200)}", "note")
        if field.is_secret:
            say("  It asks for a secret. What you type is shown.", "warning")


def _picked(field: Field, typed: str) -> str:
    """Replace the numbers of choices by the choices, as JSON, so that they are read back to the character."""
    if field.kind is Kind.CHOICE:
        return json.dumps(_choice_for(field, typed.strip())) if typed.strip() != "null" else typed
    if field.kind is Kind.CHOICES and not typed.lstrip().startswith("["):
        return json.dumps([_choice_for(field, part.strip()) for part in typed.split(",") if part.strip()])
    return typed


def _choice_for(field: Field, part: str) -> Any:
    texts = {choice.value for choice in field.choices if isinstance(choice.value, str)}
    if part in texts:
        return part
    with contextlib.suppress(JSONTextError):
        number = field.choice_for(parse_json_value(part))
        if number is not None:
            return field.choices[number].value
    if part.isascii() and part.isdecimal() and 0 < int(part[:4]) <= len(field.choices):
        return field.choices[int(part[:4]) - 1].value
    raise ArgumentsError(f"type a number from 1 to {len(field.choices)}")


def _name(field: Field) -> str:
    name = field.label.text.removesuffix("*")
    return name if len(name) <= MAX_NAME_CHARACTERS else f"{name[:MAX_NAME_CHARACTERS]}..."
