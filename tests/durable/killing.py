"""Plays scenes, each in a folder of its own: `killing.py FOLDER < CASES`, one JSON object a line, and one answered.

A case names a tool, an answer, a point and a victim. The victim is killed at the point; a server and an authority
are started again at once, as a supervisor would, a harness afterwards. Then a second harness reads the journal
and goes on with what waits. All processes are forked from this one, which has everything imported already.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import parts
from failpoints import Failpoints, kill

from allowly_authority import AuthorityClient

SCENE_SECONDS = 60


class Scene:
    """One case under way."""

    def __init__(self, folder: Path, case: dict[str, str]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.case = case
        self.pids: dict[str, int] = {}
        self.ports = {"authority": 0, "server": 0}
        self.facts: dict[str, Any] = {}

    def play(self) -> dict[str, Any]:
        """Play it to its end, and return what is known then."""
        try:
            self.facts["base_url"] = self.start_service("authority")
            self.facts["authorization_id"] = anyio.run(self.grant)
            self.facts |= {"tool": self.case["tool"], "answer": self.case["answer"], "turn": "first", "resume": False}
            self.write_facts()
            self.facts["server_url"] = self.start_service("server")
            self.write_facts()
            if self.case["tool"] == "close":
                self.start_approver()
            self.turn()
            killed = self.ran()
            self.facts |= {"turn": "second", "resume": True}
            self.write_facts()
            self.turn()
            return self.case | {
                "fired": (self.folder / "fired").exists(),
                "ran_first": killed,
                "ran": self.ran(),
                "first": self.told("first"),
                "second": self.told("second"),
                **self.authority_says(),
            }
        finally:
            for pid in self.pids.values():
                kill(pid)
                os.waitpid(pid, 0)

    def turn(self) -> None:
        """Run a harness to its end, and what it needs besides for as long as that takes."""
        harness = self.start("harness", lambda points: anyio.run(parts.harness, self.folder, points))
        while True:
            ended, _ = os.waitpid(-1, 0)
            role = next(role for role, pid in self.pids.items() if pid == ended)
            del self.pids[role]
            if ended == harness:
                break
            self.start_again(role)
        for role, pid in list(self.pids.items()):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del self.pids[role]
                self.start_again(role)

    def start_again(self, role: str) -> None:
        """Put another process in the place of one that was killed."""
        if role == "approver":
            self.start_approver()
        else:
            self.start_service(role)

    def start_approver(self) -> None:
        """Let somebody approve escalations."""
        self.start("approver", lambda points: anyio.run(parts.approver, self.folder, points))

    def start(self, role: str, run: Callable[[Failpoints], None]) -> int:
        """Fork a process."""
        child = os.fork()
        if child == 0:
            signal.alarm(0)
            parts.end_with_parent()
            points = Failpoints(self.folder, role, self.case["point"], self.case["victim"])
            sys.stdout = sys.stderr = (self.folder / f"log-{role}").open("a")
            try:
                (self.folder / f"pid-{role}").write_text(str(os.getpid()))
                run(points)
            except BaseException:  # noqa: BLE001 - a child must not go on as its parent
                traceback.print_exc()
            sys.stdout.flush()
            os._exit(0)
        self.pids[role] = child
        return child

    def start_service(self, role: str) -> str:
        """Start a server or an authority, and return its URL once it listens."""
        reading, writing = os.pipe()

        def run(points: Failpoints) -> None:
            os.close(reading)

            def told(url: str) -> None:
                os.write(writing, url.encode() + b"\n")
                os.close(writing)

            getattr(parts, role)(self.folder, points, self.ports[role], told)

        self.start(role, run)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            url = pipe.readline().strip()
        assert url, (self.folder / f"log-{role}").read_text()
        self.ports[role] = int(url.split(":")[2].split("/")[0])
        return url

    async def grant(self) -> str:
        """Authorize the user at the scene's authority."""
        async with AuthorityClient(base_url=self.facts["base_url"], api_key=parts.KEY) as client:
            granted = await client.create_authorization(
                user_id="ada",
                agent_id="agent",
                scopes=["pay", "close"],
                requires_confirm_for=["pay"],
                requires_escalation_for=["close"],
                escalation_targets={"close": "compliance"},
                expires_at=datetime.now(UTC) + timedelta(days=1),
            )
        return granted.authorization_id

    def write_facts(self) -> None:
        """Tell the processes that are started from now on."""
        (self.folder / "scene.json").write_text(json.dumps(self.facts))

    def ran(self) -> int:
        """Return how often a tool ran."""
        file = self.folder / "ran"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def told(self, turn: str) -> dict[str, Any] | None:
        """Return what a harness was told; `None` for one that was killed."""
        file = self.folder / f"told-{turn}.json"
        return json.loads(file.read_text()) if file.exists() else None

    def authority_says(self) -> dict[str, Any]:
        """Return the states of all questions, and how many receipts there are of each kind."""
        held = sqlite3.connect(self.folder / "authority.db")
        states = [row[0] for row in held.execute("SELECT state FROM prompts ORDER BY created_ms")]
        query = "SELECT event || ' ' || decision, count(*) FROM receipts GROUP BY 1"
        receipts = dict(held.execute(query).fetchall())
        held.close()
        return {"prompts": states, "receipts": receipts}


def main() -> None:
    """Play every case of standard input."""
    for number, line in enumerate(sys.stdin):
        signal.alarm(SCENE_SECONDS)
        began, cpu = time.monotonic(), os.times()
        played = Scene(Path(sys.argv[1]) / str(number), json.loads(line)).play()
        spent = os.times()
        used = spent.user + spent.system + spent.children_user + spent.children_system
        used -= cpu.user + cpu.system + cpu.children_user + cpu.children_system
        print(json.dumps(played | {"seconds": time.monotonic() - began, "cpu": used}), flush=True)


if __name__ == "__main__":
    main()
