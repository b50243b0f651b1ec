"""`authority explain`: which rule decides a call, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from allowly_harness.cli.authority.reaching import AUTHORITY_OPTION, operate, print_json

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_authority.wire.operator_replies import ExplanationReply


@click.command(short_help="Say how a call would be decided, and why.")
@click.argument("authorization_id", metavar="AUTHORIZATION")
@click.argument("scope")
@click.option("--resource", metavar="NAME", help="What is acted upon, as the check would name it.")
@click.option("--context", metavar="JSON", help="Further facts: a JSON object, @FILE, or - for standard input.")
@click.option("--cost", type=click.IntRange(0), metavar="MICROS", help="What the call may cost, in micro-USD.")
@click.option("--sender", metavar="PRINCIPAL", help="Whose key would send the check.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with the facts behind each step.")
@AUTHORITY_OPTION
def explain(
    authorization_id: str,
    scope: str,
    resource: str | None,
    context: str | None,
    cost: int | None,
    sender: str | None,
    as_json: bool,
    url: str | None,
) -> int:
    """Say how a check of SCOPE under AUTHORIZATION would be decided now, and what each rule says to it.

    Nothing is asked, counted, reserved or used up. The exit code is 0 whatever the decision is.

    \b
    allowly-harness authority explain auth_3f2a... send_email
    allowly-harness authority explain auth_3f2a... pay --context '{"amount": 120000}'
    """
    facts = _object(context)

    async def work(client: AuthorityClient) -> None:
        found = await client.explain(
            authorization_id=authorization_id,
            scope=scope,
            resource=resource,
            context=facts,
            estimated_cost_micros=cost,
            initiator=sender,
        )
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        for line in _tree(found):
            click.echo(line)

    return operate(work, url)


def _object(text: str | None) -> dict[str, Any]:
    from allowly_harness.cli.given import read_given

    try:
        return {} if text is None else dict(read_given((), text).values)
    except click.BadParameter as error:
        error.param_hint = "--context"
        raise


def _tree(found: ExplanationReply) -> Iterator[str]:
    from allowly_harness.display.sanitize import plain

    rule = f", by {found.rule}" if found.rule else ""
    yield plain(f"{found.scope}: {found.decision}{rule} ({found.reason})")
    width = max((len(plain(step.check)) for step in found.steps), default=0)
    for number, step in enumerate(found.steps, start=1):
        branch = "`-" if number == len(found.steps) else "|-"
        outcome = plain(step.outcome, 20)
        yield f"{branch} {plain(step.check).ljust(width)}  {outcome.ljust(14)}  {plain(step.words)}"
    # The last sentences are about the outcome, and about nothing that a step has said.
    for sentence in found.sentences[len(found.steps) :]:
        yield plain(sentence)
