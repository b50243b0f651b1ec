"""Opens what a command works with: the authority, the server, and a session between them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from allowly_harness import locations
from allowly_harness.cli.exits import say
from allowly_harness.cli.reach import AUTHORIZATION_VARIABLE, reach_text
from allowly_harness.cli.remembering import remembering
from allowly_harness.display.sanitize import plain
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.settings import EMBEDDED, Settings, load_settings

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_harness.approvers.base import Approver
    from allowly_harness.guarding.opening import GuardPlan, Say
    from allowly_harness.journal import Journal
    from allowly_harness.servers import ServerSpec
    from allowly_harness.session import ApprovingClientSession

DEMO_PREFIX = "demo:"

JOURNAL_DAYS: Final = 400
"""How long calls stay in the journal."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which server a command works with, and how.

    Attributes:
        server: As the user named it, or what a name stands for.
        authority: What `--authority` said.
        acting_as: What `--as` said.
        variables: For a started server.
        era: "auto", "modern" or "legacy".
        timeout: How long the server may take to answer one request, in seconds.
        quiet: Say nothing while connecting.
        requester: Who makes the calls, as the person is told.
        mail: Where a demo server delivers; `None` for a folder that lives as long as the connection.
        guard: How a guard in front of the server decides; `None` where there is none.
        typed: What the user named it by, where that is something else than `server`.
        policy: What `--policy` said of the guard.
        authorization: Of an earlier start of a demo server, which goes on with it.
    """

    server: str | Sequence[str] | ServerSpec
    authority: str | None = None
    acting_as: str | None = None
    variables: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    era: str = "auto"
    timeout: float = 300.0
    quiet: bool = False
    requester: str = "you, on this terminal"
    mail: Path | None = None
    guard: GuardPlan | None = None
    typed: str | Sequence[str] | None = None
    policy: str | None = None
    authorization: str | None = None

    @property
    def is_demo(self) -> bool:
        """Whether it is one of our demo servers, which need an authority to start at all."""
        return isinstance(self.server, str) and self.server.startswith(DEMO_PREFIX)

    @property
    def label(self) -> str:
        """What the server is called while it is being reached."""
        if isinstance(self.server, str):
            return self.server
        return self.server[0] if isinstance(self.server, Sequence) else self.server.info.name


@contextmanager
def delivering(target: Target) -> Generator[Target]:
    """Give a demo server a folder to deliver into that outlives its connections; it is removed in the end."""
    if not target.is_demo or target.mail is not None:
        yield target
        return
    with tempfile.TemporaryDirectory(prefix="allowly-demo-mail-", ignore_cleanup_errors=True) as folder:
        yield replace(target, mail=Path(folder))


@dataclass(frozen=True, slots=True)
class OpenAuthority:
    """An authority that answers, and what a server started by us needs to find it."""

    client: AuthorityClient
    base_url: str
    api_key: str = field(repr=False)
    embedded: bool = False


@asynccontextmanager
async def open_authority(settings: Settings) -> AsyncGenerator[OpenAuthority | None]:
    """Reach the authority that is configured, or start one inside this program.

    Raises:
        ConfigurationError: A named authority has no key, or cannot be named so.
    """
    from allowly_authority import AuthorityClient, embedded_authority

    if settings.authority is None:
        yield None
        return
    if settings.authority == EMBEDDED:
        from allowly_authority.workspace import default_database

        embedded = embedded_authority(db=default_database())
        try:
            running = await embedded.__aenter__()
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        async with AsyncExitStack() as stack:
            stack.push_async_exit(embedded)
            base_url, api_key = running.base_url, running.api_key
            client = await stack.enter_async_context(AuthorityClient(base_url=base_url, api_key=api_key))
            yield OpenAuthority(client, base_url, api_key, embedded=True)
        return
    if settings.api_key is None:
        raise ConfigurationError(
            f"no key for the authority {settings.authority}; set ALLOWLY_KEY, or keep it in {locations.key_file()} "
            "with mode 0600"
        )
    try:
        client = AuthorityClient(base_url=settings.authority, api_key=settings.api_key)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    async with client:
        yield OpenAuthority(client, settings.authority, settings.api_key)


@asynccontextmanager
async def open_journal() -> AsyncGenerator[Journal]:
    """Open the user's journal; entries older than `JOURNAL_DAYS` are removed.

    Raises:
        JournalError: It cannot be used; says why.
    """
    from allowly_harness.journal import Journal

    async with Journal.open(locations.journal_file()) as journal:
        oldest = datetime.now(UTC) - timedelta(days=JOURNAL_DAYS)
        journal.remove_before(int(oldest.timestamp() * 1000))
        yield journal


@asynccontextmanager
async def open_session(
    target: Target, approver: Approver, *, guard_says: Say = say, **options: Any
) -> AsyncGenerator[ApprovingClientSession]:
    """Open the authority, start or reach the server, and open a session.

    A demo server without a named authority gets the embedded one, and so does a guard. A server that is started
    here beside an embedded authority is told where that is: it must check there. A guarded one is told nothing.

    Args:
        target: The server.
        approver: Asks the person.
        guard_says: Told what a guard has to say of its server.
        options: Of `connect`.

    Raises:
        ConfigurationError: Something cannot be named so.
        ServerUnreachable: The server did not start or answer.
        AuthorityError: A demo's authorization could not be created.
        JournalError: The journal cannot be used.
    """
    import anyio.to_thread

    settings = load_settings(target.authority)
    if sys.stderr.isatty() and not target.quiet:
        say(f"Connecting to {plain(target.label)} ...")
    if (target.is_demo or target.guard is not None) and settings.authority is None:
        settings = replace(settings, authority=EMBEDDED)
    # Half a second of imports: in a thread, so that a screen that is there already takes keys.
    await anyio.to_thread.run_sync(_load, settings)
    from allowly_harness.connection import connect

    async with open_journal() as journal, open_authority(settings) as authority, AsyncExitStack() as stack:
        target = stack.enter_context(delivering(target))
        approver = stack.enter_context(remembering(approver, settings.approval, authority, target.acting_as))
        variables = await variables_for(target, authority)
        reached: Any = target.server
        if target.guard is not None and authority is not None:
            reached = _guarded(target.guard, authority, guard_says, options)
        connection = connect(
            reached,
            approver=approver,
            authority=authority.client if authority else None,
            acting_as=target.acting_as,
            env=variables | target.variables,
            read_timeout_seconds=target.timeout,
            era=target.era,  # type: ignore[arg-type]
            requester=target.requester,
            dangerous=settings.approval.dangerous,
            show_calls=settings.approval.show_calls,
            journal=journal,
            reached=reach_text(target, settings.authority, variables),
            **options,
        )
        async with connection as session:
            yield session


def _guarded(plan: GuardPlan, authority: OpenAuthority, guard_says: Say, options: dict[str, Any]) -> Any:
    """Return the transport to a guard in front of a server, and add what belongs to it to the options."""
    from allowly_harness.guarding.kept import identity_of
    from allowly_harness.guarding.opening import guarded_transport, reach_of

    options |= {"name": plan.spec.info, "server_words": reach_of(plan.spec, plan.variables).last_words}
    return guarded_transport(plan, authority.client, identity_of(authority.base_url, authority.api_key), guard_says)


def _load(settings: Settings) -> None:
    needed = ["allowly_harness.connection", "allowly_harness.journal.journal"]
    if settings.authority is not None:
        needed += ["allowly_authority.client"]
    if settings.authority == EMBEDDED:
        needed += ["allowly_authority.embedded"]
    for name in needed:
        import_module(name)


async def variables_for(target: Target, authority: OpenAuthority | None) -> dict[str, str]:
    """Return what a started server is told of the authority, beside the variables that the user gives it."""
    if authority is None:
        return {}
    if target.mail is not None:
        from allowly_demos.prepare import prepare

        where = {"base_url": authority.base_url, "api_key": authority.api_key}
        prepared = await prepare(authority.client, **where, root=target.mail)
        earlier = {AUTHORIZATION_VARIABLE: target.authorization} if target.authorization else {}
        return prepared | earlier
    if authority.embedded:
        return {"ALLOWLY_BASE_URL": authority.base_url, "ALLOWLY_KEY": authority.api_key}
    return {}
