r"""The one pattern language, for routes, policies and limits: `server.name` with `*` for any characters.

`github.create_issue` is one tool, `github.*` all of one server, `*.search_*` those of any server that begin so.
The first dot divides, so a tool's name, a prompt's name or a resource's URI may have dots. A half in double
quotes may hold dots and two underscores anywhere; there a backslash takes `*`, `"` and `\` as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Generic, Self, TypeVar

from allowly_middleware.pipeline.segments import Segment, SegmentIndex

_T = TypeVar("_T")

MAX_PATTERN_CHARACTERS: Final = 1024
"""Longest pattern, in characters."""

_MAX_SHOWN: Final = 80


class PatternError(ValueError):
    """A text that is no pattern.

    Attributes:
        text: As it was given, at most 80 characters of it.
        problem: What is wrong with it.
        fix: What to write instead.
    """

    def __init__(self, text: str, problem: str, fix: str) -> None:
        self.text = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
        self.problem, self.fix = problem, fix
        super().__init__(f"{self.text!r} {problem}; {fix}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a route, a rule or a limit is for.

    Attributes:
        server: The server's name, as the pipeline knows it.
        name: The name of the tool or prompt, or the URI of the resource, as that server knows it.
    """

    server: Segment
    name: Segment

    @classmethod
    def parse(cls, text: str, *, server: str | None = None) -> Self:
        """Read a pattern.

        Args:
            text: The pattern.
            server: The server of a scope, by its exact name. In a scope `create_issue` is enough, and the
                server may be repeated, or be `*`, but no other may be named.

        Raises:
            PatternError: It is no pattern, or names another server than the scope's.
        """
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - the author's code may be untyped
            raise PatternError(repr(text), "is not text", "write a pattern such as 'github.create_issue'")
        if not text.strip():
            raise PatternError(
                text, "is blank", "write a pattern such as 'github.create_issue', or '*.*' for everything"
            )
        if len(text) > MAX_PATTERN_CHARACTERS:
            raise PatternError(text, f"is longer than {MAX_PATTERN_CHARACTERS} characters", "use * for a part of it")
        first, rest = _first_half(text)
        if server is None:
            if rest is None:
                raise PatternError(text, "names no tool", f"write '{text}.*' for all of a server, or '*.{text}'")
            return cls(first, _second_half(text, rest))
        return cls(Segment((server,)), _scoped(text, first, rest, server))

    @classmethod
    def exact(cls, server: str, name: str) -> Self:
        """Return the pattern that fits this one name on this one server, whatever characters they have."""
        return cls(Segment((server,)), Segment((name,)))

    @property
    def is_exact(self) -> bool:
        """Whether one single name fits."""
        return self.server.literal is not None and self.name.literal is not None

    def matches(self, server: str, name: str) -> bool:
        """Tell whether a name fits: whole, letter case counts, and `*` takes line breaks too."""
        return self.server.matches(server) and self.name.matches(name)

    def covers(self, other: Pattern) -> bool:
        """Tell whether everything that fits the other pattern fits this one."""
        return self.server.covers(other.server) and self.name.covers(other.name)

    def __str__(self) -> str:
        """Return the text that reads as this pattern without a scope."""
        return f"{self.server.written(dots=False)}.{self.name.written(dots=True)}"


class PatternIndex(Generic[_T]):
    """Finds which of many patterns fit a name, without trying each.

    Args:
        entries: Patterns with what stands for each. The same pattern may come more than once.
    """

    def __init__(self, entries: Iterable[tuple[Pattern, _T]]) -> None:
        self._servers: SegmentIndex[SegmentIndex[list[tuple[int, _T]]]] = SegmentIndex()
        for at, (pattern, value) in enumerate(entries):
            names = self._servers.setdefault(pattern.server, SegmentIndex)
            names.setdefault(pattern.name, list).append((at, value))

    def find(self, server: str, name: str) -> list[_T]:
        """Return what stands for the patterns that fit, in the order in which they were given."""
        found = [entry for names in self._servers.find(server) for entries in names.find(name) for entry in entries]
        found.sort(key=_place)
        return [value for _, value in found]


def _place(entry: tuple[int, object]) -> int:
    return entry[0]


def _first_half(text: str) -> tuple[Segment, str | None]:
    """Return the segment before the first dot and what follows it; `None` where there is no dot."""
    if text.startswith('"'):
        segment, rest = _quoted(text, text)
        if rest and not rest.startswith("."):
            raise PatternError(text, "goes on after the closing quote", "a dot or nothing may follow there")
        return segment, rest[1:] if rest else None
    half, dot, rest = text.partition(".")
    return _bare(text, half), rest if dot else None


def _second_half(text: str, rest: str) -> Segment:
    if not rest.startswith('"'):
        return _bare(text, rest)
    segment, after = _quoted(text, rest)
    if after:
        raise PatternError(text, "goes on after the closing quote", "nothing may follow there")
    return segment


def _scoped(text: str, first: Segment, rest: str | None, server: str) -> Segment:
    if rest is None:
        return first
    if not first.is_any and first.literal != server:
        problem = f"names another server than the scope's, {server!r}"
        raise PatternError(
            text, problem, f"write '{Pattern(Segment((server,)), Segment.plain(text))}' for a dotted name"
        )
    return _second_half(text, rest)


def _bare(text: str, half: str) -> Segment:
    if not half:
        raise PatternError(text, "has an empty half", "write * for any server or any name")
    if half != half.strip():
        raise PatternError(text, "has white space at an end", "take it away, or put that half in double quotes")
    if "__" in half:
        server, _, name = half.partition("__")
        fix = f"write '{server}.{name}', or put that half in double quotes" if server and name else "use double quotes"
        raise PatternError(text, "has two underscores, as in names that join server and tool", fix)
    return Segment.plain(half)


def _quoted(text: str, source: str) -> tuple[Segment, str]:
    """Read a quoted half at the head of `source`; return it and what follows the closing quote."""
    pieces, characters = [""], iter(enumerate(source[1:], start=1))
    for at, character in characters:
        if character == '"':
            if pieces == [""]:
                raise PatternError(text, "has an empty half", "write * for any server or any name")
            return Segment.between(pieces), source[at + 1 :]
        if character == "*":
            pieces.append("")
            continue
        taken = next(characters, (0, ""))[1] if character == "\\" else character
        if character == "\\" and taken not in {"*", '"', "\\"}:
            raise PatternError(text, "has a backslash that escapes nothing", r"in quotes only \* \" and \\ are escapes")
        pieces[-1] += taken
    raise PatternError(text, "has a quote that is not closed", "close it, or leave it away")
