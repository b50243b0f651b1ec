"""`allowly-harness pending`: the calls that wait for an answer, and what may be done with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from allowly_harness.cli.documents import json_text
from allowly_harness.cli.exits import ExitCode, say
from allowly_harness.cli.options import complete_authority, complete_variable, parse_variables

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from allowly_harness.approvers.base import Approver
    from allowly_harness.cli.report import Report
    from allowly_harness.journal import Journal
    from allowly_harness.journal.pending import PendingCall

SHORT: Final = 8
"""How much of a token is shown, and is mostly enough to name a call."""


class _ListByDefault(click.Group):
    """Lists where no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in front that is meant."""
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        if not named and not ctx.resilient_parsing:
            args = ["list", *args]
        return super().parse_args(ctx, args)


def complete_token(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Complete the token of a call that waits."""
    from click.shell_completion import CompletionItem

    tokens = _tokens()
    return [CompletionItem(token) for token in tokens if token.startswith(incomplete.lower())]


@click.group(cls=_ListByDefault, short_help="Calls that wait for an answer: list, resume, cancel.")
def pending() -> None:
    """Calls that wait for an answer: list, show, resume, cancel or forget them.

    A call that was left open, and one that was cut off while a question stood, is kept with its arguments until
    it ends, for 30 days. Nothing of it runs by itself: resume makes it again, once. TOKEN is the name of a call,
    or the first letters of it.
    """


_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_TOKEN = click.argument("token", shell_complete=complete_token)
_AUTHORITY = click.option(
    "--authority",
    metavar="URL",
    shell_complete=complete_authority,
    help="The authorization API, where a call does not say which.  [default: ALLOWLY_BASE_URL, then the configuration]",
)


@pending.command("list", short_help="List the calls that wait; what pending alone does.")
@_JSON
@_AUTHORITY
@click.option("--offline", is_flag=True, help="Do not ask the authority whether they are still open there.")
def list_(as_json: bool, authority: str | None, offline: bool) -> int:
    """List the calls that wait, the first to run out first, and ask the authority how their questions stand.

    \b
    free     it may be resumed
    at work  a program that runs is asking about it, waits for it or sends it
    unknown  it was sent, and no answer is written: it may have run, and is never sent again
    """

    async def command(book: Journal) -> int:
        from allowly_harness.cli.pending_rows import document, line, questions_of

        calls = book.pending.list()
        standing = {} if offline else await questions_of(calls, authority)
        for one in calls:
            found = standing.get(one.token)
            click.echo(json_text(document(one, found)) if as_json else line(one, found, SHORT))
        if not calls and not as_json:
            say("No call waits.")
        return int(ExitCode.DONE)

    return _with_journal(command)


@pending.command(short_help="Show one call that waits, with its arguments.")
@_TOKEN
@_JSON
@_AUTHORITY
@click.option("--offline", is_flag=True, help="Do not ask the authority whether it is still open there.")
@click.option("--reveal", is_flag=True, help="Show what looks secret in the arguments; otherwise it is masked.")
def show(token: str, as_json: bool, authority: str | None, offline: bool, reveal: bool) -> int:
    """Show the call of TOKEN: its arguments, for whom it waits, and how its server is reached.

    With --json nothing is masked: that is for programs.
    """

    async def command(book: Journal) -> int:
        from allowly_harness.cli.pending_rows import document, page, questions_of

        one = _find(book, token)
        found = (await questions_of([one], authority)).get(one.token) if not offline else None
        for text in [json_text(document(one, found))] if as_json else page(one, found, revealed=reveal):
            click.echo(text)
        return int(ExitCode.DONE)

    return _with_journal(command)


@pending.command(short_help="Make a call again that waits, once it is approved.")
@_TOKEN
@click.option("--wait", is_flag=True, help="Wait for whoever must approve it, without being asked whether to.")
@click.option(
    "--env",
    "variables",
    multiple=True,
    metavar="NAME[=VALUE]",
    shell_complete=complete_variable,
    help="A variable that the server was given; values are not kept. Without a value, ours is handed on. Repeatable.",
)
@click.option("--trust-project", is_flag=True, help="Start a server that a file of the project names without asking.")
@click.option(
    "--unattended",
    type=click.Choice(["deny", "defer", "fail"]),
    default="defer",
    show_default=True,
    help="Where nobody can be asked: report a question as refused, leave it open, or end at once.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text: the tool's data. json: one document, also for calls that did not run.",
)
def resume(
    token: str,
    wait: bool,
    variables: Sequence[str],
    trust_project: bool,
    unattended: Literal["deny", "defer", "fail"],
    output: Literal["text", "json"],
) -> int:
    """Reach the server of a call again, make the very call, and print its result as call does.

    Approved meanwhile, it runs. Still open, you are asked, or may wait; after its end you are asked afresh.
    The server, its arguments, the authority, the era and the guard's policy are those of the first time.
    The exit codes are those of call.
    """
    from allowly_harness.cli.report import Report
    from allowly_harness.cli.running import run

    report = Report(output)
    given = parse_variables(variables)

    async def command() -> int:
        from allowly_harness.cli.opening import open_journal
        from allowly_harness.journal.pending import PendingState

        async with open_journal() as book:
            one = _find(book, token)
        if one.state is PendingState.UNKNOWN:
            message = "it was sent, and nobody knows whether it ran; it is not sent again"
            return report.unanswered(message, ExitCode.UNKNOWN_OUTCOME)
        report.calling(one.call)
        return await _resume(one, given, report, unattended, trust_project=trust_project, wait=wait)

    return run(command, on_failure=report.failed)


