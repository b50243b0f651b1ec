"""Names on the command line: what is asked before a project's server is started, listed, offered, and refused."""

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from allowly_harness.cli.naming import _answer

PROGRAM = str(Path(sys.executable).with_name("allowly-harness"))
SECRET = "hunter2-hunter2"
SECONDS = 60


@dataclass
class Desk:
    """A user in a project, who types commands."""

    home: Path
    project: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": os.environ["PATH"], "TERM": "xterm", "TOKEN": SECRET}

    def project_file(self, **servers: Any) -> Path:
        path = self.project / ".mcp.json"
        path.write_text(json.dumps({"mcpServers": servers}))
        return path

    def own_file(self, **servers: Any) -> Path:
        path = self.home / ".cursor" / "mcp.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"mcpServers": servers}))
        return path

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=self.environ,
            cwd=self.project,
            check=False,
        )

    def answer(self, answer: str, *words: str) -> tuple[int, str, str]:
        """Run a command on a terminal; return its exit code, what it said there, and its data."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [PROGRAM, *words], stdin=slave, stdout=subprocess.PIPE, stderr=slave, env=self.environ, cwd=self.project
        )
        os.close(slave)
        said = ""
        while "[y/N]" not in said:
            said += os.read(master, 65536).decode()
        os.write(master, answer.encode())
        written, _ = process.communicate(timeout=SECONDS)
        said += os.read(master, 65536).decode()
        os.close(master)
        return process.returncode, said.replace("\r\n", "\n"), written.decode()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    (project / ".git").mkdir(parents=True)
    return Desk(home, project)


@pytest.fixture
def started(tmp_path: Path) -> Path:
    return tmp_path / "started"


@pytest.fixture
def telling(started: Path) -> dict[str, Any]:
    """A server that leaves a trace and ends."""
    return {"command": sys.executable, "args": ["-c", f"open({str(started)!r}, 'w')"], "env": {"KEY": "${TOKEN}"}}


def test_a_projects_server_is_not_started_where_nobody_can_be_asked(desk, telling, started) -> None:
    desk.project_file(s=telling)

    ran = desk.run("call", "s", "tool", "--output", "json")

    assert (ran.returncode, json.loads(ran.stdout)["exit_code"]) == (2, 2)
    assert "--trust-project" in ran.stderr
    assert not started.exists()


def test_the_question_shows_command_file_folder_and_variables_and_no_value(desk, telling, started) -> None:
    """G7."""
    path = desk.project_file(s=telling)

    code, said, written = desk.answer("n\n", "call", "s", "tool")

    assert (code, written) == (4, "")
    assert f"s is configured by {path} (Claude Code)" in said
    assert f"run         {sys.executable} -c 'open(" in said
    assert f"in          {desk.project}" in said
    assert "which sets  KEY" in said
    assert "and is told TOKEN" in said
    assert SECRET not in said
    assert not started.exists()


@pytest.mark.parametrize("answer", ["\n", "n\n", "yep\n", "Y es\n", "\x04"])
def test_anything_but_yes_starts_nothing(desk, telling, started, answer: str) -> None:
    desk.project_file(s=telling)

    code, said, _ = desk.answer(answer, "connect", "--chat", "s")

    assert code == 4, said
    assert not started.exists()


def test_silence_is_a_no(monkeypatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)

        assert _answer(0.01) == ""

    os.close(master)


def test_what_was_typed_before_the_question_is_no_answer(monkeypatch) -> None:
    master, slave = pty.openpty()
    os.write(master, b"y\n")
    with os.fdopen(slave) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)

        assert _answer(0.01) == ""

    os.close(master)


def test_interrupting_the_question_starts_nothing(desk, telling, started) -> None:
    desk.project_file(s=telling)
    # A terminal of the process's own, or the interrupt would go nowhere.
    command = f"import pty, sys; sys.exit(pty.spawn([{PROGRAM!r}, 'call', 's', 'tool']) >> 8)"
    process = subprocess.Popen(
        [sys.executable, "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=desk.environ,
        cwd=desk.project,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said = b""
    while b"[y/N]" not in said:
        said += process.stdout.read1()
    process.stdin.write(b"\x03")
    process.stdin.flush()

    process.communicate(timeout=SECONDS)

    assert process.returncode == 130
    assert not started.exists()


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_a_yes_starts_it(desk, telling, started, answer: str) -> None:
    desk.project_file(s=telling)

    code, _, _ = desk.answer(answer, "call", "s", "tool")

    assert code == 8  # it ends at once, so there is nobody to talk to
    assert started.exists()


def test_the_option_starts_it_without_a_question(desk, telling, started) -> None:
    desk.project_file(s=telling)

    assert desk.run("call", "s", "tool", "--trust-project").returncode == 8
    assert started.exists()


def test_ones_own_server_needs_no_question(desk, telling, started) -> None:
    desk.own_file(s=telling)

    assert desk.run("call", "s", "tool").returncode == 8
    assert started.exists()


def test_where_standard_input_is_data_nobody_is_asked_there(desk, telling, started) -> None:
    desk.project_file(s=telling)

    ran = desk.run("call", "s", "tool", "--json", "-", stdin="{}\ny\n")

    assert ran.returncode == 2
    assert not started.exists()


def test_the_doctor_asks_too_and_tells_it_as_a_finding(desk, telling, started) -> None:
    desk.project_file(s=telling)

    ran = desk.run("doctor", "s")

    assert ran.returncode == 2
    assert ran.stdout.splitlines()[-1].startswith("FAIL  server")
    assert not started.exists()


def test_a_name_in_two_files_is_refused_and_a_file_chooses(desk, telling, started) -> None:
    desk.project_file(s={"command": "sh"})
    desk.own_file(s=telling)

    refused = desk.run("call", "s", "tool", "--trust-project")
    chosen = desk.run("call", "~/.cursor/mcp.json#s", "tool")

    assert refused.returncode == 2
    assert "./.mcp.json#s, ~/.cursor/mcp.json#s" in refused.stderr.replace(str(desk.home), "~")
    assert chosen.returncode == 8
    assert started.exists()


def test_a_program_comes_before_a_server_of_its_name_and_that_is_said(desk, telling, started) -> None:
    desk.project_file(true=telling)

    ran = desk.run("call", "true", "tool", "--trust-project")

    assert ran.returncode == 8
    assert "true is a program here, and that is started" in ran.stderr
    assert "./.mcp.json#true" in ran.stderr
    assert not started.exists()


def test_a_name_that_nobody_has_is_told_with_the_nearest_and_with_what_could_not_be_read(desk) -> None:
    desk.project_file(github={"command": "sh"})
    desk.own_file().write_text("{")

    ran = desk.run("call", "githup", "tool")

    assert ran.returncode == 2
    assert "did you mean 'github'?" in ran.stderr
    assert "~/.cursor/mcp.json cannot be read" in ran.stderr


def test_a_variable_that_is_not_set_is_told_before_anything_is_asked(desk, telling, started) -> None:
    desk.own_file(s={**telling, "env": {"A": "${env:NOT_SET_ANYWHERE}"}})

    ran = desk.run("call", "s", "tool")

    assert ran.returncode == 2
    assert "NOT_SET_ANYWHERE, which is not set here" in ran.stderr
    assert not started.exists()


def test_headers_go_with_every_request_and_are_never_said(desk) -> None:
    """G7."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers["Authorization"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(401, f"not with {self.headers['Authorization']}")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/mcp?key={SECRET}"
    desk.own_file(s={"url": url, "headers": {"Authorization": "Bearer ${env:TOKEN}"}})

    ran = desk.run("call", "s", "tool")
    server.shutdown()
    server.server_close()

    assert ran.returncode == 8
    assert seen
    assert set(seen) == {f"Bearer {SECRET}"}
    assert SECRET not in ran.stdout + ran.stderr
    log = desk.home / ".local/state/allowly-harness/harness.log"
    assert not log.exists() or SECRET not in log.read_text()


