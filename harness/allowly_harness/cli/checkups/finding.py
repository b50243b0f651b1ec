"""What a check found: a line for a person, and an exit code if something cannot work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from allowly_harness.cli.exits import ExitCode
from allowly_harness.display.sanitize import plain


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        status: "ok"; "warn": it works, with less than there could be; "FAIL": something does not work.
        subject: What was looked at, in a word or two.
        text: What was found.
        advice: What to do next; empty where there is nothing to do.
        code: The exit code of a failure.
    """

    status: Literal["ok", "warn", "FAIL"]
    subject: str
    text: str
    advice: str = ""
    code: ExitCode = ExitCode.DONE

    @classmethod
    def ok(cls, subject: str, text: str, advice: str = "") -> Self:
        """Nothing is wrong."""
        return cls("ok", subject, text, advice)

    @classmethod
    def warn(cls, subject: str, text: str, advice: str = "") -> Self:
        """It works, with less than there could be."""
        return cls("warn", subject, text, advice)

    @classmethod
    def fail(cls, subject: str, text: str, advice: str = "", code: ExitCode = ExitCode.USAGE) -> Self:
        """Something does not work."""
        return cls("FAIL", subject, text, advice, code)

    def line(self) -> str:
        """Return it as one inert line: servers and authorities word parts of it (G8)."""
        advice = f"; next: {self.advice}" if self.advice else ""
        return plain(f"{self.status:<4}  {self.subject:<13}  {self.text}{advice}", 1000)

    def document(self) -> dict[str, str]:
        """Return it as JSON."""
        return {"status": self.status, "subject": self.subject, "text": self.text, "next": self.advice}


Tell: TypeAlias = Callable[[Finding], object]
"""Takes each finding as soon as it is there."""
