"""`allowly-harness call`: one tool call from a script or a shell."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from allowly_harness.cli.exits import OUTCOME_CODES, ExitCode, fail, say
from allowly_harness.cli.options import parse_variables, server_options

if TYPE_CHECKING:
    import mcp_types as types

    from allowly_harness.approvers.base import Approver
    from allowly_harness.cli.opening import Target


@click.command(short_help="Make one tool call from a script or a shell.")
@click.argument("server")
@click.argument("tool")
@click.option(
    "--arg",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An argument: a string, or JSON after ':=' (count:=3). Repeatable.",
)
@click.option("--json", "text", metavar="OBJECT", help="All arguments as one JSON object.")
@click.option(
    "--unattended",
    type=click.Choice(["deny", "defer"]),
    default="deny",
    show_default=True,
    help="Without a terminal: report a question as refused, or leave it open.",
)
@server_options
def call(
    server: str,
    tool: str,
    pairs: Sequence[str],
    text: str | None,
    unattended: str,
    authority: str | None,
    acting_as: str | None,
    variables: Sequence[str],
    era: str,
) -> int:
    """Call one TOOL of SERVER; ask on the terminal if the server demands it.

    SERVER is a URL, a Python or JavaScript file, a command in quotes, or demo:NAME. The result goes to
    standard output, everything else to standard error. Without a terminal nothing is asked and nothing
    is approved.

    \b
    allowly-harness call demo:mail send_email --arg to=ada@example.com --arg subject=Hi --arg body=Hello
    """
    from allowly_harness.cli.opening import Target
    from allowly_harness.cli.running import run

    arguments = _arguments(pairs, text)
    target = Target(server, authority, acting_as, parse_variables(variables), era)
    return run(lambda: _call(target, tool, arguments, unattended))


async def _call(target: Target, tool: str, arguments: dict[str, Any], unattended: str) -> int:
    from mcp import MCPError

    from allowly_harness.cli.opening import open_session

    with _person(unattended) as approver:
        async with open_session(target, approver) as session:
            try:
                result = await session.call_tool(tool, arguments)
            except MCPError as error:
                return fail(f"the server answered with an error: {error.message}", ExitCode.TOOL_FAILED)
    return _report(result)


@contextmanager
def _person(unattended: str) -> Generator[Approver]:
    """Ask on the terminal through standard error, so that standard output stays data, also in a pipe."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        from allowly_harness.approvers.unattended import UnattendedApprover

        yield UnattendedApprover(unattended)  # type: ignore[arg-type]
        return
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.output import create_output

    from allowly_harness.approvers.chat import ChatApprover

    with create_app_session(output=create_output(stdout=sys.stderr)):
        yield ChatApprover(terminal=lambda: True)


def _report(result: types.CallToolResult) -> int:
    from allowly_harness.session import APPROVAL_META

    approval = (result.meta or {}).get(APPROVAL_META)
    code = OUTCOME_CODES[approval["outcome"]] if approval else ExitCode.DONE
    lines = [getattr(block, "text", f"[{block.type}]") for block in result.content]
    if code is not ExitCode.DONE:
        for line in lines:
            say(_inert(line))
        return int(code)
    if result.structured_content is not None and not lines:
        lines = [json.dumps(result.structured_content, indent=2)]
    # A terminal is shown what is safe to draw; a file or a pipe gets the data as it came.
    print("\n".join(map(_inert, lines) if sys.stdout.isatty() else lines))
    return int(ExitCode.TOOL_FAILED if result.is_error else ExitCode.DONE)


def _inert(text: str) -> str:
    from allowly_harness.display.sanitize import block

    return "\n".join(str(line) for line in block(text))


def _arguments(pairs: Sequence[str], text: str | None) -> dict[str, Any]:
    if text is not None and pairs:
        raise click.UsageError("give the arguments with --arg or with --json, not with both")
    if text is not None:
        arguments = _json(text, "--json")
        if not isinstance(arguments, dict):
            raise click.BadParameter("the arguments must be one JSON object", param_hint="--json")
        return arguments
    found: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not name or not separator:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--arg")
        if name.endswith(":"):
            found[name[:-1]] = _json(value, f"--arg {name[:-1]}")
        else:
            found[name] = value
    return found


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not JSON: {error}", param_hint=where) from None
