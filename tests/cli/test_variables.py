"""Variables for started servers: from the command line, from our own, or from files that nobody else reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from allowly_harness.cli.options import MAX_VALUE_BYTES, parse_variables

SERVER = """
import os
from pathlib import Path
from mcp.server import MCPServer

server = MCPServer("lines")

@server.tool()
def lines() -> str:
    commands = []
    for folder in Path("/proc").iterdir():
        try:
            commands.append((folder / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            pass
    return f"{os.environ['THE_KEY']} {sum(os.environ['THE_KEY'] in one for one in commands)} {len(commands) > 1}"

server.run("stdio")
"""


def secret_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_value_is_what_stands_behind_the_first_equals_sign() -> None:
    assert parse_variables(["A=b=c", "B=", "C=@@x"]) == {"A": "b=c", "B": "", "C": "@x"}


@pytest.mark.parametrize(
    ("content", "value"), [(b"k e y\n", "k e y"), (b"key\r\n", "key"), (b"a\nb\n\n", "a\nb\n"), (b"", "")]
)
def test_a_file_gives_what_it_holds_without_the_line_break_at_its_end(tmp_path: Path, content, value) -> None:
    path = secret_file(tmp_path, content)

    assert parse_variables([f"A=@{path}"]) == {"A": value}


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (b"key", 0o640, "can be read by others"),
        (b"key", 0o604, "can be read by others"),
        (b"k\0ey", 0o600, "no variable can"),
        (b"\xff", 0o600, "cannot be read"),
        (b"x" * (MAX_VALUE_BYTES + 1), 0o600, "longer than"),
    ],
)
def test_a_file_that_others_read_or_that_holds_no_value_is_refused(tmp_path: Path, content, mode, problem) -> None:
    path = secret_file(tmp_path, content, mode)

    with pytest.raises(click.BadParameter, match=problem) as caught:
        parse_variables([f"A=@{path}"])

    assert "key" not in str(caught.value).replace(str(path), "")


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    for name in ("pipe", "missing", "."):
        with pytest.raises(click.BadParameter, match="cannot be read"):
            parse_variables([f"A=@{tmp_path / name}"])


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc here")
def test_a_key_from_a_file_stands_on_no_command_line(tmp_path: Path) -> None:
    """G7: everybody on a machine can read the command lines of its programs."""
    path, script = secret_file(tmp_path, b"key_1f9d8a7c6b5e\n"), tmp_path / "server.py"
    script.write_text(SERVER)
    home = {name: str(tmp_path) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    words = ["call", "--output", "json", "--env", f"THE_KEY=@{path}", f"{sys.executable} {script}", "lines"]

    done = subprocess.run(
        [Path(sys.executable).with_name("allowly-harness"), *words],
        env={**os.environ, **home},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    (block,) = json.loads(done.stdout)["content"]
    assert block["text"] == "key_1f9d8a7c6b5e 0 True"
