"""The call behind a question: taken where its digest proves it, shown to whoever decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from allowly_authority import AuthorityClient
from allowly_authority.binding import bound_resource, canonical_json
from allowly_authority.errors import Conflict, NotAllowed, PromptUnknown

pytestmark = pytest.mark.anyio

ARGUMENTS = {"to": "ada@example.com", "n": 12345678901234567890, "text": "ä\u202e"}
CANONICAL = canonical_json(ARGUMENTS)
RESOURCE = bound_resource("send_email", CANONICAL)


@pytest.fixture
async def client(authority: Any) -> Any:
    async with AuthorityClient(base_url=authority.base_url, api_key=authority.api_key) as opened:
        yield opened


@pytest.fixture
def escalated(client: AuthorityClient, clock: Any) -> Callable[..., Awaitable[str]]:
    """Have something asked of compliance, and return the id of the escalation."""

    async def ask(resource: str | None = RESOURCE, **more: Any) -> str:
        made = await client.create_authorization(
            user_id="ada",
            agent_id="agent",
            scopes=["send_email"],
            expires_at=datetime.fromtimestamp(clock.now, UTC) + timedelta(days=1),
            requires_escalation_for=["send_email"],
            escalation_targets={"send_email": "compliance"},
            **more,
        )
        checked = await client.check(authorization_id=made.authorization_id, scopes=["send_email"], resource=resource)
        return checked.results["send_email"].escalation_id or ""

    return ask


async def test_the_call_that_the_question_is_about_is_kept_to_the_last_digit(client, escalated) -> None:
    prompt_id = await escalated()
    assert await client.call_behind(prompt_id) is None

    await client.show_call(escalation_id=prompt_id, tool="send_email", arguments=CANONICAL, server="mail")
    await client.show_call(escalation_id=prompt_id, tool="send_email", arguments=CANONICAL, server="another name")

    shown = await client.call_behind(prompt_id)
    assert shown is not None
    assert (shown.tool, shown.canonical, shown.server) == ("send_email", CANONICAL, "mail")
    assert shown.resource == RESOURCE
    (item,) = (await client.pending()).items
    assert item.has_call


async def test_another_call_is_not_taken(client, escalated) -> None:
    bound, unbound = await escalated(), await escalated(None)

    for prompt_id, tool, arguments in (
        (bound, "send_email", canonical_json({**ARGUMENTS, "to": "eve@example.com"})),
        (bound, "delete", CANONICAL),
        (unbound, "send_email", CANONICAL),
    ):
        with pytest.raises(Conflict):
            await client.show_call(escalation_id=prompt_id, tool=tool, arguments=arguments)
        assert await client.call_behind(prompt_id) is None
    with pytest.raises(PromptUnknown):
        await client.show_call(escalation_id="esc_forged", tool="send_email", arguments=CANONICAL)


async def test_only_whom_it_is_addressed_to_reads_it(client, escalated, authority, holder) -> None:
    prompt_id = await escalated()
    await client.show_call(escalation_id=prompt_id, tool="send_email", arguments=CANONICAL)
    addressed = await holder("carla", "approver", addresses=["compliance"])
    other = await holder("bob", "approver")

    async with AuthorityClient(base_url=authority.base_url, api_key=addressed.key) as reader:
        shown = await reader.call_behind(prompt_id)
    assert shown is not None
    assert shown.canonical == CANONICAL
    async with AuthorityClient(base_url=authority.base_url, api_key=other.key) as reader:
        with pytest.raises(NotAllowed):
            await reader.call_behind(prompt_id)


async def test_a_stream_tells_that_a_call_was_handed_in(client, escalated) -> None:
    prompt_id = await escalated()
    seen: list[tuple[str, bool]] = []

    async for event in client.watch_prompts(addressee="compliance"):
        if event.name == "snapshot":
            await client.show_call(escalation_id=prompt_id, tool="send_email", arguments=CANONICAL)
        seen += [(event.name, item.has_call) for item in event.items]
        if event.name == "call_given":
            break

    assert seen == [("snapshot", False), ("call_given", True)]
