"""Writes a policy file: for each tool what is done with it and why, as a person would write it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from allowly_middleware.pipeline.patterns import Pattern
from allowly_middleware.policy.documents import parse_policy
from allowly_middleware.policy.reading import read_effect

MAX_COMMENT_CHARACTERS: Final = 100
"""Longest comment behind a line; what is longer is cut."""

_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """What is done with one tool.

    Attributes:
        server: The name by which the pipeline knows the server.
        tool: The tool's name there, whatever characters it has.
        effect: `allow`, `confirm`, `escalate to NAME` or `deny`.
        comment: Why; it may come from the server.
    """

    server: str
    tool: str
    effect: str
    comment: str = ""


def write_policy(
    lines: Iterable[PolicyLine], *, name: str, default: str = "confirm", heading: Sequence[str] = ()
) -> str:
    """Return the text of a policy file.

    Args:
        lines: The tools, in the order in which they are to stand there.
        name: The policy's name.
        default: What is done with a tool that is not named.
        heading: Comments at the head, a line each.

    Raises:
        ValueError: An effect is none, a tool comes twice, or a name cannot be written as text in UTF-8.
    """
    rows = [(_key(line), line) for line in lines]
    written = [*map(_comment, heading), *([""] if heading else [])]
    written += [f"name = {toml_string(name)}", f"default = {toml_string(default)}  # for every tool that is not named"]
    written += ["", "[tools]"]
    width = max((len(f"{key} = {toml_string(line.effect)}") for key, line in rows), default=0)
    for key, line in rows:
        read_effect(line.effect, (line.tool,))
        row = f"{key} = {toml_string(line.effect)}"
        written.append(f"{row:<{width}}  {_comment(line.comment)}" if line.comment else row)
    text = "\n".join(written) + "\n"
    parse_policy(text).or_raise(name)
    return text


def toml_string(text: str) -> str:
    """Return a text as a string of TOML, with everything escaped that does not print.

    Raises:
        ValueError: It has half of a surrogate pair, which no file in UTF-8 can hold.
    """
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("the text holds half of a surrogate pair")
    if text.isprintable() and "'" not in text and ('"' in text or "\\" in text):
        return f"'{text}'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _key(line: PolicyLine) -> str:
    return toml_string(str(Pattern.exact(line.server, line.tool)))


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"  # noqa: PLR2004 - what four digits hold


def _comment(text: str) -> str:
    """Return a comment in one line. Servers word some of them: nothing that is not shown may stand in it."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    return f"# {line[: MAX_COMMENT_CHARACTERS - 3]}..." if len(line) > MAX_COMMENT_CHARACTERS else f"# {line}".rstrip()
