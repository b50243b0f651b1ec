r"""The language of `resource_pattern`: `*` stands for any characters, `\` takes the next character as it is.

All else stands for itself, letter case counts, and the whole resource must fit. There is no backtracking: a
pattern of n characters costs at most n searches through the resource, however hostile both are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from allowly_authority.binding import is_bound_resource
from allowly_authority.engine.limits import MAX_PATTERN_CHARACTERS
from allowly_authority.engine.reading import Path, RuleFault, text_at

_DIGEST = "#sha256:"


@dataclass(frozen=True, slots=True)
class ResourcePattern:
    """A pattern, taken apart.

    Attributes:
        text: As it was written.
        pieces: The literal texts between the stars: one piece where there is no star.
    """

    text: str
    pieces: tuple[str, ...]

    @classmethod
    def parse(cls, value: object, path: Path = ()) -> Self:
        """Read a pattern.

        Raises:
            RuleFault: It is empty, too long, or ends in a backslash.
        """
        text = text_at(value, path, most=MAX_PATTERN_CHARACTERS)
        pieces, literal = [""], iter(text)
        for character in literal:
            if character == "*":
                pieces.append("")
                continue
            taken = next(literal, None) if character == "\\" else character
            if taken is None:
                raise RuleFault(path, "must not end in a single backslash")
            pieces[-1] += taken
        return cls(text, tuple(pieces))

    def matches(self, resource: str | None) -> bool:
        """Tell whether a resource fits. No resource fits no pattern.

        A resource that names one call with its arguments, `mcp:<tool>#sha256:<digest>`, fits also where its
        part before the digest does: nobody can foresee a digest, so `mcp:send_email` means this tool with
        any arguments.
        """
        if resource is None:
            return False
        if self._fits(resource):
            return True
        # From the right: a tool may have the separator in its own name, and must not pass for a shorter one.
        return is_bound_resource(resource) and self._fits(resource.rpartition(_DIGEST)[0])

    def _fits(self, text: str) -> bool:
        first, last = self.pieces[0], self.pieces[-1]
        if len(self.pieces) == 1:
            return text == first
        end = len(text) - len(last)
        at = len(first)
        if not text.startswith(first) or end < at or not text.endswith(last):
            return False
        for piece in self.pieces[1:-1]:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True
