"""Fills in URI templates (RFC 6570) with text values, so that a resource of a family can be read.

Levels 1 to 3 and the prefix modifier (`{name:3}`) are followed. An exploded variable (`{name*}`) takes
one value here, for which the rules are those without the star.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

MAX_TEMPLATE_CHARACTERS: Final = 8_192
"""Longest template that is read, in characters."""

MAX_VARIABLES: Final = 60
"""Most variables of one template."""

_EXPRESSION: Final = re.compile(r"\{([+#./;?&]?)([^{}]*)\}")
_VARIABLE: Final = re.compile(r"([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*)(?::([1-9][0-9]{0,3})|(\*))?")
_RESERVED: Final = ":/?#[]@!$&'()*+,;=%"


class _Operator(NamedTuple):
    """A row of the table in RFC 6570, appendix A."""

    first: str
    separator: str
    named: bool
    if_empty: str
    reserved: bool


_OPERATORS: Final[Mapping[str, _Operator]] = {
    "": _Operator("", ",", named=False, if_empty="", reserved=False),
    "+": _Operator("", ",", named=False, if_empty="", reserved=True),
    "#": _Operator("#", ",", named=False, if_empty="", reserved=True),
    ".": _Operator(".", ".", named=False, if_empty="", reserved=False),
    "/": _Operator("/", "/", named=False, if_empty="", reserved=False),
    ";": _Operator(";", ";", named=True, if_empty="", reserved=False),
    "?": _Operator("?", "&", named=True, if_empty="=", reserved=False),
    "&": _Operator("&", "&", named=True, if_empty="=", reserved=False),
}


def variables_of(template: str) -> tuple[str, ...]:
    """Return the names of a template's variables in order, each once.

    Raises:
        ValueError: It is no template that this module can fill in.
    """
    names = [name for _, variables in _expressions(template) for name, _ in variables]
    return tuple(dict.fromkeys(names))


def expand(template: str, values: Mapping[str, str]) -> str:
    """Fill a template in. A variable without a value is left out, as the RFC has it.

    Raises:
        ValueError: It is no template that this module can fill in.
    """
    expressions = iter(_expressions(template))

    def fill(_: re.Match[str]) -> str:
        operator, variables = next(expressions)
        rule = _OPERATORS[operator]
        parts = [_part(rule, name, values[name][:limit]) for name, limit in variables if name in values]
        return rule.first + rule.separator.join(parts) if parts else ""

    return _EXPRESSION.sub(fill, template)


def _part(rule: _Operator, name: str, value: str) -> str:
    text = quote(value, safe=_RESERVED if rule.reserved else "")
    if not rule.named:
        return text
    return f"{name}={text}" if text else f"{name}{rule.if_empty}"


def _expressions(template: str) -> list[tuple[str, list[tuple[str, int | None]]]]:
    if len(template) > MAX_TEMPLATE_CHARACTERS:
        raise ValueError(f"the template is longer than {MAX_TEMPLATE_CHARACTERS:,} characters")
    rest = _EXPRESSION.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError("a brace of the template stands alone")
    found: list[tuple[str, list[tuple[str, int | None]]]] = []
    count = 0
    for match in _EXPRESSION.finditer(template):
        variables: list[tuple[str, int | None]] = []
        for word in match[2].split(","):
            variable = _VARIABLE.fullmatch(word)
            if variable is None:
                raise ValueError("a variable of the template has no proper name")
            variables.append((variable[1], int(variable[2]) if variable[2] else None))
        count += len(variables)
        found.append((match[1], variables))
    if count > MAX_VARIABLES:
        raise ValueError(f"the template has more than {MAX_VARIABLES} variables")
    return found
