"""`allowly-harness doctor`: looks at everything that a session needs, and says what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import click

from allowly_harness.cli.documents import json_text
from allowly_harness.cli.exits import ExitCode
from allowly_harness.cli.options import complete_server, connection_options, parse_variables

if TYPE_CHECKING:
    from allowly_harness.cli.checkups.finding import Finding, Tell
    from allowly_harness.cli.opening import Target


@click.command(short_help="Check the set-up and say what to do next.")
@click.argument("server", required=False, shell_complete=complete_server)
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text: a line for each check. json: one document.",
)
@connection_options
def doctor(
    server: str | None,
    output: Literal["text", "json"],
    authority: str | None,
    variables: Sequence[str],
    trust_project: bool,
    timeout: float,
    era: str,
) -> int:
    """Check Python, terminal, configuration, key and authority; with SERVER, that server, too.

    Each line begins with ok, warn or FAIL and ends with what to do next. No tool is called, nothing is
    approved, and no key is shown. A server that is named is started, as connect would start it.

    The exit code is 0, or that of the first failure: 2, 7 or 8.

    \b
    allowly-harness doctor
    allowly-harness doctor demo:mail
    """
    from allowly_harness.cli.running import run

    if server is None:
        return run(lambda: _examine(None, authority, output))
    from allowly_harness.cli.checkups.finding import Finding
    from allowly_harness.cli.naming import code_of, take_server
    from allowly_harness.cli.opening import Target
    from allowly_harness.protocol.errors import ConfigurationError

    try:
        taken = take_server(server, trust_project=trust_project)
    except ConfigurationError as error:
        refused = Finding.fail("server", str(error), code=code_of(error))
        return run(lambda: _examine(None, authority, output, refused))
    target = Target(taken, authority, None, parse_variables(variables), era, timeout, quiet=True)
    return run(lambda: _examine(target, authority, output))


async def _examine(
    target: Target | None, authority: str | None, output: Literal["text", "json"], refused: Finding | None = None
) -> int:
    found: list[Finding] = []

    def tell(finding: Finding) -> None:
        found.append(finding)
        if output == "text":
            click.echo(finding.line())

    await _look_at_all(tell, target, authority)
    if refused is not None:
        tell(refused)
    code = next((one.code for one in found if one.status == "FAIL"), ExitCode.DONE)
    if output == "json":
        checks = [finding.document() for finding in found]
        click.echo(json_text({"exit_code": int(code), "checks": checks}, indent=2))
    return int(code)


async def _look_at_all(tell: Tell, target: Target | None, authority: str | None) -> None:
    from allowly_harness.cli.checkups.authority import check_authority
    from allowly_harness.cli.checkups.configuration import check_configuration
    from allowly_harness.cli.checkups.program import check_program
    from allowly_harness.cli.checkups.terminal import check_terminal

    check_program(tell)
    check_terminal(tell)
    settings = check_configuration(tell, authority)
    if settings is None:
        return
    if target is not None and target.is_demo and settings.authority is None:
        from allowly_harness.settings import EMBEDDED, Settings

        settings = Settings(EMBEDDED)
    await check_authority(tell, settings)
    if target is not None:
        from allowly_harness.cli.checkups.server import check_server

        await check_server(tell, target)
