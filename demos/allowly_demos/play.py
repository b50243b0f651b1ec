"""The demo without a terminal: a scripted person goes through the whole loop, and the mail is counted.

Everything else is real: the authority and its database, the mail server as a process of its own, the
session, the Maildir. The script fails if anything but the approved mails is there after any scene.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import mcp_types as types

from allowly_authority import AuthorityClient, embedded_authority
from allowly_demos.mailstore import Mail, MailStore
from allowly_demos.prepare import APPROVER, prepare
from allowly_harness import Answer, ApprovalRequest, ApprovingClientSession, connect
from allowly_harness.protocol.models import APPROVAL_META

LONGER_THAN_A_QUESTION: Final = 301.0
"""Seconds that the authority's clock is moved on to let a question end: five minutes and one."""

ADA, BOB = "ada@example.com", "bob@example.com"

HELLO: Final = Mail(ADA, "Hello", "The scripted person said yes to this one.")
SPAM: Final = Mail(ADA, "Spam", "The scripted person said no to this one.")
LATE: Final = Mail(BOB, "Late", "The first yes came too late; the second one counted.")

Instruction: TypeAlias = Callable[[ApprovalRequest], Awaitable[Answer]]


@dataclass
class Clock:
    """The authority's clock, which the script can move on."""

    ahead: float = 0.0

    def __call__(self) -> float:
        """Return seconds since 1970."""
        return time.time() + self.ahead


class ObservedAuthority(AuthorityClient):
    """An authority client that remembers which escalation was looked up last.

    So the script's second person learns what waits for them; an approver's inbox is a program of its own.
    """

    escalation_id: str = ""

    async def lookup_prompt(self, *, nonce: str | None = None, escalation_id: str | None = None) -> Any:
        """Look a question up."""
        self.escalation_id = escalation_id or self.escalation_id
        return await super().lookup_prompt(nonce=nonce, escalation_id=escalation_id)


@dataclass
class Person:
    """The scripted person: answers what they were told to, and says so aloud."""

    instructions: list[Instruction] = field(default_factory=list[Instruction])

    async def ask(self, request: ApprovalRequest) -> Answer:
        """Answer the next question; without an instruction the answer is no."""
        who = f"{request.escalation_to} must approve" if request.kind == "escalate" else "the person must say yes"
        print(f"    question  {request.call.tool} {request.call.canonical}")
        print(f"              {who}; against the authority's record: {request.verification.value}")
        answer = await self.instructions.pop(0)(request) if self.instructions else Answer.deny("no instruction")
        print(f"    scripted  {answer.kind.value}{f', because {answer.reason}' if answer.reason else ''}")
        return answer


@dataclass
class Stage:
    """What the scenes are played on."""

    session: ApprovingClientSession
    person: Person
    authority: ObservedAuthority
    clock: Clock
    store: MailStore
    failures: list[str] = field(default_factory=list[str])

    async def scene(
        self, title: str, tool: str, arguments: dict[str, Any], *instructions: Instruction, ends: str, mail: list[Mail]
    ) -> None:
        """Call a tool, and hold how it ended and what was delivered against what must come of it."""
        print(f"\n{title}\n    call      {tool}")
        self.person.instructions = list(instructions)
        result = await self.session.call_tool(tool, arguments)
        outcome = str((result.meta or {}).get(APPROVAL_META, {}).get("outcome", "allowed"))
        delivered = [found for address in self.store.addresses() for found in self.store.read(address)]
        print(f"    outcome   {outcome}: {_text(result)}")
        print(f"    mail      {', '.join(f'{found.to}: {found.subject}' for found in delivered) or 'none'}")
        if outcome != ends:
            self.failures.append(f"{title!r} ended as {outcome}, not as {ends}")
        if delivered != mail:
            self.failures.append(f"after {title!r} the mailboxes hold {delivered}, not {mail}")

    async def yes(self, _: ApprovalRequest) -> Answer:
        """Say yes."""
        return Answer.approve()

    async def no(self, _: ApprovalRequest) -> Answer:
        """Say no, with a reason."""
        return Answer.deny("we do not send spam")

    async def too_late(self, _: ApprovalRequest) -> Answer:
        """Read until the question has ended, then say yes."""
        self.clock.ahead += LONGER_THAN_A_QUESTION
        print("    ...       five minutes pass on the authority's clock")
        return Answer.approve()

    async def approved_by_compliance(self, _: ApprovalRequest) -> Answer:
        """Wait for the approver, who says yes."""
        await self._resolve("approved")
        return Answer.wait()

    async def rejected_by_compliance(self, _: ApprovalRequest) -> Answer:
        """Wait for the approver, who says no."""
        await self._resolve("rejected")
        return Answer.wait()

    async def _resolve(self, resolution: Any) -> None:
        await self.authority.resolve_escalation(
            self.authority.escalation_id, resolution=resolution, resolved_by=APPROVER
        )
        print(f"    scripted  {APPROVER}, elsewhere: {resolution}")


