"""From what was typed for a server to the server: names are looked up, and a project's servers are asked about.

What a repository brings along was written by whoever wrote the repository, and starting it runs
their command. So a person sees the whole command first and says yes, each time; nothing is remembered.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from allowly_harness.cli.exits import ExitCode, say
from allowly_harness.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from allowly_harness.hosts import Entry, Surroundings
    from allowly_harness.servers import ServerSpec

Server: TypeAlias = "str | Sequence[str] | ServerSpec"

YES: Final = ("y", "yes")
"""What starts a project's server; anything else does not."""

MAX_ANSWER_CHARACTERS: Final = 100

ANSWER_SECONDS: Final = 600.0
"""How long the question stands; silence is a no."""


class Declined(ConfigurationError):
    """A person did not want the server to be started."""


def code_of(error: ConfigurationError) -> ExitCode:
    """Return the code to exit with."""
    return ExitCode.DENIED_BY_PERSON if isinstance(error, Declined) else ExitCode.USAGE


def take_server(server: str | Sequence[str], *, trust_project: bool, may_ask: bool = True) -> Server:
    """Look a server up by its name, where it is one, and have a person agree to a project's.

    Args:
        server: As it was typed. URLs, demos, files and commands are returned as they are.
        trust_project: Agree without asking.
        may_ask: Whether standard input is a person's.

    Raises:
        Declined: The person said no.
        ConfigurationError: Nothing is called so, several things are, it cannot be used, or nobody
            could be asked.
    """
    from allowly_harness.servers import is_command

    if not isinstance(server, str) or not server.strip():
        return server
    if is_command(server):
        _tell_of_the_name(server.strip())
        return server
    from allowly_harness.hosts import Surroundings
    from allowly_harness.named import named_entry, spec_of

    surroundings = Surroundings.current()
    entry = named_entry(server, surroundings)
    if entry is None:
        raise ConfigurationError(_nothing(server.strip(), surroundings))
    # Before anybody is asked: what cannot be started is not worth a question.
    spec = spec_of(entry, surroundings)
    if entry.asks and not trust_project:
        _ask(entry, spec, surroundings, may_ask=may_ask)
    return spec


def _tell_of_the_name(word: str) -> None:
    """Say that a program of that name comes before the server of that name."""
    if not word.replace("-", "").replace("_", "").isalnum():
        return
    from allowly_harness.display.sanitize import plain
    from allowly_harness.hosts.finding import SEPARATOR, find_servers

    found = find_servers()
    files = [found.shown_path(entry.place.path) for entry in found.of_name(word)]
    if files:
        way = f"{files[0]}{SEPARATOR}{word}"
        say(plain(f"{word} is a program here, and that is started. A server is called so, too: {way}"))


def _nothing(text: str, surroundings: Surroundings) -> str:
    from difflib import get_close_matches

    from allowly_harness.hosts.finding import find_servers
    from allowly_harness.servers import parse_server

    try:
        parse_server(text)
    except ConfigurationError as error:
        problem = str(error)
    else:
        return f"nothing is called {text!r}"
    found = find_servers(surroundings)
    files = "".join(f"; {found.shown_path(one.place.path)} cannot be read: {one.reason}" for one in found.unreadable)
    if not found.entries:
        return f"{problem}; no server is configured by name, either{files}"
    close = get_close_matches(text, [entry.name for entry in found.entries], n=1)
    hint = f"did you mean {close[0]!r}?" if close else "allowly-harness servers lists them"
    return f"{problem}, and no server is called so, either; {hint}{files}"


def _ask(entry: Entry, spec: ServerSpec, surroundings: Surroundings, *, may_ask: bool) -> None:
    if not (may_ask and sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigurationError(
            f"{entry.name!r} is configured by {entry.place.path}, which is not a file of yours alone, and nobody "
            "can be asked here; look at the command there, then give --trust-project"
        )
    for line in _question(entry, spec, surroundings):
        say(line)
    if _answer() not in YES:
        raise Declined(f"{entry.name!r} was not {'reached' if entry.url else 'started'}")


def _question(entry: Entry, spec: ServerSpec, surroundings: Surroundings) -> Iterator[str]:
    from allowly_harness.display.sanitize import identifier, plain
    from allowly_harness.hosts.shown import shown_server
    from allowly_harness.named import variables_taken

    yield f"{identifier(entry.name)} is configured by {plain(str(entry.place.path))} ({entry.place.host.name})."
    yield "Whoever wrote that file chose what happens now, under your account:"
    yield f"  {'connect to' if entry.url else 'run':<11} {shown_server(entry)}"
    if spec.cwd is not None:
        yield f"  {'in':<11} {plain(str(spec.cwd))}"
    for label, names in (
        ("which sets", (*entry.env, *entry.headers)),
        ("and is told", variables_taken(entry, surroundings)),
    ):
        if names:
            yield f"  {label:<11} {', '.join(str(identifier(name)) for name in names)}"


def _answer(seconds: float = ANSWER_SECONDS) -> str:
    import select

    # What was typed before the question was there is no answer to it.
    with suppress(ImportError, OSError):
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    is_there, _, _ = select.select([sys.stdin], [], [], seconds)
    answer = sys.stdin.readline(MAX_ANSWER_CHARACTERS) if is_there else ""
    if not answer.endswith("\n"):
        say("")
    return answer.strip().lower()
