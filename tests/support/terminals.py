"""A real terminal: tmux runs the program, and tells us when the screen has changed."""

from __future__ import annotations

import queue
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SECONDS = 60.0


class Terminal:
    """One tmux server with one window. What it draws is awaited by tmux's own notifications, never by sleeping."""

    def __init__(self, folder: Path, environ: Mapping[str, str], size: tuple[int, int] = (100, 34)) -> None:
        self._socket = str(folder / "tmux")
        self._environ = dict(environ) | {"TMUX_TMPDIR": str(folder)}
        self._size = size
        self._changes: queue.Queue[str] = queue.Queue()
        self._control: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None

    def start(self, command: Sequence[str]) -> None:
        """Run a command; its exit code is written below what it printed."""
        columns, rows = self._size
        line = f"stty -a >/dev/null; {shlex.join(command)}; printf '\\n[exit %s]\\n' $?; exec cat"
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), line)
        self._control = subprocess.Popen(
            ["tmux", "-S", self._socket, "-C", "attach"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env=self._environ,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._control is not None
        assert self._control.stdout is not None
        for line in self._control.stdout:
            self._changes.put(line)
        self._changes.put("%exit")

    def tmux(self, *arguments: str) -> str:
        """Give tmux a command and return what it prints."""
        return subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", *arguments],
            capture_output=True,
            text=True,
            env=self._environ,
            timeout=SECONDS,
            check=True,
        ).stdout

    def screen(self) -> str:
        """Return what stands on the screen, with what has scrolled away above it."""
        return self.tmux("capture-pane", "-p", "-S", "-200")

    def wait_for(self, pattern: str, *, seconds: float = SECONDS) -> re.Match[str]:
        """Wait until the screen shows something, and return the last place that matches."""
        deadline = time.monotonic() + seconds
        while True:
            found = list(re.finditer(pattern, self.screen()))
            if found:
                return found[-1]
            try:
                change = self._changes.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                change = "%exit"
            if change.startswith("%exit"):
                raise AssertionError(f"{pattern!r} did not appear:\n{self.screen()}")

    def shows(self, pattern: str, *, seconds: float) -> bool:
        """Tell whether something appears on the screen within a time."""
        try:
            self.wait_for(pattern, seconds=seconds)
        except AssertionError:
            return False
        return True

    def read(self, seconds: float) -> None:
        """Let a person's time pass: the full screen takes no key for a yes before it could be read."""
        self.tmux("run-shell", "-d", str(seconds), "true")

    def type(self, text: str) -> None:
        """Type text as it is, key by key."""
        self.tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: Enter, Escape, C-c."""
        self.tmux("send-keys", *keys)

    def exit_code(self) -> int:
        """Wait for the end of the command and return its exit code."""
        return int(self.wait_for(r"\[exit (\d+)\]")[1])

    def leave(self, key: str) -> int:
        """Press the key that ends a full screen until it does, and return the exit code.

        A key that comes while another screen closes is thrown away.
        """
        for _ in range(6):
            self.press(key)
            if self.shows(r"\[exit (\d+)\]", seconds=SECONDS / 6):
                break
        return self.exit_code()

    def modes(self) -> dict[str, str]:
        """Return the terminal's state: alternate screen, mouse reporting, cursor."""
        names = ("alternate_on", "mouse_any_flag", "cursor_flag")
        values = self.tmux("display", "-p", " ".join(f"#{{{name}}}" for name in names)).split()
        return dict(zip(names, values, strict=True))

    def program(self) -> int:
        """Return the process id of the command's shell."""
        return int(self.tmux("display", "-p", "#{pane_pid}"))

    def close(self) -> None:
        """End the terminal as closing its window does."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, timeout=SECONDS, check=False)
        if self._control is None or self._listener is None:
            return
        self._listener.join(SECONDS)
        self._control.communicate(timeout=SECONDS)
