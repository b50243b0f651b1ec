"""Opens a guard in front of a server that is named as users name it, with all that it decides by."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio
from mcp.shared.memory import create_client_server_memory_streams

from allowly_authority.errors import AuthorityError
from allowly_authority.workspace import default_database
from allowly_harness.bridge.reaching import Reach
from allowly_harness.bridge.upstream import START_SECONDS
from allowly_harness.connection import Era
from allowly_harness.guarding.authorizations import Authorizations
from allowly_harness.guarding.deciding import Decider, Guarded
from allowly_harness.guarding.definitions import Digests, Watch
from allowly_harness.guarding.kept import Kept, file_for
from allowly_harness.guarding.rules import Rules
from allowly_harness.guarding.serving import Guard, open_guard
from allowly_harness.guarding.survey import Offer, survey
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.servers import ServerSpec
from allowly_middleware.pipeline.subjects import Subject
from allowly_middleware.policy.rules import written_effect

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

USER: Final = "local-user"
"""Who is asked, unless somebody is named."""

OURS: Final = ("ALLOWLY_KEY", "ALLOWLY_BASE_URL", "ALLOWLY_DATABASE")
"""Variables that are never handed to a guarded server, whoever sets them: with the key it could approve itself."""

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class GuardPlan:
    """A server, and what stands in front of it.

    Attributes:
        spec: The server.
        rules: Decide about it.
        name: What it is called in them.
        known: How its tools were defined when the policy was written.
        user: Who is asked about what is to be confirmed.
        groups: The groups of the user.
        variables: For a started server, beside those of its own configuration.
        era: "auto", "modern" or "legacy".
        timeout: How long it may take to answer one request, in seconds.
        start_timeout: How long it may take to start, in seconds.
    """

    spec: ServerSpec
    rules: Rules
    name: str
    known: Digests | None = field(default=None, repr=False)
    user: str = USER
    groups: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    era: Era = "auto"
    timeout: float = 300.0
    start_timeout: float = START_SECONDS


def reach_of(spec: ServerSpec, variables: Mapping[str, str]) -> Reach:
    """Return what makes transports to a guarded server; none of `OURS` reaches it."""
    return Reach(replace(spec, env=_without_ours(spec.env)), _without_ours(variables))


def _without_ours(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in OURS}


def authorizations_folder() -> Path:
    """Return where guards keep the authorizations that they ask with: beside the database of the embedded authority."""
    return default_database().with_name("guards")


@asynccontextmanager
async def guard_by(
    plan: GuardPlan,
    authority: AuthorityClient,
    identity: str,
    say: Say,
    *,
    operator: AuthorityClient | None = None,
    several_hosts: bool = False,
) -> AsyncGenerator[Guard]:
    """Open a guard.

    Args:
        plan: The server and the policy.
        authority: Is asked where the policy asks. It is not closed.
        identity: What tells it from others, from one run to the next: see `identity_of`.
        say: Told what happens to the server, its tools and the policy, in sentences.
        operator: The same authority with another key, which makes the authorizations; `None` for the same key.
        several_hosts: Whether several hosts may be connected at a time.

    Raises:
        ConfigurationError: What is kept of earlier runs cannot be read, or a key is not for what a guard does.
    """
    await check_keys(authority, operator)
    info = plan.spec.info
    reached = info.configured or info.name
    kept = Kept(file_for(authorizations_folder(), authority=identity, server=reached, user=plan.user))
    decider = Decider(
        Guarded(plan.name, plan.user, plan.groups),
        plan.rules,
        authority,
        Authorizations(operator or authority, kept, user=plan.user, agent=f"guard:{plan.name}", about=reached),
        watch=Watch(plan.known, lambda tool, found: say(f"{found}. The policy says: {_says(plan, tool)}.")),
        announces=plan.rules.can_change,
    )
    reach = reach_of(plan.spec, plan.variables)
    async with (
        open_guard(
            reach,
            decider,
            server=info,
            era=plan.era,
            timeout=plan.timeout,
            start_timeout=plan.start_timeout,
            several_hosts=several_hosts,
            last_words=reach.last_words,
        ) as guard,
        anyio.create_task_group() as group,
    ):
        group.start_soon(plan.rules.follow, say, guard.upstreams.announce_lists)
        group.start_soon(_say_of_the_start, guard, say, reached)
        yield guard
        group.cancel_scope.cancel()


async def check_keys(authority: AuthorityClient, operator: AuthorityClient | None = None) -> None:
    """Refuse keys without the rights that a guard needs, where the authority tells which they have.

    Without this, each call would be refused as if the policy had denied it.

    Args:
        authority: With the key that calls are checked with.
        operator: With the key that makes authorizations; `None` where one key does both.

    Raises:
        ConfigurationError: A key is for something else.
    """
    checks, makes = await _roles(authority), await _roles(operator or authority)
    if checks is not None and not checks.roles & {"workspace", "gate"}:
        raise ConfigurationError(f"a guard checks calls, which takes {_WHOLE} or a gate's; {checks}")
    if makes is not None and not makes.roles & {"workspace", "operator"}:
        raise ConfigurationError(
            f"a guard makes authorizations, which takes {_WHOLE}, or an operator's beside it (--operator-key); {makes}"
        )


_WHOLE: Final = "the workspace key"


class _Held(NamedTuple):
    """A key, as the authority knows it."""

    holder: str
    roles: frozenset[str]

    def __str__(self) -> str:
        return f"the key of {self.holder!r} is for other things ({', '.join(sorted(self.roles))})"


async def _roles(authority: AuthorityClient) -> _Held | None:
    try:
        holder = await authority.holder()
    except AuthorityError:
        # It does not tell, or is not there now: then each call says what is wrong.
        return None
    return _Held(holder.principal_id, frozenset(holder.roles))


@asynccontextmanager
async def guarded_transport(
    plan: GuardPlan, authority: AuthorityClient, identity: str, say: Say
) -> AsyncGenerator[tuple[Any, Any]]:
    """Open a guard, and yield the streams of a host that is connected to it: an `mcp` transport.

    Args:
        plan: As for `guard_by`, like all that follow.
        authority: Is asked.
        identity: What tells it from others.
        say: Told what happens.
    """
    async with (
        guard_by(plan, authority, identity, say) as guard,
        create_client_server_memory_streams() as (here, there),
        anyio.create_task_group() as group,
    ):

        async def serve() -> None:
            await guard.serve(*there)
            # The server is gone: the host learns it from its streams, as it would without a guard.
            for stream in there:
                await stream.aclose()

        group.start_soon(serve)
        yield here
        group.cancel_scope.cancel()


async def survey_of(
    spec: ServerSpec,
    variables: Mapping[str, str],
    *,
    era: Era,
    timeout: float,  # noqa: ASYNC109 - the server's, for each of its answers
    start_timeout: float = START_SECONDS,
) -> Offer:
    """Ask a server what it offers, as `survey` does.

    Raises:
        ServerUnreachable: It did not start or answer.
    """
    reach = reach_of(spec, variables)
    label = spec.info.configured or spec.info.name
    return await survey(
        reach, label=label, era=era, timeout=timeout, start_timeout=start_timeout, last_words=reach.last_words
    )


async def _say_of_the_start(guard: Guard, say: Say, label: str) -> None:
    await guard.upstreams.begun.wait()
    started = monotonic()
    say(f"Starting {label} ...")
    await guard.upstreams.settle()
    if not guard.upstreams.ended.is_set():
        say(f"It answers, after {monotonic() - started:.1f} s.")


def _says(plan: GuardPlan, tool: str) -> str:
    verdict = plan.rules.can(plan.name, tool, subject=Subject(plan.user, frozenset(plan.groups)))
    return written_effect(verdict.effect, verdict.approver)
