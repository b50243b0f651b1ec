"""`allowly-harness completion`: prints a script with which a shell completes commands, options and servers.

The scripts and the protocol behind them are click's. The one for bash is ours: bash splits words at
colons and equals signs, so that `demo:mail` would never be completed.
"""

from __future__ import annotations

import os
import shlex
from typing import Final

import click

COMPLETE_VARIABLE: Final = "_ALLOWLY_HARNESS_COMPLETE"
"""Set by the scripts when they ask the program for completions; click's own name for it."""

PROGRAM: Final = "allowly-harness"

BASH_SCRIPT: Final = r"""%(complete_func)s() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$'\n' completion type value word prefix=""
    word="${line##*[[:space:]]}"
    # Bash replaces only what follows the last of these characters.
    if [[ "$COMP_WORDBREAKS" == *:* && "$word" == *:* ]]; then
        prefix="${word%%"${word##*:}"}"
    fi
    COMPREPLY=()
    for completion in $(env COMP_WORDS="$line" %(complete_var)s=bash_complete "$1"); do
        type="${completion%%%%,*}"
        value="${completion#*,}"
        if [[ $type == dir ]]; then
            compopt -o dirnames 2>/dev/null
        elif [[ $type == file ]]; then
            compopt -o default 2>/dev/null
        else
            COMPREPLY+=("${value#"$prefix"}")
        fi
    done
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null || complete -F %(complete_func)s %(prog_name)s
"""


def register() -> None:
    """Put our bash script, and the reading of what it sends, in the place of click's."""
    from click.shell_completion import BashComplete, add_completion_class

    class WholeLineBash(BashComplete):
        """Completes from the line as it stands before the cursor, not from the words that bash makes of it."""

        source_template = BASH_SCRIPT

        @staticmethod
        def _check_version() -> None:
            """Leave it out: the script also runs on the versions that click warns of."""

        def get_completion_args(self) -> tuple[list[str], str]:
            line = os.environ["COMP_WORDS"]
            words = _words(line)[1:]
            incomplete = "" if not words or line[-1:].isspace() else words.pop()
            return words, incomplete

    add_completion_class(WholeLineBash, "bash")


def _words(line: str) -> list[str]:
    """Split a line as a shell does; a quotation that is still open is a word, too."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words += lexer
    except ValueError:
        words.append(lexer.token)
    return words


@click.command(short_help="Print a completion script for your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print a script with which SHELL completes commands, options, servers and files.

    \b
    bash: echo 'eval "$(allowly-harness completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(allowly-harness completion zsh)"' >> ~/.zshrc    (after compinit)
    fish: allowly-harness completion fish > ~/.config/fish/completions/allowly-harness.fish

    It takes effect in the next shell.
    """
    from click.shell_completion import get_completion_class

    register()
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(click.get_current_context().find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source())
    return 0
