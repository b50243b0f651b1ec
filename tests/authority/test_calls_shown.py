"""The call behind a question: proved by its digest, read by whoever decides, gone with the question."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from allowly_authority import AuthorityClient, Conflict, LookupUnsupported, PromptUnknown
from allowly_authority.binding import bound_resource, canonical_json
from allowly_authority.outcomes import Answer, understood
from allowly_authority.store import behind
from allowly_authority.store.database import open_database
from allowly_authority.store.retention import PROMPT_LIFE_MS, remove_old_rows
from allowly_authority.wire.inbox_replies import CallReply

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("location", ["sqlite"], indirect=True)

ARGUMENTS: dict[str, Any] = {"to": "ada@example.com", "amount": 12.5, "big": 2**60, "name": "Zoë \u202e", "none": None}
CALL = {"tool": "delete", "arguments": ARGUMENTS, "server": "mail"}

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
def ask(client: AuthorityClient, grant) -> Ask:
    """Ask about a call by the digest of its arguments."""

    async def asked(scope: str = "delete", resource: str | None = None) -> Any:
        authorization = (await grant()).authorization_id
        named = resource or bound_resource("delete", canonical_json(ARGUMENTS))
        return (await client.check(authorization_id=authorization, scopes=[scope], resource=named)).results[scope]

    return asked


async def test_the_call_that_a_question_names_is_read_by_its_approver_to_the_byte(
    client: AuthorityClient, authority, ask, holder
) -> None:
    """G2, G13."""
    asked = await ask()
    ada = await holder("ada", "approver", addresses=["compliance"])

    canonical = canonical_json(ARGUMENTS)
    await client.show_call(escalation_id=asked.escalation_id, tool="delete", arguments=canonical, server="mail")
    async with AuthorityClient(base_url=authority.base_url, api_key=ada.key) as approver:
        [item] = (await approver.pending()).items
        shown = await approver.call_behind(item.prompt_id)

    assert item.has_call
    assert shown is not None
    assert (shown.tool, shown.canonical, shown.server) == ("delete", canonical, "mail")
    assert shown.resource == item.resource


@SQLITE
async def test_the_same_call_again_changes_nothing_not_even_what_the_server_is_called(
    client: AuthorityClient, ask
) -> None:
    asked = await ask()
    for server in ("mail", "something-else"):
        await client.show_call(
            escalation_id=asked.escalation_id, tool="delete", arguments=canonical_json(ARGUMENTS), server=server
        )

    shown = await client.call_behind(asked.escalation_id)

    assert shown is not None
    assert shown.server == "mail"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("delete", ARGUMENTS | {"to": "eve@example.com"}),
        ("delete", {}),
        ("remove", ARGUMENTS),
        ("delete", ARGUMENTS | {"amount": "12.5"}),
    ],
    ids=["other arguments", "none", "another tool", "another type"],
)
@SQLITE
async def test_another_call_than_the_one_that_is_asked_about_is_refused(
    client: AuthorityClient, api, ask, tool: str, arguments: dict[str, Any]
) -> None:
    """G13."""
    asked = await ask()

    body = {"escalation_id": asked.escalation_id, "tool": tool, "arguments": arguments, "server": "mail"}
    status, reply = await api("POST", "/v1/prompts/calls", body)

    assert (status, reply["error"]["code"]) == (409, "call_mismatch")
    assert await client.call_behind(asked.escalation_id) is None
    with pytest.raises(Conflict):
        await client.show_call(escalation_id=asked.escalation_id, tool=tool, arguments=canonical_json(arguments))


@SQLITE
@pytest.mark.parametrize("resource", ["inbox/7", "mcp:delete", bound_resource("delete", "{}") + "0"])
async def test_a_question_about_no_call_in_particular_takes_none(client: AuthorityClient, ask, resource: str) -> None:
    asked = await ask(resource=resource)

    with pytest.raises(Conflict):
        await client.show_call(escalation_id=asked.escalation_id, tool="delete", arguments="{}")


@SQLITE
async def test_a_confirmation_takes_its_call_by_the_nonce_and_is_read_without(
    client: AuthorityClient, api, ask
) -> None:
    asked = await ask("send")

    await client.show_call(nonce=asked.confirm_nonce, tool="delete", arguments=canonical_json(ARGUMENTS))
    [item] = (await client.pending(kind="confirm")).items
    shown = await client.call_behind(item.prompt_id)
    by_nonce = await client.call_behind(asked.confirm_nonce)

    assert shown is not None
    assert shown.canonical == canonical_json(ARGUMENTS)
    assert by_nonce is None


@SQLITE
async def test_whoever_may_not_see_a_question_does_not_see_its_call(api, ask, holder) -> None:
    asked = await ask()
    await api("POST", "/v1/prompts/calls", CALL | {"escalation_id": asked.escalation_id})
    people = [
        await holder("lea", "approver", addresses=["legal"]),
        await holder("gate-1", "gate"),
        await holder("ada", "approver", addresses=["compliance"]),
        await holder("olga", "operator"),
    ]

    answers = [(await one.send("GET", f"/v1/prompts/{asked.escalation_id}/call")) for one in people]

    assert [status for status, _ in answers] == [403, 403, 200, 200]
    assert answers[2][1]["arguments"] == ARGUMENTS
    assert not any("ada@example.com" in json.dumps(body) for _, body in answers[:2])


@SQLITE
async def test_whoever_may_look_up_hands_in_and_others_do_not(ask, holder) -> None:
    asked = await ask()
    gate, olga, ada = await holder("gate-1", "gate"), await holder("olga", "operator"), await holder("ada", "approver")
    body = CALL | {"escalation_id": asked.escalation_id}

    statuses = [(await one.send("POST", "/v1/prompts/calls", body))[0] for one in (olga, gate, ada)]

    assert statuses[:2] == [403, 403]
    assert statuses[2] in {200, 204}


@SQLITE
async def test_what_was_never_asked_has_no_call(client: AuthorityClient) -> None:
    with pytest.raises(PromptUnknown):
        await client.show_call(escalation_id="esc_unknown", tool="delete", arguments="{}")
    assert await client.call_behind("esc_unknown") is None


@SQLITE
@pytest.mark.parametrize(
    "body",
    [
        {"arguments": {}},
        {"tool": "", "arguments": {}},
        {"tool": "delete"},
        {"tool": "delete", "arguments": []},
        {"tool": "delete", "arguments": "{}"},
        {"tool": "delete", "arguments": {}, "server": "s" * 101},
        {"tool": "delete", "arguments": {}, "nonce": "both"},
    ],
    ids=["no tool", "an empty tool", "no arguments", "a list", "a text", "a long name", "two names"],
)
async def test_what_is_no_call_is_refused(api, ask, body: dict[str, Any]) -> None:
    asked = await ask()

    status, _ = await api("POST", "/v1/prompts/calls", {"escalation_id": asked.escalation_id, **body})

    assert status == 422


@SQLITE
async def test_a_call_is_as_long_and_as_deep_as_any_body(api, ask) -> None:
    """G6."""
    asked = await ask()
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"d": deep}

    statuses = [
        (await api("POST", "/v1/prompts/calls", CALL | {"escalation_id": asked.escalation_id, "arguments": arguments}))[
            0
        ]
        for arguments in ({"text": "x" * 64 * 1024}, deep)
    ]

    assert statuses == [413, 400]


async def test_the_call_stays_with_a_question_that_is_over_and_goes_with_it(
    client: AuthorityClient, api, ask, clock, location
) -> None:
    asked = await ask()
    await client.show_call(escalation_id=asked.escalation_id, tool="delete", arguments=canonical_json(ARGUMENTS))
    await client.resolve_escalation(asked.escalation_id, resolution="rejected", resolved_by="cara", note="no")

    over = await client.call_behind(asked.escalation_id)
    clock.advance(PROMPT_LIFE_MS / 1000 + 24 * 3600 + 1)
    database = open_database(location)
    await database.apply(lambda db: remove_old_rows(db, int(clock.now * 1000)))
    left = await database.read(lambda db: behind.find_call(db, asked.escalation_id))
    database.close()

    assert over is not None
    assert left is None
    assert (await api("GET", f"/v1/escalations/{asked.escalation_id}"))[0] == 404


@SQLITE
async def test_the_stream_tells_that_a_call_was_handed_in(client: AuthorityClient, ask) -> None:
    asked = await ask()
    told: list[tuple[str, bool]] = []

    with anyio.fail_after(10):
        stream = client.watch_prompts()
        async for event in stream:
            told += [(event.name, item.has_call) for item in event.items]
            if event.name == "snapshot":
                await client.show_call(
                    escalation_id=asked.escalation_id, tool="delete", arguments=canonical_json(ARGUMENTS)
                )
            else:
                break
        await stream.aclose()

    assert told == [("snapshot", False), ("call_given", True)]


@SQLITE
async def test_no_receipt_and_no_list_holds_the_arguments(client: AuthorityClient, api, ask) -> None:
    """G7."""
    asked = await ask()
    await client.show_call(escalation_id=asked.escalation_id, tool="delete", arguments=canonical_json(ARGUMENTS))
    resolved = (
        await api(
            "POST",
            f"/v1/escalations/{asked.escalation_id}/resolve",
            {"resolution": "approved", "resolved_by": "cara"},
        )
    )[1]

    seen = [
        (await api("GET", path))[1]
        for path in (
            "/v1/prompts?status=approved",
            f"/v1/receipts/{resolved['receipt']['receipt_id']}",
            f"/v1/escalations/{asked.escalation_id}",
        )
    ]

    assert "ada@example.com" not in json.dumps(seen)


def test_an_authority_without_calls_is_told_apart() -> None:
    """The hosted service answers 404 without the code of ours."""
    answer = Answer(404, b'{"error": {"code": "not_found", "message": "none"}}', is_json=True, retry_after=None)

    assert isinstance(understood(answer, 200, CallReply, lookup=True), LookupUnsupported)
