"""The commands of `allowly-harness authority`, put together."""

from __future__ import annotations

import click

from allowly_harness.cli.authority.copying import backup
from allowly_harness.cli.authority.granting import grant
from allowly_harness.cli.authority.serving import serve


@click.group(short_help="Run an authority of your own.")
def authority() -> None:
    """Run an authority of your own: the same HTTP API, on this machine, without an account."""


for command in (serve, grant, backup):
    authority.add_command(command)
