"""What every demo agent stands on: the guarded mail server, an authority in this program, and who is asked.

On a terminal you are asked. Without one a scripted person answers: yes to letters to Ada, no to others.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from allowly_authority import AuthorityClient, embedded_authority
from allowly_demos.mailstore import MailStore
from allowly_demos.prepare import prepare
from allowly_harness import Answer, ApprovalRequest, Approver

ADA, BOB = "ada@example.com", "bob@example.com"

LETTERS: Final[tuple[dict[str, str], ...]] = (
    {"to": ADA, "subject": "Hello", "body": "This one should be sent."},
    {"to": BOB, "subject": "Offer", "body": "This one should not."},
)
"""What the scripted models want to send, in one turn."""


@dataclass(frozen=True)
class Office:
    """Where a demo agent works.

    Attributes:
        command: The program that serves the guarded mail tools over stdio.
        args: Its arguments.
        env: Its variables.
        approver: Who is asked.
        authority: Where the answers are reported.
    """

    command: str
    args: list[str]
    env: dict[str, str]
    approver: Approver
    authority: AuthorityClient


class ScriptedPerson:
    """Says yes to letters to Ada and no to everything else, and says so aloud."""

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Answer one question."""
        to_ada = request.call.payload().get("to") == ADA
        print(f"    asked     {request.call.tool} {request.call.canonical}")
        print(f"    scripted  {'yes' if to_ada else 'no'}")
        return Answer.approve() if to_ada else Answer.deny("we do not write to strangers")


def calls(tool: str, arguments: Mapping[str, Any]) -> None:
    """Print a call that the model makes."""
    print(f"model calls   {tool} to {arguments.get('to')}")


def reads(text: object) -> None:
    """Print what the model is given as the result of a call."""
    print(f"model reads   {text}")


@asynccontextmanager
async def open_office() -> AsyncGenerator[Office]:
    """Run an authority and say who is asked; print what was delivered at the end."""
    approver = _somebody()
    with tempfile.TemporaryDirectory(prefix="allowly-demo-") as folder:
        root = Path(folder)
        async with (
            embedded_authority(db=root / "authority.db") as running,
            AuthorityClient(base_url=running.base_url, api_key=running.api_key) as authority,
        ):
            where: dict[str, Any] = {"base_url": running.base_url, "api_key": running.api_key, "root": root / "mail"}
            env = await prepare(authority, **where)
            yield Office(sys.executable, ["-m", "allowly_demos.mail"], env, approver, authority)
            store = MailStore(root / "mail")
            letters = [letter for address in store.addresses() for letter in store.read(address)]
            print(f"delivered     {', '.join(f'{letter.to}: {letter.subject}' for letter in letters) or 'nothing'}")


def _somebody() -> Approver:
    if sys.stdin.isatty() and sys.stdout.isatty():
        from allowly_harness.approvers.chat import ChatApprover

        print("The model is scripted. You are asked, on this terminal, before a letter is sent.")
        return ChatApprover()
    print("No terminal, so a scripted person answers: yes to letters to Ada, no to others. The model is scripted, too.")
    return ScriptedPerson()
