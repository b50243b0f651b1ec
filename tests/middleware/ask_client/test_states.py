"""G3, G7: what the client carries between question and answer is sealed, and good for one call of one user."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.request_state import AESGCMRequestStateCodec, RequestStateSecurity
from mcp_types import InputRequiredResult

from allowly_middleware import AllowlyMCPMiddleware, CheckInput
from allowly_middleware.asking import deciding
from allowly_middleware.asking.sealed import STATE_PREFIX, SealedStates, derived_keys

pytestmark = pytest.mark.anyio
kinds = pytest.mark.parametrize("kind", ["fastmcp", "mcpserver", "lowlevel"])
YES = {"decision": "approve"}


async def outcome(leg: Any) -> str:
    """What came of a leg: the SDK's own seal refuses some of them with an error of its own."""
    try:
        result = await leg
    except MCPError as error:
        return error.message
    if isinstance(result, InputRequiredResult):
        return "asked"
    return result.structured_content["reason"] if result.is_error else "ran"


REFUSED = {"Invalid or expired requestState", "asked"}
"""Either the SDK's seal does not open, or ours does not: then the call is asked about anew."""


def _flipped(state: str) -> str:
    middle = len(state) // 2
    return state[:middle] + ("A" if state[middle] != "A" else "B") + state[middle + 1 :]


FORGERIES = {
    "changed": _flipped,
    "cut short": lambda state: state[:-1],
    "longer": lambda state: state + "A",
    "invented": lambda _: STATE_PREFIX + "v1.AAAA",
    "empty": lambda _: STATE_PREFIX,
    "huge": lambda _: STATE_PREFIX + "A" * 600_000,
    "text": lambda _: "yes",
}


@kinds
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forged_state_approves_nothing(kind, forge, bench, asking, by_hand):
    user = await bench.authority.grant(confirm=("send",))
    async with by_hand(bench.build(kind, asking(authority=asking.told))) as client:
        asked = await client.leg(user)

        came = await outcome(client.leg(user, forge(asked.request_state), YES))
        honest = await outcome(client.leg(user, asked, YES))

    assert came in REFUSED
    assert honest == "ran"
    assert len(asking.told.answers) == 1
    assert bench.texts() == ["5"]


@kinds
@pytest.mark.parametrize("differs", ["arguments", "user", "tool"])
async def test_a_state_is_good_for_no_other_call(kind, differs, bench, asking, by_hand):
    both = ("send", "measure")
    user, other = [await bench.authority.grant(confirm=both) for _ in range(2)]
    async with by_hand(bench.build(kind, asking(authority=asking.told))) as client:
        asked = await client.leg(user)
        changed = {"arguments": {"text": "6"}, "user": {}, "tool": {"tool": "measure", "text": "5"}}[differs]

        came = await outcome(client.leg(other if differs == "user" else user, asked, YES, **changed))

    assert came in REFUSED
    assert asking.told.answers == []
    assert bench.runs == []


@pytest.mark.parametrize("differs", ["user", "authorization", "scope", "resource"])
async def test_a_state_is_good_for_no_other_user_authorization_scope_or_resource(differs, bench, asking, by_hand):
    """The same call on the wire, of another user: only what the callbacks say differs."""
    names = ("send", "other")
    one, two = [await bench.authority.grant(*names, confirm=names) for _ in range(2)]
    says = {"user": "ada", "authorization": one, "scope": "send", "resource": "mail"}
    changed = {"user": "eve", "authorization": two, "scope": "other", "resource": "bank"}
    mw = asking(
        authority=asking.told,
        user_id_fn=lambda call: says["user"],
        authorization_id_fn=lambda user_id: says["authorization"],
        check_input_fn=lambda call: CheckInput(scope=says["scope"], resource=says["resource"]),
    )
    async with by_hand(bench.build("lowlevel", mw)) as client:
        asked = await client.leg("ada")
        before = says[differs]
        says[differs] = changed[differs]
        came = await outcome(client.leg("ada", asked, YES))
        says[differs] = before
        honest = await outcome(client.leg("ada", asked, YES))

    assert (came, honest) == ("asked", "ran")
    assert len(asking.told.answers) == 1


async def test_a_closed_form_tells_no_other_user_the_nonce(bench, asking, by_hand):
    user, other = [await bench.authority.grant(confirm=("send",)) for _ in range(2)]
    says = [user]
    mw = asking(user_id_fn=lambda call: says[0])
    async with by_hand(bench.build("lowlevel", mw)) as client:
        asked = await client.leg("ada")
        says[0] = other
        result = await client.leg("ada", asked, responses={"allowly-approval": {"action": "cancel"}})

    assert isinstance(result, InputRequiredResult)


async def test_a_state_of_a_client_that_does_not_show_forms_is_no_answer(bench, asking, by_hand):
    user = await bench.authority.grant(confirm=("send",))
    server = bench.build("lowlevel", asking(authority=asking.told))
    async with by_hand(server) as client, bench.client(server) as silent:
        asked = await client.leg(user)
        result = await silent.session.call_tool(
            "send",
            {"user_id": user, "text": "5"},
            input_responses={"allowly-approval": {"action": "accept", "content": YES}},
            request_state=asked.request_state,
        )

    assert result.structured_content["decision"] == "confirm"
    assert asking.told.answers == []


