"""The processes of a scene: an authority, a guarded server over HTTP, a harness, and an approver elsewhere.

Each is a function that a freshly forked process runs to its end. They find each other by the files of the scene.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from failpoints import Failpoints
from mcp.server.mcpserver import MCPServer

from allowly_authority import AuthorityClient
from allowly_authority.errors import AuthorityError
from allowly_authority.service.authority import Authority
from allowly_authority.standing import serve
from allowly_authority.web.listening import bind, url_of
from allowly_harness import Answer, ApprovalRequest, connect
from allowly_harness.journal import Journal, verify
from allowly_harness.journal.calls import calls_of
from allowly_harness.journal.running import is_running
from allowly_harness.performing import awaiting
from allowly_harness.performing.performer import CallPerformer
from allowly_harness.protocol.errors import PendingError, ServerUnreachable
from allowly_harness.session import conversing
from allowly_middleware import AllowlyMCPMiddleware
from allowly_middleware.adapters import mcp as adapter
from allowly_middleware.gate import Gate

KEY = "allowly_canary_key_0123456789abcdef"
CALL_SECONDS = 20.0

Told = Callable[[str], None]


def authority(folder: Path, points: Failpoints, port: int, told: Told) -> None:
    """Serve until killed; `told` gets the URL."""
    for name in ("check", "settle", "resolve", "look_up", "escalation_status"):
        points.wrap(Authority, name)
    serve(port=port, db=folder / "authority.db", key=KEY, on_ready=lambda ready: told(str(ready["base_url"])))


def server(folder: Path, points: Failpoints, port: int, told: Told) -> None:
    """Serve the tools over HTTP until killed; what a tool does is a line in a file, on disk before it returns."""
    scene = json.loads((folder / "scene.json").read_text())
    points.wrap(Gate, "_check", "check")
    points.wrap(adapter._Stage, "run_if_allowed", "handled")
    gate = AllowlyMCPMiddleware(
        KEY,
        lambda _: scene["authorization_id"],
        base_url=scene["base_url"],
        user_id_fn=lambda _: "ada",
        check_timeout_seconds=30,
    )
    made = MCPServer("bank", middleware=[gate])

    def run(tool: str, amount: int) -> str:
        points.reached("tool")
        with (folder / "ran").open("a") as file:
            file.write(f"{tool} {amount}\n")
            file.flush()
            os.fsync(file.fileno())
        points.reached("tool", "after")
        return "done"

    @made.tool()
    def pay(amount: int) -> str:
        """Pay."""
        return run("pay", amount)

    @made.tool()
    def close(amount: int) -> str:
        """Close an account."""
        return run("close", amount)

    bound = bind("127.0.0.1", port)
    told(f"{url_of(bound)}/mcp")
    config = uvicorn.Config(made.streamable_http_app(), log_level="error")
    uvicorn.Server(config).run(sockets=[bound])


class Person:
    """Answers every question as the scene says; an escalation is left to its approver."""

    def __init__(self, points: Failpoints, answer: str) -> None:
        self.points = points
        self.answer = answer
        self.asked = 0

    async def ask(self, request: ApprovalRequest) -> Answer:
        self.asked += 1
        self.points.reached("card")
        answer = {"approve": Answer.approve, "deny": Answer.deny}[self.answer]()
        if request.kind == "escalate":
            answer = Answer.wait()
        self.points.reached("card", "after")
        # Only then does the approver answer: an escalation that was decided before anybody was asked is another case.
        (self.points.folder / "asked").touch()
        return answer


async def harness(folder: Path, points: Failpoints) -> None:
    """Make the call, or go on with what waits of it; what it was told is written into a file."""
    scene = json.loads((folder / "scene.json").read_text())
    points.wrap(Journal, "record_resumable", "record")
    points.wrap(conversing._Sending, "deliver", "sent")
    for name in ("lookup", "settle", "await_resolution"):
        points.wrap(CallPerformer, name)
    awaiting.FIRST_POLL_SECONDS = 0.05  # type: ignore[misc]
    person = Person(points, scene["answer"])
    said: list[dict[str, Any]] = []
    async with (
        Journal.open(folder / "journal.db") as journal,
        AuthorityClient(base_url=scene["base_url"], api_key=KEY, timeout_seconds=3) as client,
    ):
        found = _found(journal)
        try:
            with anyio.fail_after(CALL_SECONDS):
                async with connect(
                    scene["server_url"], approver=person, authority=client, name="bank", journal=journal
                ) as session:
                    if not found["calls"]:
                        result = await session.call_tool(scene["tool"], {"amount": 5})
                        said.append((result.meta or {}).get("allowly-harness/approval", {}))
                    waiting = journal.pending.list() if scene["resume"] else []
                    said.extend([await _resumed(session, one.token) for one in waiting])
        except ServerUnreachable as error:
            said.append({"outcome": f"no server: {error}"})
        except Exception as error:  # noqa: BLE001 - what a caller sees is what is looked at
            said.append({"outcome": f"raised {type(error).__name__}"})
        points.reached("left")
        after = _found(journal)
    document = {"said": said, "asked": person.asked, "found": found, "after": after}
    (folder / f"told-{scene['turn']}.json").write_text(json.dumps(document))


async def _resumed(session: Any, token: str) -> dict[str, Any]:
    try:
        result = await session.resume_call(token)
    except PendingError as error:
        return {"outcome": f"refused: {error}"}
    return dict((result.meta or {}).get("allowly-harness/approval", {}))


def _found(journal: Journal) -> dict[str, Any]:
    calls = calls_of(journal.entries())
    return {
        "intact": type(verify(journal)).__name__ == "Intact",
        "calls": [call.document(lambda program: is_running(journal.path, program)) for call in calls],
        "pending": [[one.state.value, one.free, one.call.canonical] for one in journal.pending.list()],
    }


async def approver(folder: Path, points: Failpoints) -> None:
    """Approve every escalation to compliance as soon as it is there, until killed."""
    scene = json.loads((folder / "scene.json").read_text())
    async with AuthorityClient(base_url=scene["base_url"], api_key=KEY, timeout_seconds=3) as client:
        approve = client.resolve_escalation
        while True:
            try:
                page = await client.pending(addressee="compliance", kind="escalate")
                for item in page.items if (folder / "asked").exists() else []:
                    points.reached("answer")
                    await approve(item.escalation_id or "", resolution="approved", resolved_by="compliance")
                    points.reached("answer", "after")
            except AuthorityError:
                pass
            await anyio.sleep(0.05)


def end_with_parent() -> None:
    """Let a child of a scene end with it, however that ends."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
