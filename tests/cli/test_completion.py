"""Shell completion: what is offered, in a real bash, and that it stays light."""

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from allowly_harness.journal.file import open_file

COMMANDS = [
    *(
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
    ),
    *("doctor", "completion"),
]
PROGRAM = Path(sys.executable).with_name("allowly-harness")
HEAVY = ("mcp", "textual", "prompt_toolkit", "pydantic", "httpx", "anyio", "allowly_authority.client")

INSERT = "INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

BASH = r"""
source <(allowly-harness completion bash)
COMP_LINE="$1" COMP_POINT=${#1}
_allowly_harness_completion allowly-harness
printf '%s\n' "${COMPREPLY[@]}"
complete -p allowly-harness
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", **more}


def offered(line: str) -> list[str]:
    """Return what bash would offer at the end of a line."""
    ran = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", line],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    assert ran.stderr == ""
    *found, registered = ran.stdout.splitlines()
    assert "-F _allowly_harness_completion allowly-harness" in registered
    return [value for value in found if value]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("allowly-harness ", COMMANDS),
        ("allowly-harness con", ["connect"]),
        (
            "allowly-harness authority ",
            ["backup", "explain", "grant", "init", "keys", "list", "receipt-keys", "revoke", "serve"],
        ),
        # Bash splits at the colon and replaces only what follows it.
        ("allowly-harness connect demo:", ["mail", "mail_lowlevel", "mail_fastmcp"]),
        ("allowly-harness connect dem", ["demo:mail", "demo:mail_lowlevel", "demo:mail_fastmcp"]),
        ("allowly-harness doctor demo:mail_l", ["mail_lowlevel"]),
        ("allowly-harness connect ./serv", []),
        ("allowly-harness connect --era ", ["auto", "modern", "legacy"]),
        ("allowly-harness connect --era=le", ["legacy"]),
        ("allowly-harness call --unatt", ["--unattended"]),
        ("allowly-harness call demo:mail x --unattended ", ["deny", "defer", "fail"]),
        ("allowly-harness connect --authority emb", ["embedded"]),
        ("allowly-harness completion ", ["bash", "zsh", "fish"]),
        ("allowly-harness call 'half of a quotation", []),
    ],
)
def test_bash_is_offered_commands_options_values_and_demo_servers(line: str, found: list[str]) -> None:
    assert offered(line) == found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script_that_calls_the_program_back(shell: str) -> None:
    ran = subprocess.run([PROGRAM, "completion", shell], capture_output=True, text=True, check=True, timeout=60)

    assert f"_ALLOWLY_HARNESS_COMPLETE={shell}_complete" in ran.stdout
    assert ran.stderr == ""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_are_offered_the_same(shell: str) -> None:
    words = {"COMP_WORDS": "allowly-harness connect demo:m", "COMP_CWORD": "2" if shell == "zsh" else "demo:m"}
    asked = environment(_ALLOWLY_HARNESS_COMPLETE=f"{shell}_complete", **words)

    ran = subprocess.run([PROGRAM], capture_output=True, text=True, check=True, timeout=60, env=asked)

    assert "mail_lowlevel" in ran.stdout
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("word", "found"), [("", ["0a" * 16, "0b" * 16]), ("0B", ["0b" * 16]), ("c", [])], ids=["all", "one", "none"]
)
def test_the_tokens_of_calls_that_wait_are_offered_where_there_is_a_journal(
    word: str, found: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "allowly-harness" / "journal.db"
    path.parent.mkdir()
    with closing(open_file(path)) as journal:
        for token, expires in (("0b" * 16, 2), ("0a" * 16, 1)):
            values = (token, "mail", "send", None, "{}", None, 1, "d", "confirm", None, expires, "deferred")
            journal.execute(INSERT, (*values, 0, "", 0, 1, 0))
    words = {"COMP_WORDS": f"allowly-harness pending resume {word}", "COMP_CWORD": "3"}
    asked = environment(_ALLOWLY_HARNESS_COMPLETE="bash_complete", XDG_DATA_HOME=str(tmp_path), **words)

    ran = subprocess.run([PROGRAM], capture_output=True, text=True, check=True, timeout=60, env=asked)

    assert ran.stdout.split() == [f"plain,{token}" for token in found]
    assert ran.stderr == ""


def test_no_tokens_are_offered_and_nothing_is_made_without_a_journal(tmp_path: Path) -> None:
    words = {"COMP_WORDS": "allowly-harness pending cancel ", "COMP_CWORD": "3"}
    asked = environment(_ALLOWLY_HARNESS_COMPLETE="bash_complete", XDG_DATA_HOME=str(tmp_path), **words)

    ran = subprocess.run([PROGRAM], capture_output=True, text=True, check=True, timeout=60, env=asked)

    assert (ran.stdout.strip(), ran.stderr, list(tmp_path.iterdir())) == ("", "", [])


def test_no_value_of_a_variable_is_offered() -> None:
    """G7."""
    words = {"COMP_WORDS": "allowly-harness call --env ALLOWLY_K", "ALLOWLY_KEY": "secret-key-of-mine"}
    asked = environment(_ALLOWLY_HARNESS_COMPLETE="bash_complete", **words)

    ran = subprocess.run([PROGRAM], capture_output=True, text=True, check=True, timeout=60, env=asked)

    assert "plain,ALLOWLY_KEY" in ran.stdout
    assert "secret" not in ran.stdout


def test_completing_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from allowly_harness.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    words = {"COMP_WORDS": "allowly-harness connect demo:", "_ALLOWLY_HARNESS_COMPLETE": "bash_complete"}
    program = [sys.executable, "-c", f"import sys; sys.argv = ['allowly-harness']\n{code}"]

    ran = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60, env=environment(**words))

    assert ran.stderr.strip() == "[]"
    assert "demo:mail" in ran.stdout
