"""`allowly-harness grants`: the yeses that are remembered, what each opens, and how to take it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from allowly_harness.cli.documents import json_text
from allowly_harness.cli.exits import ExitCode, fail, say
from allowly_harness.cli.options import complete_server

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from allowly_harness.grants import Grant, GrantStore
    from allowly_harness.protocol.models import ServerInfo, ToolCall


def _complete_grant(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of a grant that stands."""
    from click.shell_completion import CompletionItem

    from allowly_harness.grants import GrantError, GrantStore
    from allowly_harness.grants.words import grant_words
    from allowly_harness.locations import grants_file

    del ctx, param
    if not grants_file().exists():
        return []
    try:
        with GrantStore(grants_file()) as store:
            standing = [grant for grant, why in store.all() if not why or grant.session]
    except GrantError:
        return []
    return [
        CompletionItem(one.id, help=grant_words(one).text[:80]) for one in standing if one.id.startswith(incomplete)
    ]


@click.group(short_help="Yeses that are remembered: list, explain, revoke.")
def grants() -> None:
    """Yeses that are remembered: list, explain, revoke.

    Nothing is remembered until the configuration says [approval] remember = true; then a question can be answered
    with "remember", and calls like it are approved without asking, until the grant ends.
    """


@grants.command("list", short_help="List the grants, newest first.")
@click.option("--all", "everything", is_flag=True, help="Also those that have ended, for 30 days.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_grants(everything: bool, as_json: bool) -> int:
    """List the grants, newest first: the id, how often it answered, and the literal rule."""

    def command(store: GrantStore) -> int:
        listed = [(one, why) for one, why in store.all() if everything or not why or _lives_elsewhere(one, why)]
        for grant, why in listed:
            click.echo(json_text(_document(grant, why)) if as_json else _line(grant, why))
        if not listed and not as_json:
            say("No grant stands." if not everything else "There is no grant.")
        return int(ExitCode.DONE)

    return _with_store(command)


@grants.command(short_help="Say whether a grant would answer for a call, and which.")
@click.argument("server", shell_complete=complete_server)
@click.argument("tool")
@click.option("--arguments", default="{}", metavar="JSON", help="The arguments, as one JSON object.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def explain(server: str, tool: str, arguments: str, as_json: bool) -> int:
    """Say whether a grant would answer for a call of TOOL on SERVER, and which, or why none.

    Nothing is called. What only a connection can tell is assumed: that the tool's definition, the authority and the
    authorization are still those of the grant.

    Exit code: 0 a grant would answer, 1 a person would be asked.
    """
    from allowly_harness.grants.remembering import current_folder
    from allowly_harness.grants.rules import reached_from

    named = _named(server)
    try:
        call = _call(named.name, tool, arguments)
    except ValueError as error:
        return fail(f"the arguments cannot be read: {error}", ExitCode.USAGE)

    def command(store: GrantStore) -> int:
        reached = reached_from(current_folder(), named)
        found = [(one, _why_not(one, why, call, reached)) for one, why in store.all()]
        found = [(one, why) for one, why in found if one.binding.server == call.server and one.binding.tool == tool]
        answering = next((one for one, why in sorted(found, key=_width) if not why), None)
        if as_json:
            checked = [_document(one, why) for one, why in found]
            click.echo(json_text({"answers": answering is not None, "grant": _id(answering), "checked": checked}))
        else:
            for line in _explained(answering, found):
                click.echo(line)
        return int(ExitCode.DONE if answering is not None else ExitCode.TOOL_FAILED)

    return _with_store(command)


@grants.command(short_help="Take a grant back, or all.")
@click.argument("grant", required=False, shell_complete=_complete_grant)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def revoke(grant: str | None, everything: bool, as_json: bool) -> int:
    """Take GRANT back, or all. It answers nothing from now on, in no program.

    Exit code: 0 done, 2 there is no such grant, or it has ended already.
    """
    if everything == (grant is not None):
        return fail("name one grant, or give --all", ExitCode.USAGE)

    def command(store: GrantStore) -> int:
        revoked = store.revoke(None if everything else str(grant).lower())
        if as_json:
            click.echo(json_text({"revoked": revoked}))
        if grant is not None and not revoked:
            return fail(f"no grant {grant!r} stands; grants list names those that do", ExitCode.USAGE)
        if not as_json:
            say("Revoked 1 grant." if revoked == 1 else f"Revoked {revoked} grants.")
        return int(ExitCode.DONE)

    return _with_store(command)


def _with_store(command: Callable[[GrantStore], int]) -> int:
    from allowly_harness.grants import GrantError, GrantStore
    from allowly_harness.locations import grants_file

    try:
        with GrantStore(grants_file()) as store:
            return command(store)
    except GrantError as error:
        return fail(str(error), ExitCode.USAGE)


def _named(server: str) -> ServerInfo:
    """Return what a server is called in grants; how it is reached is left empty for one that has only a name here."""
    from allowly_harness.protocol.errors import ConfigurationError
    from allowly_harness.protocol.models import ServerInfo
    from allowly_harness.servers import parse_server

    try:
        return parse_server(server).info
    except ConfigurationError:
        return ServerInfo(server)


def _call(server: str, tool: str, arguments: str) -> ToolCall:
    from allowly_harness.protocol.models import ToolCall

    return ToolCall(server, tool, json.loads(arguments))


def _lives_elsewhere(grant: Grant, why: str) -> bool:
    return grant.session is not None and why == "for another session"


def _why_not(grant: Grant, why: str, call: ToolCall, configured: str) -> str:
    if why:
        return why
    if configured and grant.binding.configured != configured:
        return "the server is reached in another way"
    return "" if grant.rule.fits(call) else "the rule is not for these arguments"


def _width(found: tuple[Grant, str]) -> int:
    return ("call", "values", "tool").index(found[0].rule.scope.value)


def _id(grant: Grant | None) -> str | None:
    return None if grant is None else grant.id


def _explained(answering: Grant | None, found: list[tuple[Grant, str]]) -> list[str]:
    if answering is not None:
        lines = [f"{answering.id} would answer, if nothing about the tool has changed:", _line(answering, "")]
    else:
        lines = ["No grant would answer: a person is asked."]
    return lines + [_line(one, why) for one, why in found if one is not answering]


def _line(grant: Grant, why: str) -> str:
    from allowly_harness.grants.words import grant_words

    used = "1 use" if grant.used == 1 else f"{grant.used} uses"
    state = f"  [{why}]" if why else ""
    return f"{grant.id}  {used:<8}  {grant_words(grant).text}{state}"


def _document(grant: Grant, why: str) -> dict[str, Any]:
    from allowly_harness.grants.words import rule_words

    bound = grant.binding
    return {
        "id": grant.id,
        "stands": not why,
        "why_not": why or None,
        "server": bound.server,
        "configured": bound.configured,
        "tool": bound.tool,
        "scope": grant.rule.scope.value,
        "rule": rule_words(bound, grant.rule).text,
        "authorization": bound.authorization,
        "granted_by": bound.granted_by,
        "made": _time(grant.made_ms),
        "until": _time(grant.until_ms),
        "uses_left": grant.uses_left,
        "used": grant.used,
        "last_used": None if grant.used_ms is None else _time(grant.used_ms),
        "this_session_only": grant.session is not None,
        "call_digest": grant.call_digest,
    }


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
