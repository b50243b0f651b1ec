"""Writes the generated parts of these pages: `python docs/generate.py`, or `--check` to only compare.

`command-line.md` holds every command's help; `architecture.md` holds the life of a call as a diagram.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from allowly_harness.cli.exits import OUTCOME_CODES, ExitCode
from allowly_harness.cli.main import cli
from allowly_harness.protocol.lifecycle import TRANSITIONS

HERE = Path(__file__).parent
MARK = "<!-- generated: lifecycle -->"


def commands(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield a command and those below it, each as the words that a user types."""
    yield words
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from commands(below, (*words, name))


def command_line() -> str:
    """Return the page with every help text."""
    parts = ["# Command line\n\nstdout is data, stderr is everything else. This page is generated from the program.\n"]
    for words in commands(cli, ("allowly-harness",)):
        shown = CliRunner().invoke(cli, [*words[1:], "--help"], prog_name=words[0], terminal_width=100)
        parts.append(f"## {' '.join(words)}\n\n```text\n{shown.output.rstrip()}\n```\n")
    parts.append("## Exit codes\n\n| code | name | outcomes of `call` |\n|---|---|---|")
    for code in ExitCode:
        outcomes = ", ".join(outcome for outcome, its in OUTCOME_CODES.items() if its is code)
        parts.append(f"| {int(code)} | {code.name.lower().replace('_', ' ')} | {outcomes} |")
    return "\n".join(parts) + "\n"


def architecture() -> str:
    """Return the architecture page with the diagram drawn from the table."""
    text = (HERE / "architecture.md").read_text(encoding="utf-8")
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> new"]
    for state, steps in TRANSITIONS.items():
        lines += [f"    {state} --> {following}: {step}" for step, following in steps.items()]
    lines += ["    over --> [*]", "```"]
    return text.partition(MARK)[0] + MARK + "\n" + "\n".join(lines) + "\n"


def main() -> int:
    """Write the pages, or say which are out of date."""
    pages = {"command-line.md": command_line(), "architecture.md": architecture()}
    stale = [name for name, text in pages.items() if not _same(HERE / name, text)]
    if "--check" in sys.argv:
        for name in stale:
            print(f"docs/{name} is out of date; run: make docs", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (HERE / name).write_text(pages[name], encoding="utf-8")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
