"""One behaviour on every kind of server, through every transport, in both eras of the protocol."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

tools = pytest.mark.parametrize("tool", ["send", "measure"])


def payload_of(result: Any) -> dict[str, Any]:
    """The decision in a blocked result, after the shape that all of them share was checked."""
    assert result.is_error is True
    assert len(result.content) == 1
    payload = json.loads(result.content[0].text)
    assert result.content[0].text == json.dumps(payload)
    assert result.structured_content == payload
    return payload


@tools
def test_an_allowed_call_runs_once(connection, tool):
    user = connection.grant()

    result = connection.call(tool, user_id=user, text="hello")

    assert result.is_error is False
    assert result.content[0].text == ("sent" if tool == "send" else result.content[0].text)
    assert result.structured_content == (None if tool == "send" else {"length": 5})
    assert connection.runs(user) == ["hello"]


@tools
def test_a_deny_blocks_with_its_reason(connection, tool):
    user = connection.grant("other")

    result = connection.call(tool, user_id=user, text="hello")

    assert payload_of(result) == {"decision": "deny", "reason": "scope_not_authorized"}
    assert "allowly-middleware/check" not in (result.meta or {})
    assert connection.runs(user) == []


@tools
def test_a_confirmation_blocks_with_its_nonce_hint_and_expiry(connection, tool):
    user = connection.grant(confirm=(tool,))

    payload = payload_of(connection.call(tool, user_id=user, text="hello"))

    assert list(payload) == ["decision", "reason", "confirm_nonce", "confirm_prompt_hint", "confirm_expires_at"]
    assert (payload["decision"], payload["reason"]) == ("confirm", "scope_requires_user_confirmation")
    assert payload["confirm_nonce"]
    left = datetime.fromisoformat(payload["confirm_expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < left <= timedelta(minutes=5, seconds=1)
    assert connection.runs(user) == []


@tools
def test_an_escalation_blocks_with_its_id_target_and_expiry(connection, tool):
    user = connection.grant(escalate=(tool,))

    payload = payload_of(connection.call(tool, user_id=user, text="hello"))

    assert list(payload) == ["decision", "reason", "escalation_id", "escalation_to", "escalation_expires_at"]
    assert (payload["decision"], payload["reason"]) == ("escalate", "escalation_required")
    assert payload["escalation_to"] == "compliance"
    assert datetime.fromisoformat(payload["escalation_expires_at"]).tzinfo is not None
    assert connection.runs(user) == []


@pytest.mark.parametrize("rule", ["confirm", "escalate"])
def test_an_approval_opens_exactly_this_call_once(connection, rule):
    user = connection.grant(**{rule: ("send",)})
    connection.answer(payload_of(connection.call("send", user_id=user, text="hello")))

    other = connection.call("send", user_id=user, text="something else")
    first = connection.call("send", user_id=user, text="hello")
    again = connection.call("send", user_id=user, text="hello")

    assert payload_of(other)["decision"] == rule
    assert first.is_error is False
    assert payload_of(again)["decision"] == rule
    assert connection.runs(user) == ["hello"]


def test_a_refused_confirmation_opens_nothing(connection):
    user = connection.grant(confirm=("send",))
    connection.answer(payload_of(connection.call("send", user_id=user, text="hello")), yes=False)

    result = connection.call("send", user_id=user, text="hello")

    assert payload_of(result)["decision"] == "confirm"
    assert connection.runs(user) == []


def test_an_unknown_user_is_denied(connection):
    result = connection.call("send", user_id="auth_of_nobody", text="hello")

    assert payload_of(result) == {"decision": "deny", "reason": "authorization_not_found"}
    assert connection.runs("auth_of_nobody") == []
