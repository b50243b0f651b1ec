"""A call that its server blocks with a question, with the real flow, desk and performer."""

from __future__ import annotations

from typing import Any

import anyio

from allowly_harness.approvers.base import Desk
from allowly_harness.driver import run_flow
from allowly_harness.performing.performer import CallPerformer
from allowly_harness.protocol.effects import Invoke, NoReply, Record, ToolReply
from allowly_harness.protocol.flow import Ended, approval_flow
from allowly_harness.protocol.models import ServerInfo, ToolCall, ToolInfo
from allowly_harness.testing import FakeAuthority

PAY = ToolCall("bank", "pay", {"amount": 5, "to": "ada"})
BANK = ServerInfo("bank", "python bank.py")
PAY_TOOL = ToolInfo("pay", description="Pays.", input_schema={"type": "object"})


class BlockedCall:
    """One call; `run` makes it.

    Attributes:
        steps: What the journal was told.
        sent: Every sending of the call.
        authority: What it was told is in `authority.posted`.
    """

    def __init__(
        self,
        approver: Any,
        *,
        call: ToolCall = PAY,
        kind: str = "confirm",
        tool: ToolInfo = PAY_TOOL,
        server: ServerInfo = BANK,
        bound: bool = True,
        prompt: str = "the-id",
        desk: Desk | None = None,
    ) -> None:
        self.steps: list[Record] = []
        self.sent: list[ToolCall] = []
        self.authority = FakeAuthority()
        self._call, self._kind, self._tool, self._server, self._prompt = call, kind, tool, server, prompt
        self.authority.issue(
            prompt,
            kind="confirm" if kind == "confirm" else "escalate",
            scope=call.tool,
            resource=call.resource if bound else None,
            escalation_to="compliance",
        )
        self.desk = desk or Desk(approver)

    async def run(self, *, acting_as: str | None = None, **options: Any) -> Ended:
        performer = CallPerformer(
            self._send, self._describe, self.desk, self.authority, journal=self._record, acting_as=acting_as, **options
        )
        flow = approval_flow(self._call, server=self._server, acting_as=acting_as)
        with anyio.fail_after(20):
            return await run_flow(flow, performer)

    def facts(self, step: str) -> dict[str, Any]:
        """Return the facts of the last step of that name."""
        return dict([record for record in self.steps if record.step == step][-1].facts)

    async def _record(self, record: Record) -> None:
        self.steps.append(record)

    async def _describe(self, name: str) -> ToolInfo:
        del name
        return self._tool

    async def _send(self, effect: Invoke) -> ToolReply | NoReply:
        self.sent.append(effect.call)
        if len(self.sent) > 1:
            return ToolReply("ran", False, ("ran",), None, self.authority.clock())
        body = {"decision": self._kind, "reason": "asks"}
        body |= (
            {"confirm_nonce": self._prompt, "confirm_prompt_hint": "Pay?"}
            if self._kind == "confirm"
            else {"escalation_id": self._prompt, "escalation_to": "compliance"}
        )
        return ToolReply(body, True, (), body, self.authority.clock())
