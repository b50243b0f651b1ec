"""A real authority on a real socket, a client for it, and a clock that tests move by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from described import Described
from postgres_cluster import Cluster, NoPostgres

from allowly_authority import AuthorityClient, RunningAuthority, embedded_authority
from allowly_authority.store.location import DatabaseUrl, parse_database_url
from allowly_authority.wire.replies import AuthorizationReply
from allowly_authority.workspace import Location

KEY = "allowly_test_key_0123456789abcdef"


@dataclass
class Clock:
    """The authority's clock: seconds since 1970."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workspace_key() -> str:
    return KEY


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server; each process of a test run has its own."""
    try:
        cluster = Cluster()
    except NoPostgres as error:
        pytest.fail(str(error), pytrace=False)
    yield cluster
    cluster.remove()


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[DatabaseUrl]:
    """An empty database on it."""
    name = postgres.create()
    yield parse_database_url(postgres.url(name))
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return tmp_path / "authority.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
async def authority(location: Location, clock: Clock, workspace_key: str) -> AsyncIterator[RunningAuthority]:
    async with embedded_authority(db=location, key=workspace_key, clock=clock) as running:
        yield running


@pytest.fixture
async def client(authority: RunningAuthority) -> AsyncIterator[AuthorityClient]:
    async with AuthorityClient(
        base_url=authority.base_url, api_key=authority.api_key, check_timeout_seconds=10.0
    ) as opened:
        yield opened


@pytest.fixture
def grant_on() -> Callable[[AuthorityClient], Awaitable[str]]:
    """Create an authorization whose `send` asks the user, at an authority with the real clock."""

    async def create(client: AuthorityClient) -> str:
        reply = await client.create_authorization(
            user_id="usr_7",
            agent_id="mail-bot",
            scopes=["read", "send"],
            expires_at=datetime.now(UTC) + timedelta(days=1),
            requires_confirm_for=["send"],
        )
        return reply.authorization_id

    return create


Api = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture(scope="session")
def descriptions() -> list[Described]:
    """The description of the API, once somebody has read it."""
    return []


@pytest.fixture
async def api(authority: RunningAuthority, descriptions: list[Described]) -> AsyncIterator[Api]:
    """Send one request with the workspace key, and return the status and the body of the reply.

    Every reply is held against the description of the API.
    """
    headers = {"Authorization": f"Bearer {authority.api_key}"}
    async with httpx.AsyncClient(base_url=authority.base_url, headers=headers, trust_env=False) as http:

        async def send(method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
            extra = {} if key is None else {"Idempotency-Key": key}
            with anyio.fail_after(20):
                if not descriptions:
                    descriptions.append(Described((await http.get("/openapi.json")).json()))
                reply = await http.request(method, path, json=body, headers=extra)
            found = reply.json() if reply.content else {}
            assert descriptions[0].faults(method, path, reply.status_code, found) == []
            return reply.status_code, found

        yield send


@pytest.fixture
def create(api: Api, clock: Clock) -> Callable[..., Awaitable[str]]:
    """Create an authorization of the actions dialect for a month, and return its id."""

    async def made(*actions: object, **more: object) -> str:
        expires_at = (datetime.fromtimestamp(clock.now, UTC) + timedelta(days=30)).isoformat()
        body = {"user_id": "usr_7", "agent_id": "mail-bot", "actions": actions, "expires_at": expires_at}
        status, reply = await api("POST", "/v1/authorizations", body | more)
        assert status == 201, reply
        return reply["authorization_id"]

    return made


@pytest.fixture
def check(api: Api) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Check one action and return its result."""

    async def checked(
        authorization_id: str, name: str, *, key: str | None = None, dialect: str = "actions", **more: object
    ) -> dict[str, Any]:
        body = {"authorization_id": authorization_id, dialect: [name], **more}
        status, reply = await api("POST", "/v1/check", body, key=key)
        assert status == 200, reply
        return reply["results"][name]

    return checked


@dataclass
class Holder:
    """Somebody with a key of their own."""

    key: str
    key_id: str
    http: httpx.AsyncClient

    async def send(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        """Send one request with the key, and return the status and the body of the reply."""
        extra = {"Authorization": f"Bearer {self.key}"} | ({} if key is None else {"Idempotency-Key": key})
        with anyio.fail_after(20):
            reply = await self.http.request(method, path, json=body, headers=extra)
        return reply.status_code, reply.json() if reply.content else {}


@pytest.fixture
async def holder(api: Api, authority: RunningAuthority) -> AsyncIterator[Callable[..., Awaitable[Holder]]]:
    """Make a key for somebody, with the workspace key."""
    async with httpx.AsyncClient(base_url=authority.base_url, trust_env=False) as http:

        async def make(principal_id: str, *roles: str, **more: Any) -> Holder:
            status, reply = await api("POST", "/v1/keys", {"principal_id": principal_id, "roles": roles, **more})
            assert status == 201, reply
            return Holder(reply["key"], reply["key_id"], http)

        yield make


Grant = Callable[..., Awaitable[AuthorizationReply]]


@pytest.fixture
def grant(client: AuthorityClient, clock: Clock) -> Grant:
    """Create the usual authorization: read is free, send asks the user, delete asks compliance."""

    async def create(**changes: object) -> AuthorizationReply:
        wanted: dict[str, object] = {
            "user_id": "usr_7",
            "agent_id": "mail-bot",
            "scopes": ["read", "send", "delete"],
            "expires_at": datetime.fromtimestamp(clock.now, UTC) + timedelta(days=30),
            "requires_confirm_for": ["send"],
            "requires_escalation_for": ["delete"],
            "escalation_targets": {"delete": "compliance"},
        }
        return await client.create_authorization(**(wanted | changes))  # type: ignore[arg-type]

    return create


_SERVER = """
import json, sys
from pathlib import Path
from allowly_authority.standing import serve
from allowly_authority.store.location import parse_database_url
{prelude}
where = sys.argv[1]
location = parse_database_url(where) if "://" in where else Path(where)
serve(port=0, db=location, on_ready=lambda where: print(json.dumps(where), flush=True))
"""


class ServerProcess:
    """`serve()` in a process of its own, as the command line runs it.

    `prelude` is Python that runs there first: it may break something on purpose.
    """

    def __init__(self, db: Location, key: str | None, prelude: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "ALLOWLY_KEY"}
        if key is not None:
            environment["ALLOWLY_KEY"] = key
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _SERVER.format(prelude=prelude),
                db.text if isinstance(db, DatabaseUrl) else str(db),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.where: dict[str, str] = json.loads(line) if line else {}

    @property
    def base_url(self) -> str:
        return self.where["base_url"]

    def stop(self, sig: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal and return the exit status and what stood on stderr."""
        self.process.send_signal(sig)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors


@pytest.fixture
def start_server(tmp_path: Path, workspace_key: str) -> Iterator[Callable[..., ServerProcess]]:
    running: list[ServerProcess] = []

    def start(
        *, db: Location = tmp_path / "served.db", key: str | None = workspace_key, prelude: str = ""
    ) -> ServerProcess:
        running.append(ServerProcess(db, key, prelude))
        return running[-1]

    yield start
    for server in running:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)