@pending.command(short_help="Take a call back that waits.")
@_TOKEN
def cancel(token: str) -> int:
    """Take the call of TOKEN back: it is written down as cancelled, and is kept no longer.

    A question at the authority stays there until it runs out; only the server knows its name. Approved, it would
    let one identical call through.
    """

    async def command(book: Journal) -> int:
        one = book.pending.cancel(_find(book, token).token)
        say(f"Taken back: {_named(one)}. Its question runs out by itself; an approval of it opens nothing but this.")
        return int(ExitCode.DONE)

    return _with_journal(command)


@pending.command(short_help="Forget a call of which nobody knows whether it ran.")
@_TOKEN
def forget(token: str) -> int:
    """Forget the call of TOKEN, of which nobody knows whether it ran: you have looked at its effect."""

    async def command(book: Journal) -> int:
        one = book.pending.forget(_find(book, token).token)
        say(f"Forgotten: {_named(one)}. The journal keeps its steps.")
        return int(ExitCode.DONE)

    return _with_journal(command)


async def how_many_wait() -> int:
    """Return how many calls wait that nobody works on; 0 where that cannot be read, or none ever did."""
    from allowly_harness.journal import Journal
    from allowly_harness.locations import journal_file
    from allowly_harness.protocol.errors import JournalError

    if not journal_file().exists():
        return 0
    try:
        async with Journal.open(journal_file()) as book:
            return sum(one.taken_by is None for one in book.pending.list())
    except JournalError:
        return 0


async def _resume(
    one: PendingCall,
    given: dict[str, str],
    report: Report,
    unattended: Literal["deny", "defer", "fail"],
    *,
    trust_project: bool,
    wait: bool,
) -> int:
    from allowly_harness.cli.guarding import GivenGuard, guarded
    from allowly_harness.cli.naming import take_server
    from allowly_harness.cli.opening import Target, open_session
    from allowly_harness.cli.person import person
    from allowly_harness.cli.progress import ProgressLine
    from allowly_harness.cli.reach import go_to, read_reach, variables_again

    reached = read_reach(one.reach)
    variables = variables_again(reached, given)
    go_to(reached.folder)
    target = Target(
        take_server(reached.server, trust_project=trust_project),
        reached.authority,
        reached.acting_as,
        variables,
        reached.era,
        reached.timeout,
        quiet=True,
        requester="you, resuming a call",
        typed=reached.server,
        policy=reached.policy,
        authorization=reached.authorization,
    )
    target = await guarded(target, GivenGuard(reached.policy) if reached.guard else None)
    progress = ProgressLine(quiet=True)
    with person(unattended, stdin_is_data=False, aside=progress.away) as approver:
        async with open_session(target, _waiting(approver) if wait else approver) as session:
            return report.ended(await session.resume_call(one.token))


def _waiting(approver: Approver) -> Any:
    """Return an approver that waits for whoever must approve, and asks the person for everything else."""
    from allowly_harness.protocol.models import Answer, ApprovalRequest

    class Waits:
        def __getattr__(self, name: str) -> Any:
            return getattr(approver, name)

        async def automatic(self, request: ApprovalRequest) -> Answer | None:
            if request.kind == "escalate" and not request.may_resolve:
                return Answer.wait()
            automatic = getattr(approver, "automatic", None)
            return None if automatic is None else await automatic(request)

        async def ask(self, request: ApprovalRequest) -> Answer:
            return await self.automatic(request) or await approver.ask(request)

    return Waits()


def _with_journal(command: Callable[[Journal], Any]) -> int:
    from allowly_harness.cli.opening import open_journal
    from allowly_harness.cli.running import run

    async def opened() -> int:
        async with open_journal() as book:
            return int(await command(book))

    return run(opened)


def _find(book: Journal, start: str) -> PendingCall:
    """Return the call that a token, or the first letters of one, names.

    Raises:
        ConfigurationError: None is named so, or several are.
    """
    from allowly_harness.protocol.errors import ConfigurationError

    found = [one for one in book.pending.list() if start and one.token.startswith(start.lower())]
    if len(found) != 1:
        problem = f"{len(found)} calls that wait begin" if found else "no call that waits begins"
        raise ConfigurationError(f"{problem} with {start!r}; allowly-harness pending lists them")
    return found[0]


def _named(one: PendingCall) -> str:
    from allowly_harness.display.sanitize import identifier

    return f"{identifier(one.call.server).text}: {identifier(one.call.tool).text}"


def _tokens() -> list[str]:
    """Return the tokens of all calls that wait, without what opening a journal loads; none where that fails."""
    import sqlite3
    from contextlib import closing

    from allowly_harness.locations import journal_file

    try:
        with closing(sqlite3.connect(f"file:{journal_file()}?mode=ro", uri=True)) as connection:
            return [token for (token,) in connection.execute("SELECT token FROM pending ORDER BY expires_at_ms")]
    except sqlite3.Error:
        return []
