"""Kills a process of a scene at a named point of a call, from within whichever process comes to that point.

Nothing of this stands in the product: each process of a scene wraps functions of the product after it was forked.
A point is "PROCESS:NAME:COUNT:before" or "...:after"; COUNT tells how often the process has come there, from 1 on.
"""

from __future__ import annotations

import functools
import inspect
import os
import select
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def kill(pid: int) -> None:
    """Kill a process, and go on when it is dead."""
    if pid == os.getpid():
        os.kill(pid, signal.SIGKILL)
    handle = os.pidfd_open(pid)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    select.select([handle], [], [], 10)
    os.close(handle)


@dataclass
class Failpoints:
    """The points of one process.

    Attributes:
        folder: Of the scene: "pid-ROLE" holds who runs in it.
        role: Which process this is.
        point: Where something is killed, once in the whole scene.
        victim: The role of what is killed.
    """

    folder: Path
    role: str
    point: str
    victim: str
    counts: Counter[str] = field(default_factory=Counter)

    def reached(self, name: str, when: str = "before") -> None:
        """Come to a point of this process."""
        if when == "before":
            self.counts[name] += 1
        if f"{self.role}:{name}:{self.counts[name]}:{when}" == self.point:
            self.fire()

    def fire(self) -> None:
        """Kill the victim, if that was not done yet."""
        try:
            os.close(os.open(self.folder / "fired", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        kill(int((self.folder / f"pid-{self.victim}").read_text()))

    def wrap(self, owner: Any, attribute: str, name: str | None = None) -> None:
        """Make a point of a function, under its own name or another; `record` stands for the step of its argument."""
        plain = getattr(owner, attribute)

        def named(arguments: tuple[Any, ...]) -> str:
            return f"{name}-{arguments[1].step}" if name == "record" else name or attribute

        if inspect.iscoroutinefunction(plain):

            @functools.wraps(plain)
            async def wrapped(*arguments: Any, **options: Any) -> Any:
                self.reached(named(arguments))
                result = await plain(*arguments, **options)
                self.reached(named(arguments), "after")
                return result
        else:

            @functools.wraps(plain)
            def wrapped(*arguments: Any, **options: Any) -> Any:
                self.reached(named(arguments))
                result = plain(*arguments, **options)
                self.reached(named(arguments), "after")
                return result

        setattr(owner, attribute, wrapped)
