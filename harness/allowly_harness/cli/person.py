"""Who answers the questions of a single call: the person at the terminal, or nobody."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

from allowly_harness.cli.exits import say

if TYPE_CHECKING:
    from allowly_harness.approvers.base import Approver

Unattended: TypeAlias = Literal["deny", "defer", "fail"]
Aside: TypeAlias = Callable[[], AbstractContextManager[None]]


@contextmanager
def person(unattended: Unattended, *, stdin_is_data: bool, aside: Aside) -> Generator[Approver]:
    """Yield the approver of a single call.

    A person is asked through standard error, so that standard output stays data, also in a pipe.

    Args:
        unattended: What becomes of a question where nobody can be asked.
        stdin_is_data: Standard input was read for the arguments, so no answer can come from it.
        aside: Entered while somebody is asked.
    """
    if stdin_is_data or not (sys.stdin.isatty() and sys.stderr.isatty()):
        yield _nobody(unattended)
        return
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.output import create_output

    with create_app_session(output=create_output(stdout=sys.stderr)):
        yield _somebody(aside)


def _nobody(unattended: Unattended) -> Approver:
    from allowly_harness.approvers.unattended import UnattendedApprover
    from allowly_harness.display.card import summary_of_call
    from allowly_harness.display.sanitize import plain
    from allowly_harness.protocol.models import Answer, ApprovalRequest

    class Nobody(UnattendedApprover):
        """Asks nobody, and for "fail" says what would have been asked."""

        async def ask(self, request: ApprovalRequest) -> Answer:
            if unattended == "fail":
                who = "the user" if request.kind == "confirm" else plain(request.escalation_to or "somebody else", 100)
                say(f"would have asked {who}: {summary_of_call(request.call)}")
            return await super().ask(request)

    return Nobody(unattended)


def _somebody(aside: Aside) -> Approver:
    from allowly_harness.approvers.chat import ChatApprover
    from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
    from allowly_harness.protocol.models import Answer, ApprovalRequest

    class Somebody(ChatApprover):
        """Has the terminal to itself while a question stands there."""

        async def ask(self, request: ApprovalRequest) -> Answer:
            with aside():
                return await super().ask(request)

        async def elicit(self, request: ElicitationRequest) -> ElicitationReply:
            with aside():
                return await super().elicit(request)

    return Somebody(terminal=lambda: True)