@kinds
async def test_a_question_that_is_over_is_asked_anew(kind, bench, asking, by_hand, monkeypatch):
    monkeypatch.setattr(deciding, "QUESTION_SECONDS", -1.0)
    user = await bench.authority.grant(confirm=("send",))
    async with by_hand(bench.build(kind, asking(authority=asking.told))) as client:
        asked = await client.leg(user)
        again = await client.leg(user, asked, YES)

    assert isinstance(again, InputRequiredResult)
    assert asking.told.answers == []
    assert bench.runs == []


@kinds
async def test_a_question_that_was_answered_elsewhere_runs_nothing(kind, bench, asking, by_hand):
    user = await bench.authority.grant(confirm=("send",))
    async with by_hand(bench.build(kind, asking(authority=asking.told))) as client:
        asked = await client.leg(user)
        await client.leg(user, asked, {"decision": "deny"})

        came = await outcome(client.leg(user, asked, YES))

    assert came == "confirmation_gone"
    assert bench.runs == []


async def test_processes_that_share_a_key_open_each_others_states(bench, asking, by_hand):
    key = os.urandom(32)
    user = await bench.authority.grant(confirm=("send",))
    one, two, foreign = (
        bench.build("lowlevel", asking(**options))
        for options in ({"state_keys": [key]}, {"state_keys": [os.urandom(32).hex(), key]}, {})
    )
    async with by_hand(one) as first, by_hand(two) as second, by_hand(foreign) as third:
        asked = await first.leg(user)

        outcomes = [await outcome(client.leg(user, asked, YES)) for client in (third, second, first)]

    assert outcomes == ["asked", "ran", "confirmation_gone"]
    assert bench.texts() == ["5"]


async def test_servers_that_seal_themselves_share_both_keys(bench, asking, by_hand):
    secret, ran = os.urandom(32), []
    user = await bench.authority.grant(confirm=("send",))

    def process() -> MCPServer:
        security = RequestStateSecurity(keys=[secret])
        server = MCPServer("one", request_state_security=security, middleware=[asking(state_keys=[secret])])

        def send(user_id: str, text: str) -> str:
            ran.append(text)
            return "sent"

        server.tool()(send)
        return server

    async with by_hand(process()) as first, by_hand(process()) as second:
        came = await outcome(second.leg(user, await first.leg(user), YES))

    assert (came, ran) == ("ran", ["5"])


@pytest.mark.parametrize("keys", [[], ["short"], [b"x" * 31], "x" * 32, b"y" * 32])
def test_keys_that_are_too_short_are_refused(keys, options):
    with pytest.raises(ValueError, match="state_keys"):
        AllowlyMCPMiddleware(**options, ask_client=True, state_keys=keys)


def test_states_of_other_uses_of_the_same_secret_do_not_open():
    secret = os.urandom(32)
    foreign = AESGCMRequestStateCodec([secret]).seal(b'{"kind": "question"}')
    states = SealedStates(AESGCMRequestStateCodec(derived_keys([secret])))

    assert states.question(STATE_PREFIX + foreign) is None


def test_the_nonce_shows_in_no_repr():
    asked = deciding.Asked({"confirm_nonce": "cnf_secret"}, "b", 0.0, "", 1, deciding.Leg("s", {"a": "answer"}))

    assert "cnf_secret" not in repr(asked) + repr(deciding.Question("t", {}, "sealed"))
    assert "answer" not in repr(asked)


class Bringing:
    """Puts a state into calls behind the SDK's own seal, where a client cannot."""

    def __init__(self, state: str) -> None:
        self.state = state

    async def __call__(self, ctx: Any, call_next: Any) -> Any:
        if ctx.method == "tools/call":
            ctx = replace(ctx, params={**ctx.params, "requestState": self.state, "inputResponses": {}})
        return await call_next(ctx)


@pytest.mark.parametrize("key", ["ours", "foreign"])
async def test_a_tool_that_is_allowed_anyway_never_sees_a_state_of_ours(key, bench, asking, by_hand):
    """What was no answer stays outside of the tool."""
    user, seen, secret = await bench.authority.grant("look"), [], os.urandom(32)
    keys = derived_keys([secret if key == "ours" else os.urandom(32)])
    state = SealedStates(AESGCMRequestStateCodec(keys)).seal(
        deciding.Asked({"confirm_nonce": "n"}, "b", 0.0, "", 1, deciding.Leg())
    )
    server = MCPServer("looking", middleware=[Bringing(state), asking(state_keys=[secret])])

    async def look(user_id: str, ctx: Context) -> str:
        seen.append((ctx.request_state, ctx.input_responses))
        return "looked"

    look.__annotations__ = {"user_id": str, "ctx": Context, "return": str}
    server.tool()(look)
    async with by_hand(server) as client:
        await client.leg(user, tool="look")

    assert seen == [(None, None)]
