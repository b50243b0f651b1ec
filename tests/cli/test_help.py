"""`--help` and `--version`: light, and complete."""

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from allowly_harness.cli.exits import ExitCode
from allowly_harness.cli.main import cli

HEAVY = ("mcp", "textual", "prompt_toolkit", "pydantic", "httpx", "anyio", "starlette", "allowly_authority.client")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["call", "--help"],
        ["doctor", "--help"],
        ["completion", "zsh"],
        ["authority", "serve", "--help"],
    ],
)
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['allowly-harness', *{arguments!r}]\n"
        "from allowly_harness.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stderr.strip() == "[]"
    assert ran.stdout


def every_command() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    waiting: list[tuple[tuple[str, ...], click.Command]] = [((), cli)]
    while waiting:
        words, command = waiting.pop()
        yield words, command
        if isinstance(command, click.Group):
            waiting += [((*words, name), below) for name, below in command.commands.items()]


def test_every_command_says_in_a_line_what_it_does_and_every_option_what_it_is_for() -> None:
    for words, command in every_command():
        assert command.help, words
        assert not words or (command.short_help or "").endswith("."), words
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, (words, parameter.name)


def test_a_newcomer_finds_the_demo_first_and_the_exit_codes_last() -> None:
    shown = CliRunner().invoke(cli, ["--help"], prog_name="allowly-harness").output

    listed = re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2], re.MULTILINE)
    assert listed == [
        "demo",
        "connect",
        "call",
        "bridge",
        "guard",
        "policy",
        "approve",
        "inbox",
        "servers",
        "pending",
        "grants",
        "journal",
        "authority",
        "doctor",
        "completion",
    ]
    codes = re.sub(r"\s+", " ", shown.partition("Exit codes:")[2])
    assert [int(code) for code in re.findall(r"\d+", codes)] == [int(code) for code in ExitCode]


def test_no_example_is_wider_than_a_terminal() -> None:
    for words, _ in every_command():
        shown = CliRunner().invoke(cli, [*words, "--help"], terminal_width=80).output
        assert max(len(line) for line in shown.splitlines()) <= 90, words
