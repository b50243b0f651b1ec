"""The commands of `allowly-harness authority`, put together."""

from __future__ import annotations

import click

from allowly_harness.cli.authority.copying import backup
from allowly_harness.cli.authority.explaining import explain
from allowly_harness.cli.authority.granting import grant
from allowly_harness.cli.authority.initialising import init
from allowly_harness.cli.authority.keys import keys
from allowly_harness.cli.authority.listing import list_authorizations, revoke
from allowly_harness.cli.authority.receipt_keys import receipt_keys
from allowly_harness.cli.authority.serving import serve


@click.group(short_help="Run an authority of your own.")
def authority() -> None:
    """Run an authority of your own: the same HTTP API, on this machine, without an account."""


for command in (init, serve, keys, grant, list_authorizations, revoke, explain, receipt_keys, backup):
    authority.add_command(command)
