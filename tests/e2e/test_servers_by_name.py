"""Real servers started and reached by the name that another host has for them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ADA = "ada@example.com"
READ = ("read_mail", "--arg", f"address={ADA}")
SEND = ("send_email", "--json", json.dumps({"to": ADA, "subject": "Hi", "body": "Hello"}))

SSE_SERVER = """
import json, os, socket, sys
import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("older")

@server.tool()
def shout(text: str) -> str:
    return text.upper()

async def guarded(scope, receive, send):
    if scope["type"] == "http" and dict(scope["headers"]).get(b"x-key") != b"sesame":
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    await app(scope, receive, send)

listener = socket.create_server(("127.0.0.1", 0))
app = server.sse_app()
print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}/sse"}), flush=True)
uvicorn.Server(uvicorn.Config(guarded, log_level="error")).run(sockets=[listener])
"""


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


@pytest.fixture
def mail(office) -> dict[str, Any]:
    """The demo mail server, as another host has it configured."""
    return {"command": sys.executable, "args": ["-m", "allowly_demos.mail"], "env": office.variables}


def test_a_projects_server_runs_with_the_variables_of_its_file(user, mail) -> None:
    write(user.home / ".mcp.json", {"mcpServers": {"post": mail}})

    called = user.run("call", "post", *READ, "--trust-project", "--output", "json")

    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout)["structured"] == {"result": []}


def test_a_guarded_call_by_name_asks_as_any_other_does(user, mail, office) -> None:
    """G1."""
    write(user.home / ".cursor/mcp.json", {"mcpServers": {"post": mail}})

    called = user.run("call", "post", *SEND, "--unattended", "defer")

    assert called.returncode == 5, called.stderr
    assert office.mail.addresses() == []


def test_the_doctor_examines_a_server_by_name(user, mail) -> None:
    write(user.home / ".config/zed/settings.json", {"context_servers": {"post": {"source": "custom", **mail}}})

    ran = user.run("doctor", "post")

    assert "ok    server         post answers" in ran.stdout
    assert "ALLOWLY" not in ran.stdout.partition("server log")[0].partition("post answers")[2]


def test_an_address_is_reached_by_name(user, serve_http) -> None:
    with serve_http("mail") as url:
        write(user.home / ".config/Code/User/mcp.json", {"servers": {"post": {"type": "http", "url": url}}})

        called = user.run("call", "post", *READ)

    assert called.returncode == 0, called.stderr


@pytest.fixture
def older(user) -> Iterator[str]:
    with user.running(sys.executable, "-c", SSE_SERVER) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]


@pytest.mark.parametrize(("key", "code"), [("sesame", 0), ("wrong", 8)])
def test_the_older_transport_is_spoken_where_the_file_says_so_with_its_headers(
    user, older, key: str, code: int
) -> None:
    server = {"type": "sse", "url": older, "headers": {"X-Key": key}}
    write(user.home / ".cursor/mcp.json", {"mcpServers": {"older": server}})

    called = user.run("call", "older", "shout", "--arg", "text=hello")

    assert called.returncode == code, called.stderr
    assert called.stdout == ("HELLO\n" if code == 0 else "")


@pytest.mark.terminal
def test_on_a_terminal_the_command_is_shown_and_a_yes_opens_the_session(user, mail, terminal, program) -> None:
    path = user.home / "my project.json"
    write(path, {"mcpServers": {"post": mail}})

    terminal.start([program, "connect", "--chat", f"{path}#post"])
    terminal.wait_for(r"run +\S+ -m allowly_demos\.mail")
    terminal.wait_for(r"Go on\? \[y/N\]")
    terminal.type("y")
    terminal.press("Enter")
    terminal.wait_for("help lists the commands")
    terminal.type("quit")
    terminal.press("Enter")

    assert terminal.exit_code() == 0
