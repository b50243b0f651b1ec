"""`allowly-harness journal`: what was asked, answered and sent, and whether it ran."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from allowly_harness.cli.documents import discard_output, json_text
from allowly_harness.cli.exits import ExitCode, fail, say

if TYPE_CHECKING:
    from allowly_harness.journal import Entry, Journal
    from allowly_harness.journal.calls import Call

SHORT: Final = 8
"""How much of a call's name is shown, and is enough to name it."""

_SINCE: Final = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.group(short_help="What was asked, answered and sent, and whether it ran.")
def journal() -> None:
    """What was asked, answered and sent, and whether it ran.

    Every call that goes through connect, call or bridge leaves its steps here, each written before it is taken,
    and so does every question that you open in inbox, whose call another program makes.
    There are no arguments in it, no nonces and no keys: a call is named by server, tool and digest.
    """


@journal.command(short_help="List the last calls, or all steps of one.")
@click.argument("call", required=False)
@click.option("-n", "--last", type=click.IntRange(1), default=20, show_default=True, help="How many calls.")
@click.option("--asked", is_flag=True, help="Only calls that a person was asked about, or that were refused.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def show(call: str | None, last: int, asked: bool, as_json: bool) -> int:
    """List the last calls, or all steps of CALL, which is named by the first letters of its name.

    \b
    ran       the server answered with the tool's result
    not run   it was never sent, or came back blocked each time
    unknown   it was sent, and no answer is written: it may have run
    not here  another program makes it; its question was put to you in the inbox.
              There, unknown is about your answer: it was sent, and may be on record
    """

    def command(book: Journal) -> int:
        from allowly_harness.journal.calls import calls_of

        if call is not None:
            return _show_one(book, call, as_json=as_json)
        calls = [one for one in calls_of(book.entries()) if one.blocked or not asked][-last:]
        running = _running(book)
        for one in calls:
            click.echo(json_text(one.document(running)) if as_json else _line(one, running))
        if not calls and not as_json:
            say("The journal is empty." if not asked else "Nobody was asked.")
        return int(ExitCode.DONE)

    return _with_journal(command)


@journal.command(short_help="Say whether the journal is as it was written.")
@click.option("--expect", metavar="DIGEST", help="A last digest that was noted earlier; some entry must have it.")
def verify(expect: str | None) -> int:
    """Read the whole chain, and name the first entry that is damaged, missing or replaced.

    The last digest is printed. Note it somewhere else: whoever may write the file could write all of it anew,
    and --expect shows that.

    Exit code: 0 as it was written, 1 damaged.
    """

    def command(book: Journal) -> int:
        from allowly_harness.journal import Intact
        from allowly_harness.journal import verify as read_through

        found = read_through(book, expected=expect.lower() if expect else None)
        if not isinstance(found, Intact):
            return fail(f"entry {found.seq}: {found.problem}", ExitCode.TOOL_FAILED)
        older = f", after {found.removed} older ones that were removed" if found.removed else ""
        say(f"As it was written: {found.entries} entries{older}.")
        if found.last:
            click.echo(found.last)
        return int(ExitCode.DONE)

    return _with_journal(command)


@journal.command(short_help="Write all entries as JSON, one a line.")
@click.option("--since", type=_SINCE, help="Only entries from this time on, by this computer's clock.")
def export(since: datetime | None) -> int:
    """Write all entries to standard output as JSON, one a line, in the order in which they were written."""

    def command(book: Journal) -> int:
        begin = since.astimezone() if since else None
        for entry in book.entries():
            if begin is None or entry.at >= begin:
                click.echo(json_text(entry.document()))
        return int(ExitCode.DONE)

    return _with_journal(command)


@journal.command(short_help="How often you are asked, what you answer, how fast, and what asks most.")
@click.option("--since", type=_SINCE, help="Only calls from this time on, by this computer's clock.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def stats(since: datetime | None, as_json: bool) -> int:
    """How often you are asked, what you answer, how fast, and what asks most.

    A prompt that is always answered yes is noise: what is said below a line tells where a narrower rule or a
    remembered grant would ask less. The plots are left out in a pipe.
    """

    def command(book: Journal) -> int:
        from allowly_harness.cli.statistics import Plot, lines_of
        from allowly_harness.journal.calls import calls_of
        from allowly_harness.journal.figures import figures_of

        begin = since.astimezone() if since else None
        figures = figures_of(one for one in calls_of(book.entries()) if begin is None or one.began >= begin)
        if as_json:
            click.echo(json_text(figures.document()))
        else:
            for line in lines_of(figures, Plot.for_output()):
                click.echo(line)
        return int(ExitCode.DONE)

    return _with_journal(command)


def _with_journal(command: Callable[[Journal], int]) -> int:
    """Run a command on the user's journal."""
    from allowly_harness.cli.running import run
    from allowly_harness.journal import Journal
    from allowly_harness.locations import journal_file

    async def opened() -> int:
        async with Journal.open(journal_file()) as book:
            return _until_nobody_reads(command, book)

    return run(opened)


def _until_nobody_reads(command: Callable[[Journal], int], book: Journal) -> int:
    """Run a command; whoever reads what it prints may have had enough of it, as `| head` has."""
    try:
        return command(book)
    except BrokenPipeError:
        discard_output()
        return int(ExitCode.DONE)


def _running(book: Journal) -> Callable[[str], bool]:
    from functools import cache

    from allowly_harness.journal.running import is_running

    return cache(lambda program: program == book.program or is_running(book.path, program))


def _line(call: Call, running: Callable[[str], bool]) -> str:
    from allowly_harness.display.sanitize import identifier

    name = f"{identifier(call.server).text}: {identifier(call.tool).text}"
    began = call.began.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    asked = f"{len(call.questions)} asked" if call.questions else ""
    return f"{began}  {call.conversation[:SHORT]}  {call.fate.value:<8} {call.state(running):<17} {asked:<8} {name}"


def _show_one(book: Journal, start: str, *, as_json: bool) -> int:
    entries = [entry for entry in book.entries() if entry.conversation.startswith(start.lower())]
    names = {entry.conversation for entry in entries}
    if len(names) != 1:
        problem = "no call" if not names else f"{len(names)} calls"
        return fail(f"{problem} of the journal begin with {start!r}; journal show lists them", ExitCode.USAGE)
    for line in map(_document, entries) if as_json else _steps(book, entries):
        click.echo(line)
    return int(ExitCode.DONE)


def _document(entry: Entry) -> str:
    return json_text(entry.document())


def _steps(book: Journal, entries: list[Entry]) -> Iterator[str]:
    from allowly_harness.display.sanitize import plain
    from allowly_harness.journal.calls import call_of

    call = call_of(entries)
    yield _line(call, _running(book))
    yield f"  digest of the call  {entries[0].call_digest}"
    for entry in entries:
        at = entry.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
        facts = "  ".join(f"{name}={value}" for name, value in json.loads(entry.facts).items())
        yield f"  {entry.seq:>6}  {at}  {entry.step:<11} {plain(facts)}"
