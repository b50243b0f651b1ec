"""`allowly-harness call`: one tool call from a script or a shell."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
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
    timeout: float,
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
    target = Target(server, authority, acting_as, parse_variables(variables), era, timeout)
    return run(lambda: _call(target, tool, arguments, unattended))


async def _call(target: Target, tool: str, arguments: dict[str, Any], unattended: str) -> int:
    from mcp import MCPError
    from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT
    from pydantic import ValidationError

    from allowly_harness.cli.opening import open_session

    with _person(unattended) as approver:
        async with open_session(target, approver) as session:
            try:
                result = await session.call_tool(tool, arguments)
            except MCPError as error:
                if error.code in (CONNECTION_CLOSED, REQUEST_TIMEOUT):
                    return fail(f"no answer came, and the tool may have run: {error.message}", ExitCode.UNKNOWN_OUTCOME)
                return fail(f"the server answered with an error: {error.message}", ExitCode.TOOL_FAILED)
            except (RuntimeError, ValidationError):
                # Of the SDK: a result that breaks the protocol, or the schema that the tool itself announced.
                return fail("the server's answer cannot be read, and the tool may have run", ExitCode.UNKNOWN_OUTCOME)
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
    from allowly_harness.protocol.models import APPROVAL_META

    approval = (result.meta or {}).get(APPROVAL_META)
    code = OUTCOME_CODES[approval["outcome"]] if approval else ExitCode.DONE
    if code is not ExitCode.DONE:
        for block in result.content:
            say(_inert(getattr(block, "text", f"[{block.type}]")))
        return int(code)
    text = _data(result)
    # A terminal is shown what is safe to draw; a file or a pipe gets the data as it came.
    _write(_inert(text) if sys.stdout.isatty() else text)
    return int(ExitCode.TOOL_FAILED if result.is_error else ExitCode.DONE)


def _data(result: types.CallToolResult) -> str:
    """Return texts as they are; a result that holds anything else, whole, as JSON."""
    if result.content and all(block.type == "text" for block in result.content):
        return "\n".join(getattr(block, "text", "") for block in result.content)
    if not result.content and result.structured_content is not None:
        return json.dumps(result.structured_content, indent=2)
    return result.model_dump_json(by_alias=True, exclude_none=True, exclude={"meta"}, indent=2)


def _write(text: str) -> None:
    """Write to standard output; that nobody reads it any more does not change that the tool ran."""
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(f"{text}\n".encode(errors="backslashreplace"))
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
        typed = name.endswith(":")
        name = name.removesuffix(":")
        if not name or not separator:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--arg")
        if name in found:
            raise click.BadParameter(f"{name!r} is given twice", param_hint="--arg")
        found[name] = _json(value, f"--arg {name}") if typed else value
    return found


def _json(text: str, where: str) -> Any:
    from allowly_authority.strict_json import StrictJSONError, parse_json

    try:
        return parse_json(text.encode(errors="surrogateescape"))
    except StrictJSONError as error:
        raise click.BadParameter(f"{text[:200]!r}: {error}", param_hint=where) from None
