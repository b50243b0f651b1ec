"""Whose call it is, what is asked about it, and that nothing the author's code does opens the gate."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest

from allowly_authority import AuthorityClient
from allowly_authority.binding import bound_resource, canonical_json
from allowly_middleware import CallFacts, CheckInput, Gate
from allowly_middleware import gate as gate_module

pytestmark = pytest.mark.anyio
UNAVAILABLE = {"allowly-middleware/check": {"phase": "before_tool", "unavailable": True}}


class Asked(list[dict[str, Any]]):
    """The real client, with a note of what it was asked."""

    def __init__(self, client: AuthorityClient) -> None:
        super().__init__()
        self.client = client

    async def check(self, **check: Any) -> Any:
        self.append(check)
        return await self.client.check(**check)


@pytest.fixture
async def asked(authority: Any) -> Asked:
    return Asked(authority.client)


def facts(user_id: Any = "nobody", /, tool: str = "send", **arguments: Any) -> CallFacts:
    return CallFacts.of(tool, {"user_id": user_id, **arguments})


def same(user_id: str) -> str:
    return user_id


async def async_same(user_id: str) -> str:
    await anyio.lowlevel.checkpoint()
    return user_id


@pytest.mark.parametrize("authorization_id_fn", [same, async_same])
async def test_the_authorization_comes_from_a_callback_of_either_kind(authorization_id_fn, asked, authority):
    user = await authority.grant()

    verdict = await Gate(asked, authorization_id_fn).decide(facts(user, text="5"))

    assert verdict.allowed
    assert asked[0]["authorization_id"] == user


async def test_a_given_user_id_callback_replaces_the_argument(asked, authority):
    """A7: the caller names a victim, and nobody looks the victim up."""
    user = await authority.grant()
    looked_up: list[str] = []

    async def user_id_fn(facts):
        return "trusted"

    gate = Gate(asked, lambda user_id: looked_up.append(user_id) or user, user_id_fn=user_id_fn)
    verdict = await gate.decide(facts("victim"))

    assert verdict.allowed
    assert looked_up == ["trusted"]


@pytest.mark.parametrize("user_id", [None, "", "  ", 7, ["a"], {"a": 1}, True])
@pytest.mark.parametrize("source", ["argument", "callback"])
async def test_a_call_without_a_user_is_denied_without_a_check(user_id, source, asked):
    looked_up: list[str] = []
    user_id_fn = None if source == "argument" else lambda facts: user_id
    gate = Gate(asked, lambda user: looked_up.append(user) or "auth", user_id_fn=user_id_fn)

    verdict = await gate.decide(facts(user_id if source == "argument" else "ada"))

    assert verdict.payload == {"decision": "deny", "reason": "authorization_not_found"}
    assert (looked_up, asked) == ([], [])


@pytest.mark.parametrize("authorization_id", [None, "", " ", 7])
async def test_a_user_without_an_authorization_is_denied_without_a_check(authorization_id, asked):
    verdict = await Gate(asked, lambda user_id: authorization_id).decide(facts("ada"))

    assert verdict.payload == {"decision": "deny", "reason": "authorization_not_found"}
    assert verdict.meta is None
    assert asked == []


class DatabaseError(Exception):
    pass


def _raises(argument):
    raise DatabaseError("db down secret")


async def _raises_later(argument):
    raise DatabaseError("db down secret")


@pytest.mark.parametrize("broken", [_raises, _raises_later])
@pytest.mark.parametrize(
    ("which", "reason"),
    [
        ("user_id_fn", "user_id_unavailable"),
        ("authorization_id_fn", "authorization_id_unavailable"),
        ("check_input_fn", "check_input_unavailable"),
    ],
)
async def test_a_callback_that_raises_denies_and_says_nothing_of_its_text(broken, which, reason, asked, caplog):
    caplog.set_level(logging.DEBUG)

    verdict = await Gate(asked, **{"authorization_id_fn": same, which: broken}).decide(facts("ada"))

    assert verdict.payload == {"decision": "deny", "reason": reason}
    assert verdict.meta == UNAVAILABLE
    assert asked == []
    assert "DatabaseError" in caplog.text
    assert "secret" not in caplog.text


async def test_a_callback_that_never_answers_denies(asked, monkeypatch):
    monkeypatch.setattr(gate_module, "CALLBACK_TIMEOUT_SECONDS", 0.01)

    async def hangs(user_id):
        await anyio.sleep_forever()

    with anyio.fail_after(20):
        verdict = await Gate(asked, hangs).decide(facts("ada"))

    assert verdict.payload["reason"] == "authorization_id_unavailable"


async def test_by_default_the_check_names_tool_and_arguments(asked, authority):
    user = await authority.grant()

    await Gate(asked, same).decide(facts(user, text="5", n=5.0))

    arguments = canonical_json({"user_id": user, "text": "5", "n": 5})
    assert asked[0]["scopes"] == ["send"]
    assert asked[0]["resource"] == bound_resource("send", arguments)


async def test_without_binding_the_check_names_no_resource(asked, authority):
    user = await authority.grant()

    await Gate(asked, same, bind_arguments=False).decide(facts(user, text="5"))

    assert asked[0]["resource"] is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "arguments_not_canonical"),
        (float("inf"), "arguments_not_canonical"),
        ("\ud800", "arguments_not_canonical"),
        (object(), "arguments_not_canonical"),
        ({1: 2}, "arguments_not_canonical"),
    ],
    ids=["nan", "infinity", "surrogate", "object", "number-as-name"],
)
async def test_arguments_without_a_canonical_form_are_denied_without_a_check(value, reason, asked):
    verdict = await Gate(asked, same).decide(facts("ada", value=value))

    assert verdict.payload == {"decision": "deny", "reason": reason}
    assert asked == []


async def test_arguments_nested_too_deeply_are_denied_without_a_check(asked):
    value: Any = 1
    for _ in range(100):
        value = [value]

    verdict = await Gate(asked, same).decide(facts("ada", value=value))

    assert verdict.payload["reason"] == "arguments_not_canonical"
    assert asked == []


def test_arguments_that_cannot_be_copied_are_refused():
    value: Any = 1
    for _ in range(5000):
        value = [value]

    with pytest.raises(ValueError, match="copied"):
        facts("ada", value=value)


@pytest.mark.parametrize(("tool", "arguments"), [(5, {}), (None, {}), ("send", []), ("send", "x")])
def test_what_is_no_call_is_refused(tool, arguments):
    with pytest.raises(TypeError):
        CallFacts.of(tool, arguments)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_the_check_input_replaces_scope_resource_and_context(kind, asked, authority):
    user = await authority.grant("mail.send")
    check = CheckInput(scope="mail.send", resource="mailbox:7", context={"amount": 5}, session_id="s1")

    async def async_fn(facts):
        return check

    fn = async_fn if kind == "async" else lambda facts: check
    verdict = await Gate(asked, same, check_input_fn=fn).decide(facts(user))

    assert verdict.allowed
    asked[0].pop("idempotency_key")
    assert asked[0] == {
        "authorization_id": user,
        "scopes": ["mail.send"],
        "resource": "mailbox:7",
        "session_id": "s1",
        "context": {"amount": 5},
        "dialect": "scopes",
    }


async def test_a_check_input_that_says_nothing_of_the_resource_keeps_the_binding(asked, authority):
    user = await authority.grant("mail.send")

    await Gate(asked, same, check_input_fn=lambda facts: CheckInput(scope="mail.send")).decide(facts(user))

    assert asked[0]["resource"].startswith("mcp:send#sha256:")


@pytest.mark.parametrize(
    "check",
    [
        None,
        "mail.send",
        {"resource": "x"},
        CheckInput(scope=""),
        CheckInput(scope=5),
        CheckInput(resource=["x"]),
        CheckInput(session_id=7),
        CheckInput(context=[1]),
        CheckInput(context={"x": float("nan")}),
    ],
    ids=repr,
)
async def test_an_unusable_check_input_is_denied_without_a_check(check, asked):
    verdict = await Gate(asked, same, check_input_fn=lambda facts: check).decide(facts("ada"))

    assert verdict.payload == {"decision": "deny", "reason": "check_input_invalid"}
    assert asked == []


async def test_every_call_is_checked_under_a_key_of_its_own(asked, authority):
    user, gate = await authority.grant(), Gate(asked, same)

    await gate.decide(facts(user))
    await gate.decide(facts(user))

    keys = [check["idempotency_key"] for check in asked]
    assert len(set(keys)) == 2
    assert all(len(key) == 32 for key in keys)


async def test_an_invented_leg_is_a_call_like_any_other(asked, authority):
    user = await authority.grant(confirm=("send",))
    gate = Gate(asked, same)
    invented = CallFacts.of("send", {"user_id": user}, request_state="made up", answers={"x": {}})
    await authority.answer((await gate.decide(invented)).payload)

    verdicts = [await gate.decide(invented), await gate.decide(invented)]

    assert [verdict.allowed for verdict in verdicts] == [True, False]
    assert len({check["idempotency_key"] for check in asked}) == 3


@pytest.mark.parametrize("dialect", ["scopes", "actions"])
async def test_both_dialects_are_spoken(dialect, asked, authority):
    user = await authority.grant(confirm=("send",))
    gate = Gate(asked, same, dialect=dialect)

    verdict = await gate.decide(facts(user))
    await authority.answer(verdict.payload)

    assert verdict.payload["decision"] == "confirm"
    assert asked[0]["dialect"] == dialect
    assert (await gate.decide(facts(user))).allowed


@pytest.mark.parametrize(
    "options", [{"dialect": "verbs"}, {"check_timeout_seconds": 0}, {"check_timeout_seconds": float("nan")}]
)
def test_a_setting_that_cannot_work_is_refused(options):
    with pytest.raises(ValueError, match="must be"):
        Gate(None, same, **options)


async def test_no_secret_shows_in_what_may_be_logged(asked, authority):
    """G7: a verdict, its grant and the facts may turn up in a log or a traceback."""
    user = await authority.grant(confirm=("send",))
    gate = Gate(asked, same)
    blocked = await gate.decide(facts(user))
    nonce = blocked.payload["confirm_nonce"]
    await authority.answer(blocked.payload)
    allowed = await gate.decide(facts(user))

    shown = f"{blocked!r} {allowed!r}"

    assert nonce not in shown
    assert asked[-1]["idempotency_key"] not in shown
