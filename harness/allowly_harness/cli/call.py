"""`allowly-harness call`: one tool call from a script or a shell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from allowly_harness.cli.exits import ExitCode, say
from allowly_harness.cli.guarding import guard_options
from allowly_harness.cli.options import complete_server, parse_variables, server_options

if TYPE_CHECKING:
    from allowly_harness.cli.given import Given
    from allowly_harness.cli.guarding import GivenGuard
    from allowly_harness.cli.opening import Target
    from allowly_harness.cli.report import Report
    from allowly_harness.session import ApprovingClientSession

MAX_PROBLEMS: Final = 5
"""How many things that are wrong with the arguments are named."""


@click.command(short_help="Make one tool call from a script or a shell.")
@click.argument("server", shell_complete=complete_server)
@click.argument("tool")
@click.option(
    "--arg",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An argument, see above. Repeatable.",
)
@click.option(
    "--json", "text", metavar="OBJECT", help="All arguments as one JSON object, @FILE, or - for standard input."
)
@click.option(
    "--no-check", is_flag=True, help="Do not hold tool and arguments against what the server lists; it decides."
)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text: the tool's data. json: one document, also for calls that did not run.",
)
@click.option("--quiet", is_flag=True, help="No progress on standard error.")
@click.option(
    "--unattended",
    type=click.Choice(["deny", "defer", "fail"]),
    default="deny",
    show_default=True,
    help="Where nobody can be asked: report a question as refused, leave it open for somebody else, or "
    "end at once, report nothing and say what would have been asked.",
)
@guard_options
@server_options
def call(
    server: str,
    tool: str,
    pairs: Sequence[str],
    text: str | None,
    no_check: bool,
    output: Literal["text", "json"],
    quiet: bool,
    unattended: Literal["deny", "defer", "fail"],
    guard: bool,
    policy: str | None,
    authority: str | None,
    acting_as: str | None,
    variables: Sequence[str],
    trust_project: bool,
    timeout: float,
    era: str,
) -> int:
    """Call one TOOL of SERVER; ask on the terminal if the server demands it.

    SERVER is a URL, a Python, JavaScript or TypeScript file, a command in quotes, demo:NAME, or a name that
    allowly-harness servers lists. The result goes to standard output, everything else to standard error.

    \b
    allowly-harness call demo:mail send_email --arg to=ada@example.com \\
        --arg subject=Hi --arg body=Hello

    \b
    --arg NAME=TEXT    text; where the tool's schema wants something else than text,
                       the number, true, false, null, choice or JSON that it spells
    --arg NAME:=JSON   JSON, whatever the schema says
    --arg NAME=@FILE   the text of a file; NAME:=@FILE its JSON; - is standard input

    Without a terminal nothing is asked and nothing is approved. The same holds where standard input is
    read for the arguments: lines there are data, never answers.

    The document of --output json has outcome (null if the server sent no result), exit_code, rounds,
    digest, token (resumes a call that was left open, see pending), is_error, content, structured,
    seconds (the person's time included) and message.
    """
    from allowly_harness.cli.given import read_given
    from allowly_harness.cli.guarding import GivenGuard
    from allowly_harness.cli.naming import code_of, take_server
    from allowly_harness.cli.opening import Target
    from allowly_harness.cli.report import Report
    from allowly_harness.cli.running import run
    from allowly_harness.protocol.errors import ConfigurationError

    guarding = GivenGuard.of(guard=guard, policy=policy)
    given = read_given(pairs, text)
    report = Report(output)
    try:
        taken = take_server(server, trust_project=trust_project, may_ask=not given.from_stdin)
    except ConfigurationError as error:
        return report.unanswered(str(error), code_of(error))
    target = Target(
        taken,
        authority,
        acting_as,
        parse_variables(variables),
        era,
        timeout,
        quiet,
        requester="you, with a single call",
        typed=server,
        policy=policy,
    )
    one = _Call(target, guarding, tool, given, report, unattended, not no_check, quiet)
    return run(one.make, on_failure=report.failed)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call as the command line gives it."""

    target: Target
    guarding: GivenGuard | None
    tool: str
    given: Given
    report: Report
    unattended: Literal["deny", "defer", "fail"]
    checked: bool
    quiet: bool

    async def make(self) -> int:
        """Open the session, make the call, report how it ended; return the exit code."""
        from allowly_harness.cli.guarding import guarded
        from allowly_harness.cli.opening import open_session
        from allowly_harness.cli.person import person
        from allowly_harness.cli.progress import ProgressLine

        target = await guarded(self.target, self.guarding)
        progress = ProgressLine(quiet=self.quiet)
        stdin_is_data = self.given.from_stdin
        with person(self.unattended, stdin_is_data=stdin_is_data, aside=progress.away) as approver:
            async with open_session(target, approver, guard_says=self._told) as session:
                arguments = await self._arguments(session)
                try:
                    return await self._send(session, arguments, progress)
                finally:
                    progress.clear()

    def _told(self, text: str) -> None:
        from allowly_harness.cli.guarding import say_plainly

        if not self.quiet:
            say_plainly(text)

    async def _arguments(self, session: ApprovingClientSession) -> dict[str, Any]:
        """Turn what was typed into what the schema wants, and hold it against that.

        Raises:
            ConfigurationError: There is no such tool, or the arguments do not fit its schema.
        """
        from allowly_harness.protocol.errors import ConfigurationError

        schema = await self._schema(session)
        arguments = self.given.arguments(schema, strict=self.checked)
        if self.checked:
            from allowly_harness.arguments import problem_with

            problem = problem_with(arguments, schema)
            if problem is not None:
                raise ConfigurationError(
                    f"{self.tool} does not take these arguments: {problem} (--no-check sends them)"
                )
        return arguments

    async def _schema(self, session: ApprovingClientSession) -> Mapping[str, Any]:
        from mcp import MCPError

        from allowly_harness.protocol.errors import ConfigurationError
        from allowly_harness.workbench.tools import read_tools

        try:
            listing = await read_tools(session)
        except (MCPError, TimeoutError, RuntimeError, ValueError) as error:
            if self.checked:
                say(f"The server did not list its tools ({type(error).__name__}), so nothing was checked.")
            return {}
        schemas = {entry.name: entry.schema for entry in listing.entries}
        if self.tool not in schemas and self.checked and not listing.problem:
            raise ConfigurationError(f"there is no tool {self.tool!r} here{_nearest(self.tool, list(schemas))}")
        return schemas.get(self.tool, {})

    async def _send(self, session: ApprovingClientSession, arguments: dict[str, Any], progress: Any) -> int:
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT
        from pydantic import ValidationError

        from allowly_harness.protocol.models import ToolCall
        from allowly_harness.session.inputs import NO_PERSON

        try:
            self.report.calling(ToolCall(session.server.name, self.tool, arguments))
            result = await session.call_tool(self.tool, arguments, progress_callback=progress)
        except MCPError as error:
            if error.code in (CONNECTION_CLOSED, REQUEST_TIMEOUT):
                message = f"no answer came, and the tool may have run: {error.message}"
                return self.report.unanswered(message, ExitCode.UNKNOWN_OUTCOME)
            if error.message == NO_PERSON:
                # The tool wanted something from a person while it ran, and said no more without.
                return self.report.unanswered(error.message, ExitCode.NOBODY_THERE)
            return self.report.unanswered(f"the server answered with an error: {error.message}", ExitCode.TOOL_FAILED)
        except (RuntimeError, ValidationError):
            # Of the SDK: a result that breaks the protocol, or the schema that the tool itself announced.
            message = "the server's answer cannot be read, and the tool may have run"
            return self.report.unanswered(message, ExitCode.UNKNOWN_OUTCOME)
        progress.clear()
        return self.report.ended(result)


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, known[:1000], n=1)
    return f"; did you mean {found[0]!r}?" if found else f"; it has {', '.join(known[:20]) or 'none'}"
