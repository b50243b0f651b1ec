"""Checks arguments against a tool's input schema, which a hostile server may have written.

The server decides in the end; this spares a round trip and names the argument. So there are three
answers: they fit, they do not, or it cannot be told here, which must not be mistaken for the first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from allowly_harness.input_schema import MAX_SCHEMA_SIZE, MAX_STEPS, NotCheckedError, UsableSchema

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

__all__ = [
    "MAX_PROBLEMS",
    "MAX_PROBLEM_CHARACTERS",
    "MAX_SCHEMA_SIZE",
    "MAX_STEPS",
    "ArgumentChecker",
    "ArgumentProblem",
    "Check",
    "Verdict",
    "check_arguments",
    "problem_with",
]

MAX_PROBLEM_CHARACTERS: Final = 200
"""How much of a message is kept; it may quote the value or the schema."""

MAX_PROBLEMS: Final = 20
"""Most problems that one check reports."""

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands: names of objects and indices of arrays, from the outside in."""


class Verdict(StrEnum):
    """What a check came to."""

    FITS = "fits"
    PROBLEM = "problem"
    UNCHECKED = "unchecked"
    """It cannot be told here; the server will."""


@dataclass(frozen=True, slots=True)
class ArgumentProblem:
    """One thing that is wrong. The message may quote foreign text: sanitise it before drawing.

    Attributes:
        path: The argument, and the place in it.
        message: What it must be, such as "must be text".
    """

    path: Path
    message: str

    def __str__(self) -> str:
        place = "/".join(str(part) for part in self.path)
        return f"{place}: {self.message}" if place else self.message


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of a check.

    Attributes:
        verdict: Fits, does not fit, or cannot be told.
        problems: What is wrong, at most `MAX_PROBLEMS`; empty unless the verdict is `PROBLEM`.
        why: For `UNCHECKED`: why, in our words.
        left_out: Keywords of the schema that only the server checks, such as `pattern`.
    """

    verdict: Verdict
    problems: tuple[ArgumentProblem, ...] = ()
    why: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where the first problem is; empty if there is none."""
        return self.problems[0].path if self.problems else ()

    @property
    def message(self) -> str:
        """The first problem, or why it could not be checked, or nothing."""
        return self.problems[0].message if self.problems else self.why

    @property
    def may_fit(self) -> bool:
        """Whether nothing was found to be wrong."""
        return self.verdict is not Verdict.PROBLEM


