"""`allowly-harness inbox`: where the person works whom escalations are addressed to."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from allowly_harness.cli.authority.reaching import AUTHORITY_OPTION
from allowly_harness.cli.connect import THEME_OPTION
from allowly_harness.cli.documents import json_text
from allowly_harness.cli.exits import ExitCode, fail, say

if TYPE_CHECKING:
    from allowly_harness.inbox.inbox import AuthorityInbox
    from allowly_harness.inbox.listing import Change
    from allowly_harness.settings import TerminalSettings

LIST_SECONDS: Final = 20.0
"""How long the authority may take to tell all that waits."""


@click.command(short_help="Decide what is escalated to you.")
@click.option(
    "--as",
    "acting_as",
    metavar="NAME",
    help="Only what is addressed to this name, which must be one of the key's.  [default: all names of the key]",
)
@AUTHORITY_OPTION
@click.option("--tui", "front_end", flag_value="tui", help="The full screen; an error where it cannot be drawn.")
@click.option("--chat", "front_end", flag_value="chat", help="Line by line; for screen readers and slow lines.")
@click.option("--watch", is_flag=True, help="Print a line whenever something comes or goes, and answer nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what waits as data, and answer nothing.")
@THEME_OPTION
def inbox(
    acting_as: str | None, url: str | None, front_end: str | None, watch: bool, as_json: bool, theme: str | None
) -> int:
    """Show what waits for you, the first to run out first, and decide it.

    The key says whose inbox it is; make one with allowly-harness authority keys create. A question
    opens when you say so, with everything that will be sent; the first answer counts, whoever gives
    it where. Leaving answers nothing. Without a terminal, what waits is printed as JSON. What you are
    asked and answer is kept in your journal (allowly-harness journal); where it cannot be, nothing is answered.

    \b
    allowly-harness inbox
    allowly-harness inbox --as compliance --chat
    allowly-harness inbox --watch --json
    """
    from allowly_harness.cli.running import run

    if front_end is not None and (watch or as_json):
        raise click.UsageError("--watch and --json answer nothing; leave --tui and --chat out")

    async def work() -> int:
        if watch:
            return await _with_inbox(acting_as, url, lambda inbox, _: _watch(inbox, as_json=as_json))
        if as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return await _with_inbox(acting_as, url, lambda inbox, _: _list(inbox))
        return await _with_inbox(
            acting_as, url, lambda inbox, settings: _answer(inbox, settings, front_end, theme), answers=True
        )

    return run(work)


async def _with_inbox(
    acting_as: str | None,
    url: str | None,
    work: Callable[[AuthorityInbox, TerminalSettings], Awaitable[int]],
    *,
    answers: bool = False,
) -> int:
    from contextlib import AsyncExitStack

    from allowly_authority.errors import NotAllowed
    from allowly_harness.cli.opening import open_authority, open_journal
    from allowly_harness.inbox.holder import GATES_KEY, identify
    from allowly_harness.inbox.inbox import AuthorityInbox
    from allowly_harness.settings import load_settings

    settings = load_settings(url)
    async with open_authority(settings) as opened, AsyncExitStack() as stack:
        if opened is None:
            return fail("no authority is named; use --authority URL or ALLOWLY_BASE_URL", ExitCode.USAGE)
        try:
            holder = await identify(opened.client, acting_as)
            book = await stack.enter_async_context(open_journal()) if answers else None
            inbox = AuthorityInbox(opened.client, holder, dangerous=settings.approval.dangerous, journal=book)
            return await work(inbox, settings.terminal)
        except NotAllowed:
            return fail(GATES_KEY, ExitCode.USAGE)


async def _answer(inbox: AuthorityInbox, settings: TerminalSettings, front_end: str | None, theme: str | None) -> int:
    from allowly_harness.tui.terminal import terminal_problem

    problem = terminal_problem()
    if front_end == "tui" and problem is not None:
        return fail(f"the full screen cannot be drawn: {problem}; use --chat", ExitCode.USAGE)
    if front_end == "chat" or problem is not None:
        if front_end is None:
            say(f"The full screen cannot be drawn here ({problem}); going on line by line.")
        from allowly_harness.chat.inbox import run_inbox_chat

        return await run_inbox_chat(inbox, settings=settings)
    from allowly_harness.tui.inbox.run import run_inbox

    return await run_inbox(inbox, settings=replace(settings, theme=theme or settings.theme))


async def _list(inbox: AuthorityInbox) -> int:
    import anyio

    from allowly_harness.inbox.rows import document_of

    async with anyio.create_task_group() as group:
        group.start_soon(inbox.run)
        with anyio.move_on_after(LIST_SECONDS):
            await inbox.until(lambda one: one.complete)
        group.cancel_scope.cancel()
    if not inbox.complete:
        return fail(f"the authority: {inbox.problem or 'it did not answer in time'}", ExitCode.AUTHORITY_UNREACHABLE)
    click.echo(json_text([document_of(item, inbox.holder) for item in inbox.items], indent=2))
    return int(ExitCode.DONE)


async def _watch(inbox: AuthorityInbox, *, as_json: bool) -> int:
    if inbox.holder.everybody:
        from allowly_harness.inbox.holder import TELLS_NOBODY_APART

        say(TELLS_NOBODY_APART)
    inbox.listen(_json_printer(inbox) if as_json else _line_printer(inbox))
    await inbox.run()
    return int(ExitCode.DONE)


def _json_printer(inbox: AuthorityInbox) -> Callable[[Change], None]:
    from allowly_harness.inbox.rows import document_of

    def tell(change: Change) -> None:
        document: dict[str, object] = {"event": change.kind}
        if change.kind == "lost":
            document["problem"] = change.problem
        if change.item is not None:
            document["question"] = document_of(change.item, inbox.holder)
        click.echo(json_text(document))
        sys.stdout.flush()

    return tell


def _line_printer(inbox: AuthorityInbox) -> Callable[[Change], None]:
    from allowly_harness.inbox.rows import change_words, time_of

    def tell(change: Change) -> None:
        line = f"{time_of(inbox.clock.now())}  {change.kind:<10} {change_words(change, inbox.holder, inbox.now()).text}"
        # The connection is no data: whoever reads the lines of a file wants the questions.
        if change.item is None:
            say(line)
        else:
            click.echo(line)
            sys.stdout.flush()

    return tell
