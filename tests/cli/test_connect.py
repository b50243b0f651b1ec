"""When `connect` refuses to start, before anything is opened."""

import os
import pty
import subprocess
import sys
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("allowly-harness"))


def test_chat_with_redirected_output_says_so_and_opens_nothing(tmp_path):
    opened = tmp_path / "opened"
    server = [sys.executable, "-c", f"open({str(opened)!r}, 'w')"]
    master, slave = pty.openpty()

    process = subprocess.Popen(
        [PROGRAM, "connect", "--chat", "--", *server],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        env={**os.environ, "HOME": str(tmp_path), "TERM": "xterm"},
    )
    os.close(slave)
    written, _ = process.communicate(timeout=30)
    said = os.read(master, 65536).decode()
    os.close(master)

    assert process.returncode == 2
    assert "needs standard output to be a terminal" in said
    assert written == b""
    assert not opened.exists()
