"""The command `allowly-harness`: its groups and options. Every command imports what it needs when it runs."""

from __future__ import annotations

import os
import sys

import click

from allowly_harness._version import __version__
from allowly_harness.cli.approve import approve
from allowly_harness.cli.authority.group import authority
from allowly_harness.cli.bridge import bridge
from allowly_harness.cli.call import call
from allowly_harness.cli.completion import COMPLETE_VARIABLE, completion, register
from allowly_harness.cli.connect import connect
from allowly_harness.cli.demo import demo
from allowly_harness.cli.doctor import doctor
from allowly_harness.cli.exits import ExitCode, fail
from allowly_harness.cli.grants import grants
from allowly_harness.cli.guard import guard
from allowly_harness.cli.inbox import inbox
from allowly_harness.cli.journal import journal
from allowly_harness.cli.pending import pending
from allowly_harness.cli.policy import policy
from allowly_harness.cli.servers import servers


class InOrder(click.Group):
    """Lists its commands in the order in which a newcomer meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order in which they were added."""
        return list(self.commands)


@click.group(
    cls=InOrder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 the tool failed, 2 usage, 3 denied by policy, 4 denied by a person, "
    "5 nobody was there to ask, 6 expired, 7 authority unreachable, 8 server unreachable, "
    "9 unknown outcome, 130 interrupted.",
)
@click.version_option(__version__, prog_name="allowly-harness")
def cli() -> None:
    """Call tools on MCP servers that ask a person first.

    A server guarded by Allowly answers some calls with "ask the user" or "someone else must approve".
    This program shows what is about to happen, asks, reports the answer and makes the call.

    Start with: allowly-harness demo
    """


for command in (
    demo,
    connect,
    call,
    bridge,
    guard,
    policy,
    approve,
    inbox,
    servers,
    pending,
    grants,
    journal,
    authority,
    doctor,
    completion,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit with its code."""
    if COMPLETE_VARIABLE in os.environ:
        register()
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = fail("interrupted", ExitCode.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except KeyboardInterrupt:
        code = fail("interrupted", ExitCode.INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)