def _text(result: types.CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, types.TextContent)) or "[]"


async def play(kind: str = "mail", *, era: str = "auto") -> int:
    """Play the whole loop and print it.

    Args:
        kind: Which demo server: "mail", "mail_lowlevel" or "mail_fastmcp".
        era: The MCP protocol era: "auto", "modern" or "legacy".

    Returns:
        0 if every scene ended as it must and exactly the approved mails were delivered, else 1.
    """
    print("The demo, played by a scripted person. Everything else is real: an authority, a mail server")
    print("in a process of its own, and the mail, in a folder of this machine.")
    with tempfile.TemporaryDirectory(prefix="allowly-demo-") as folder:
        async with _stage(Path(folder), kind, era) as stage:
            await _scenes(stage)
    for failure in stage.failures:
        print(f"\nFAILED    {failure}")
    if stage.failures:
        return 1
    print("\nAll seven ended as they must, and only the approved mails were delivered.")
    return 0


@asynccontextmanager
async def _stage(folder: Path, kind: str, era: str) -> AsyncGenerator[Stage]:
    clock, person = Clock(), Person()
    async with (
        embedded_authority(db=folder / "authority.db", clock=clock) as running,
        ObservedAuthority(base_url=running.base_url, api_key=running.api_key) as authority,
    ):
        where: dict[str, Any] = {"base_url": running.base_url, "api_key": running.api_key, "root": folder / "mail"}
        options: dict[str, Any] = {"era": era, "server_log": folder / "server.log"}
        variables = await prepare(authority, **where)
        async with connect(f"demo:{kind}", approver=person, authority=authority, env=variables, **options) as session:
            print(f"\n    authority {running.base_url}\n    server    demo:{kind}, MCP {session.protocol_version}")
            yield Stage(session, person, authority, clock, MailStore(folder / "mail"))


async def _scenes(stage: Stage) -> None:
    read, forward = {"address": ADA}, {"source": ADA, "target": BOB}
    hello, spam, late = ({"to": mail.to, "subject": mail.subject, "body": mail.body} for mail in (HELLO, SPAM, LATE))
    play_scene = stage.scene
    await play_scene("1. The policy allows it", "read_mail", read, ends="allowed", mail=[])
    await play_scene("2. The policy denies it", "forward_all", forward, ends="denied_by_policy", mail=[])
    await play_scene("3. It needs a yes, and gets one", "send_email", hello, stage.yes, ends="approved", mail=[HELLO])
    await play_scene(
        "4. It needs a yes, and gets a no", "send_email", spam, stage.no, ends="denied_by_person", mail=[HELLO]
    )
    await play_scene(
        "5. The question ends while it is read: the old yes does not count, a new question is put",
        *("send_email", late, stage.too_late, stage.yes),
        ends="approved",
        mail=[HELLO, LATE],
    )
    await play_scene(
        f"6. It needs {APPROVER}, who approves",
        *("delete_mailbox", {"address": BOB}, stage.approved_by_compliance),
        ends="approved",
        mail=[HELLO],
    )
    await play_scene(
        f"7. It needs {APPROVER}, who rejects",
        *("delete_mailbox", {"address": ADA}, stage.rejected_by_compliance),
        ends="denied_by_person",
        mail=[HELLO],
    )
