"""What `guard`, `connect --guard` and `call --guard` have in common: from options to a plan, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from allowly_harness.cli.exits import ExitCode, fail, say
from allowly_harness.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from allowly_harness.cli.opening import OpenAuthority, Target
    from allowly_harness.guarding.opening import GuardPlan
    from allowly_harness.guarding.survey import Offer
    from allowly_harness.servers import ServerSpec
    from allowly_harness.settings import Settings

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_GUARD_OPTIONS: Final = (
    click.option(
        "--guard",
        is_flag=True,
        help="Put a policy in front of the server, as allowly-harness guard does; by default the one that "
        "guard --init would write, which is shown.",
    ),
    click.option(
        "--policy", type=click.Path(dir_okay=False), metavar="FILE", help="With --guard: the policy.  [default: none]"
    ),
)


def guard_options(command: CommandT) -> CommandT:
    """Add the options of commands that can put a guard in front of their server."""
    for option in reversed(_GUARD_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class GivenGuard:
    """What the command line says of a guard.

    Attributes:
        policy: The policy file; `None` for what the server's own list of tools suggests.
        name: What the policy calls the server; `None` for a name after its package.
        user: Who confirms; `None` for the usual name.
        groups: The groups of the user.
    """

    policy: str | None = None
    name: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, *, guard: bool, policy: str | None) -> GivenGuard | None:
        """Read the options of `guard_options`; `None` where no guard is wanted.

        Raises:
            click.UsageError: There is a policy, and nothing that it could be for.
        """
        if policy is not None and not guard:
            raise click.UsageError("--policy goes with --guard")
        return cls(policy) if guard else None


def settings_of(authority: str | None) -> Settings:
    """Return what is configured, with the authority inside of this program where none is named."""
    from allowly_harness.settings import EMBEDDED, load_settings

    settings = load_settings(authority)
    return replace(settings, authority=EMBEDDED) if settings.authority is None else settings


def guarded_spec(server: str | Sequence[str] | ServerSpec) -> ServerSpec:
    """Return the server that is to be guarded.

    Raises:
        ConfigurationError: It cannot be named so, or it is one of the demo servers.
    """
    from allowly_harness.cli.opening import DEMO_PREFIX
    from allowly_harness.servers import parse_server

    if isinstance(server, str) and server.startswith(DEMO_PREFIX):
        raise ConfigurationError("demo servers have a guard of their own, and start with an authority alone")
    return parse_server(server)


def checked_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a guarded server.

    Raises:
        ConfigurationError: One of them is ours, and with it the server could approve its own calls.
    """
    from allowly_harness.guarding.opening import OURS

    given = [name for name in OURS if name in variables]
    if given:
        raise ConfigurationError(f"a guarded server does not get {given[0]}: with it, it could approve its own calls")
    return dict(variables)


def plan_by(
    given: GivenGuard, spec: ServerSpec, variables: Mapping[str, str], *, offer: Offer | None = None, **limits: Any
) -> GuardPlan:
    """Return how a server is guarded.

    Args:
        given: What the command line says.
        spec: The server.
        variables: For a started server.
        offer: What the server offers, where no policy file is named.
        limits: `era`, `timeout` and `start_timeout` of `GuardPlan`.

    Raises:
        ConfigurationError: The policy cannot be used.
    """
    from allowly_harness.guarding.definitions import definitions_file, digests_of, read_definitions
    from allowly_harness.guarding.naming import policy_name
    from allowly_harness.guarding.opening import USER, GuardPlan
    from allowly_harness.guarding.proposing import policy_text
    from allowly_harness.guarding.rules import Rules

    name = given.name or policy_name(spec)
    if given.policy is not None:
        path = Path(given.policy)
        if not path.exists():
            raise ConfigurationError(
                f"there is no policy {path}; write one: allowly-harness guard --init -o {path} ..."
            )
        rules, known = Rules.of_file(path), read_definitions(definitions_file(path))
    else:
        tools = [] if offer is None else offer.tools
        text = policy_text(name, offer) if offer is not None else ""
        rules, known = Rules.of_text(text), digests_of(tools)
        _show(text)
    return GuardPlan(
        spec,
        rules,
        name,
        known=known,
        user=given.user or USER,
        groups=given.groups,
        variables=dict(variables),
        **limits,
    )


async def guarded(target: Target, given: GivenGuard | None) -> Target:
    """Return the server of a session with a guard in front of it, if one is wanted.

    Without a policy file the server is asked first what it offers, and the policy is shown.

    Raises:
        ConfigurationError: It cannot be guarded so.
        ServerUnreachable: It did not start or answer.
    """
    if given is None:
        return target
    from allowly_harness.guarding.opening import survey_of

    spec = guarded_spec(target.server)
    variables = checked_variables(target.variables)
    era: Any = target.era
    offer = None
    if given.policy is None:
        say_plainly(f"Asking {spec.info.configured or spec.info.name} what it offers ...")
        offer = await survey_of(spec, variables, era=era, timeout=target.timeout)
    try:
        plan = plan_by(given, spec, variables, offer=offer, era=era, timeout=target.timeout)
    except ConfigurationError as error:
        *above, last = str(error).split("\n")
        for line in above:
            say_plainly(line)
        raise ConfigurationError(last) from None
    return replace(target, guard=plan)


def say_what_guards(plan: GuardPlan, authority: OpenAuthority) -> None:
    """Say what is guarded, by which policy, and where its questions go."""
    say_plainly(
        f"Guarding {plan.spec.info.configured or plan.spec.info.name}, which {plan.rules.name} calls {plan.name}."
    )
    say_plainly(f"The policy: {plan.rules.summary()}.")
    if not plan.rules.names(plan.name):
        say_plainly(f"No rule of {plan.rules.name} is for {plan.name}: is it called otherwise there (--name)?")
    if plan.known is None:
        say_plainly("It is not known how its tools were defined when the policy was written, so changes are not said.")
    where = "an authority inside of this program" if authority.embedded else authority.base_url
    say_plainly(f"Questions go to {where}, for the user {plan.user}.")


def say_plainly(message: str) -> None:
    """Say something that others have worded, each line of it inert (G8)."""
    from allowly_harness.display.sanitize import plain

    for line in message.split("\n"):
        say(plain(line))


def fail_in_lines(message: str, code: ExitCode) -> int:
    """Say what went wrong, a line for each fault, and return the code to exit with."""
    for line in message.split("\n"):
        fail(line, code)
    return int(code)


def _show(text: str) -> None:
    say("This policy is in force while the session lasts; allowly-harness guard --init writes it to a file:")
    say_plainly("\n".join(f"  {line}" if line else "" for line in text.rstrip().split("\n")))