class ArgumentChecker:
    """A schema that was read once and checks many times.

    Args:
        schema: The tool's input schema; empty accepts everything.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._usable: UsableSchema | None = None
        self._validator: Draft202012Validator | None = None
        self._why = ""
        if not schema:
            return
        try:
            self._usable = UsableSchema(schema)
            self._validator = _validator_of(self._usable.schema)
        except NotCheckedError as error:
            self._why = str(error)
        except Exception:  # noqa: BLE001 - the schema is the server's; whatever it breaks, the server decides
            self._why = "the tool's schema is not valid"

    def check(self, arguments: Mapping[str, Any]) -> Check:
        """Check arguments: plain JSON values."""
        left_out = self._usable.left_out if self._usable else ()
        try:
            errors = list(islice(self._errors(arguments), MAX_PROBLEMS))
            problems = tuple(dict.fromkeys(problem for error in errors for problem in _problems_of(error)))
        except NotCheckedError as error:
            return Check(Verdict.UNCHECKED, why=str(error), left_out=left_out)
        except Exception:  # noqa: BLE001 - as above
            return Check(Verdict.UNCHECKED, why="the tool's schema could not be used", left_out=left_out)
        if problems:
            return Check(Verdict.PROBLEM, problems[:MAX_PROBLEMS], left_out=left_out)
        return Check(Verdict.FITS, left_out=left_out)

    def first_error(self, arguments: Mapping[str, Any]) -> str | None:
        """Return the most telling problem in the words of `jsonschema`, or `None` as in `problem_with`."""
        from jsonschema.exceptions import best_match

        try:
            error: ValidationError | None = best_match(self._errors(arguments))
        except Exception:  # noqa: BLE001 - as above
            return None
        if error is None:
            return None
        return str(ArgumentProblem(tuple(error.absolute_path), error.message))[:MAX_PROBLEM_CHARACTERS]

    def _errors(self, arguments: Mapping[str, Any]) -> Iterable[ValidationError]:
        if self._why:
            raise NotCheckedError(self._why)
        if self._usable is None or self._validator is None:
            return ()
        self._usable.take_steps(arguments)
        return self._validator.iter_errors(dict(arguments))


def check_arguments(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> Check:
    """Check arguments once.

    Not checked are schemas that are too large, invalid or not understood, values that would take too
    long, and references to anywhere but `#`, `#/$defs/NAME` and `#/definitions/NAME`; of a recursive
    schema as much is evaluated as the arguments are deep. `pattern`, `uniqueItems` and the like are left out.

    Args:
        arguments: Plain JSON values.
        schema: The tool's input schema; empty accepts everything.
    """
    return ArgumentChecker(schema).check(arguments)


def problem_with(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> str | None:
    """Say what is wrong with arguments, or `None` if they fit, or if that cannot be checked.

    Args:
        arguments: Plain JSON values.
        schema: The tool's input schema; empty accepts everything.
    """
    return ArgumentChecker(schema).first_error(arguments) if schema else None


def _validator_of(schema: Mapping[str, Any]) -> Draft202012Validator:
    # 80 ms to import, and needed for typed or edited arguments only.
    from jsonschema import Draft202012Validator, FormatChecker
    from referencing import Registry

    Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    # An empty registry: jsonschema would fetch references by default.
    return Draft202012Validator(schema, registry=Registry())


def _problems_of(error: ValidationError) -> Iterable[ArgumentProblem]:
    """Name the field: a missing argument is a problem of that argument, not of what it is missing in."""
    from jsonschema.exceptions import best_match

    told: ValidationError = best_match([error]) or error
    path = tuple(told.absolute_path)
    rule, value = cast("Any", told.validator_value), cast("Any", told.instance)
    if told.validator == "required":
        return [ArgumentProblem((*path, name), "needed") for name in _texts(rule) if name not in value]
    if told.validator == "additionalProperties" and rule is False:
        known = cast("Mapping[str, Any]", told.schema).get("properties", {})
        return [ArgumentProblem((*path, name), "not known to the tool") for name in value if name not in known]
    return [ArgumentProblem(path, _sentence(told)[:MAX_PROBLEM_CHARACTERS])]


def _sentence(error: ValidationError) -> str:
    rule = error.validator_value
    match error.validator:
        case "type":
            names = [rule] if isinstance(rule, str) else _texts(rule)
            return f"must be {' or '.join(_TYPES.get(name, name) for name in names)}"
        case "enum":
            return f"must be one of {', '.join(_json(choice) for choice in cast('list[Any]', rule)[:_MAX_CHOICES])}"
        case "const":
            return f"must be {_json(rule)}"
        case "anyOf" | "oneOf":
            return f"fits {'none' if error.context else 'more than one'} of its {len(cast('list[Any]', rule))} variants"
        case "minLength" | "minItems" if rule == 1:
            return "must not be empty"
        case str(keyword) if keyword in _BOUNDS:
            return _BOUNDS[keyword].format(rule)
        case _:
            return error.message


_MAX_CHOICES: Final = 10
_TYPES: Final[Mapping[str, str]] = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_BOUNDS: Final[Mapping[str, str]] = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "minProperties": "must have at least {} entries",
    "maxProperties": "must have at most {} entries",
}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _texts(names: Any) -> list[str]:
    return [name for name in cast("Iterable[Any]", names) if isinstance(name, str)]