def test_the_list_says_what_stands_where_and_starts_nothing(desk, telling, started) -> None:
    """G7, G8."""
    desk.project_file(**{"s": telling, "ev\x1b[2Jil": {"command": "a\nb"}, "bad": {}})
    desk.own_file(s={"url": f"https://u:{SECRET}@x.example/mcp?k={SECRET}", "headers": {"X-Key": SECRET}})
    (desk.home / ".gemini").mkdir()
    (desk.home / ".gemini/settings.json").write_text("{")

    ran = desk.run("servers")

    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == "./.mcp.json (Claude Code, project)"
    assert "[with KEY]  [in several files; say ./.mcp.json#s]" in lines[1]
    assert r"ev\x1b[2Jil           'a\nb'" in lines[2]
    assert "a command or a url  [cannot be used]" in lines[3]
    assert lines[4].endswith(".cursor/mcp.json (Cursor, user)")
    assert "https://x.example/mcp  [with X-Key]" in lines[5]
    assert "(Gemini CLI) cannot be read:" in lines[6]
    assert SECRET not in ran.stdout
    assert not started.exists()


def test_the_list_is_one_document_for_scripts(desk, telling) -> None:
    path = desk.project_file(s=telling, bad=3)

    ran = desk.run("servers", "--output", "json")

    found = json.loads(ran.stdout)
    assert found["unreadable"] == []
    good, bad = found["servers"]
    assert (good["name"], good["file"], good["asks"], good["variables"]) == ("s", str(path), True, ["KEY"])
    assert (bad["name"], bad["shown"]) == ("bad", None)
    assert "TOKEN" not in ran.stdout


def test_an_empty_list_says_so(desk) -> None:
    assert "No server is configured by name" in desk.run("servers").stdout


Complete = Callable[[str], str]


@pytest.fixture
def complete(desk) -> Complete:
    def offer(line: str) -> str:
        asked = {**desk.environ, "_ALLOWLY_HARNESS_COMPLETE": "bash_complete", "COMP_WORDS": line}
        ran = subprocess.run(
            [PROGRAM], capture_output=True, text=True, check=True, timeout=SECONDS, env=asked, cwd=desk.project
        )
        assert ran.stderr == ""
        return ran.stdout

    return offer


@pytest.mark.parametrize("command", ["connect", "call", "doctor"])
def test_names_are_offered_and_only_harmless_ones(desk, complete: Complete, command: str) -> None:
    desk.project_file(**{name: {"command": "sh"} for name in ("github", "git hub", "git$(id)", "git\nevil", "-git")})
    desk.own_file(gitlab={"command": "sh"})

    assert complete(f"allowly-harness {command} git").splitlines()[:2] == ["plain,github", "plain,gitlab"]
    assert "evil" not in complete(f"allowly-harness {command} ")


def test_broken_files_break_no_completion(desk, complete: Complete) -> None:
    desk.project_file().write_text("{")

    assert "demo:mail" in complete("allowly-harness connect demo:")


def test_a_demo_needs_nothing_of_what_reads_other_hosts_files() -> None:
    code = (
        "import sys\nfrom allowly_harness.cli.naming import take_server\n"
        "assert take_server('demo:mail', trust_project=False) == 'demo:mail'\n"
        "assert not [name for name in sys.modules if 'allowly_harness.hosts' in name or name == 'textual']"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=SECONDS)
