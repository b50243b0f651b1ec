"""`Agents`: all agents of this user that listen for a terminal, attached as they appear.

With a path it is one agent that must be there; without, whatever listens in the user's own folder.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from allowly_harness.approvers.attached import sockets
from allowly_harness.approvers.attached.attachment import Attachment, Event, Observer, Person
from allowly_harness.approvers.attached.values import Asked
from allowly_harness.locations import approval_sockets

SCAN_SECONDS: Final = 1.0
"""How often the folder is looked through for new agents."""

RETRY_SECONDS: Final = 10.0
"""How long an agent that did not want this terminal, or was not understood, is left alone."""

MAX_AGENTS: Final = 64
"""Most agents that are attached at one time."""


def find(path: Path | None = None) -> list[Path]:
    """Return where agents may listen: at `path`, or at the sockets in the user's own folder.

    Raises:
        SocketProblem: The folder is not the user's own.
    """
    if path is not None:
        return [path]
    folder = approval_sockets()
    if not folder.is_dir():
        return []
    sockets.check_folder(folder)
    return sorted(folder.glob("*.sock"))


class Agents:
    """The agents that this terminal answers for.

    Args:
        person: Who is asked here.
        observer: Told what happens, in the task of `run`.
        path: The socket of one agent; `None` for all in the user's own folder.
        name: Who answers here, for the other terminals and the agents to read.

    Attributes:
        folder: Where agents are looked for; `None` with a path.
        problems: Agents that could not be attached, and why, by the path of their socket.
    """

    def __init__(self, person: Person, observer: Observer, *, path: Path | None = None, name: str = "") -> None:
        self.folder = approval_sockets() if path is None else None
        self.problems: dict[Path, str] = {}
        self._path = path
        self._person = person
        self._observer = observer
        self._name = name
        self._attached: dict[Path, Attachment] = {}
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._left_alone: dict[Path, float] = {}

    @property
    def attached(self) -> tuple[Attachment, ...]:
        """The agents that are attached now, in order of arrival."""
        return tuple(one for one in self._attached.values() if one.since is not None)

    def asking(self, request: Asked) -> str:
        """Return the name of the agent that a request came from; empty if it is not open any more."""
        return next((one.agent for one in self._attached.values() if one.holds(request)), "")

    async def run(self) -> None:
        """Attach agents until this is cancelled.

        Raises:
            SocketProblem: There is no agent at the path that was given, or the folder is not the user's own.
        """
        try:
            await self._run()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self) -> None:
        if self._path is not None:
            sockets.connect(self._path).close()
        while True:
            for path in find(self._path):
                if len(self._tasks) < MAX_AGENTS and path not in self._tasks and not self._is_left_alone(path):
                    self._tasks[path] = asyncio.get_running_loop().create_task(self._attach(path))
            await asyncio.sleep(SCAN_SECONDS)

    def _is_left_alone(self, path: Path) -> bool:
        return asyncio.get_running_loop().time() < self._left_alone.get(path, 0.0)

    async def _attach(self, path: Path) -> None:
        attachment = Attachment(path, self._person, self._told, name=self._name)
        self._attached[path] = attachment
        try:
            await attachment.run()
        except sockets.NobodyThere:
            self.problems.pop(path, None)
        except sockets.SocketProblem as error:
            self.problems[path] = str(error)
            self._left_alone[path] = asyncio.get_running_loop().time() + RETRY_SECONDS
        finally:
            self._attached.pop(path, None)
            self._tasks.pop(path, None)

    def _told(self, event: Event) -> None:
        if event.kind == "attached":
            self.problems.clear()
        self._observer(event)
