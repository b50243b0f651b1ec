"""Writes the generated parts of these pages: `python docs/generate.py`, or `--check` to only compare.

`command-line.md` holds every command's help; `architecture.md` holds the life of a call as a diagram;
`terminal.md` holds every key, every command of the chat prompt and every answer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from allowly_harness.approvers.chat.reply import MEANINGS
from allowly_harness.chat.commands import COMMANDS
from allowly_harness.cli.exits import OUTCOME_CODES, ExitCode
from allowly_harness.cli.main import cli
from allowly_harness.protocol.lifecycle import TRANSITIONS
from allowly_harness.tui.keymap import ACTIONS, key_label

HERE = Path(__file__).parent
MARK = "<!-- generated: lifecycle -->"
KEYS_MARK = "<!-- generated: keys -->"

CONTEXTS = {
    "everywhere": "Everywhere",
    "main": "Main screen",
    "question": "A question",
    "waiting": "Waiting for somebody else",
    "queue": "The list of all that waits",
    "inbox": "The approver's inbox",
    "editor": "Editing",
    "page": "A page of text",
}

BEFORE = """# Command line

stdout is data, stderr is everything else. This page is generated from the program.

Something does not work? `allowly-harness doctor` says what, and what to do next. To have your shell complete
commands, options and demo servers, see [completion](#allowly-harness-completion).
"""

DOCUMENT = """## The document of `call --output json`

One line, also for a call that was refused, that nobody heard, or that never reached a server. Only what the command
line itself rejects (an unknown option, an argument that cannot be read) and a call that was ended by SIGTERM or SIGHUP
write none.

| member | type | what it is |
|---|---|---|
| `outcome` | string or null | how the approval ended, as in the table below; `null` if the server sent no result |
| `exit_code` | integer | the code that the program exits with |
| `rounds` | integer | how many questions were raised; 0 for a call that was not guarded, or allowed at once |
| `digest` | string or null | SHA-256 over server, tool and canonical arguments; `null` if no call was made |
| `is_error` | boolean | whether there is no result, or one that reports an error |
| `content` | array | the content blocks of the result, as in MCP |
| `structured` | any | the structured content of the result, or `null` |
| `seconds` | number | how long it took, the time included that a person thought about it |
| `message` | string or null | why there is no result, in a sentence |
"""


def commands(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield a command and those below it, each as the words that a user types."""
    yield words
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, (*words, name))


def command_line() -> str:
    """Return the page with every help text."""
    parts = [BEFORE]
    for words in commands(cli, ("allowly-harness",)):
        shown = CliRunner().invoke(cli, [*words[1:], "--help"], prog_name=words[0], terminal_width=100)
        parts.append(f"## {' '.join(words)}\n\n```text\n{shown.output.rstrip()}\n```\n")
    parts.append(DOCUMENT)
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


def terminal() -> str:
    """Return the page about the terminal with its keys, commands and answers."""
    parts = [(HERE / "terminal.md").read_text(encoding="utf-8").partition(KEYS_MARK)[0] + KEYS_MARK, "", "## Keys", ""]
    parts.append("The name is what the [configuration](configuration.md#the-configuration-file) calls the action.")
    for context, title in CONTEXTS.items():
        parts += ["", f"### {title}", "", "| key | what it does | name |", "|---|---|---|"]
        for action in ACTIONS:
            if action.context == context:
                parts.append(f"| `{key_label(action.default)}` | {action.text} | `{action.name}` |")
    parts += ["", "## Commands of the chat prompt", "", "| typed | what it does |", "|---|---|"]
    parts += [f"| {_code(usage.typed)} | {usage.meaning} |" for usage in COMMANDS.values()]
    parts += ["", "## Answers of the chat prompt", "", "| typed | what it does |", "|---|---|"]
    parts += [f"| {_code(typed.format(code='k7'))} | {meaning} |" for typed, meaning in MEANINGS.values()]
    return "\n".join(parts) + "\n"


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def main() -> int:
    """Write the pages, or say which are out of date."""
    pages = {"command-line.md": command_line(), "architecture.md": architecture(), "terminal.md": terminal()}
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
